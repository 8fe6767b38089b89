"""Clients of the products' public APIs: typed models, one client a product.

Importing this package imports no HTTP library; the modules ``http`` and ``client`` do.
"""
