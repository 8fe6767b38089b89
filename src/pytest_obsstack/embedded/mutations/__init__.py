"""Telemetry faults on the way in: what is changed before a product sees it, for one trace alone.

Not part of any product. ``rules`` holds what is to be changed, ``app`` stands before a product's
application, ``sentry`` and ``otlp`` know the formats.
"""
