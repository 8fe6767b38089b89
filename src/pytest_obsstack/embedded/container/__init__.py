"""One embedded product alone in a process, as a container runs it.

A program of its own, started with ``python -m pytest_obsstack.embedded.container PRODUCT``. It is
told everything by environment variables, listens on all addresses at the product's usual ports,
keeps its journal in a folder that outlives it and ends on SIGTERM within a second.
"""
