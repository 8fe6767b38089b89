"""The one text with which this server says that it is not the whole of Sentry."""

from __future__ import annotations


def not_supported(what: str) -> str:
    """``what`` names the thing that was asked for: a path, a parameter, a search term, a field."""
    return (
        f"not supported by the embedded Sentry: {what}; "
        "use --obs-stack=compose, or --obs-use sentry=URL"
    )
