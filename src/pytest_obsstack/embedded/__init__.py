"""The embedded servers: one process with a listener for each product.

A program of its own, started with ``python -m pytest_obsstack.embedded``. It imports ``wire`` and
``errors`` and nothing else of the package; the rest of the package talks to it over HTTP alone.
"""
