"""What each data source's plugin does: ask its product, and make data frames of the answer."""
