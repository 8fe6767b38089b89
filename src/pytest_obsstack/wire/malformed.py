"""The one error of this package's parsers."""

from __future__ import annotations


class WireError(ValueError):
    """Bytes that are not what their format says; ``str()`` tells what was expected and found."""
