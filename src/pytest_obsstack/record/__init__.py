"""What was asked and what was seen: written by all, read by expectations and reports."""
