"""The pages, and the program that writes their generated parts: ``python -m docs.generate``."""
