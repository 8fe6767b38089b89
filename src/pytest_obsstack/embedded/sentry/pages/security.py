"""What keeps the pages harmless: headers, and where a login may lead."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import urlsplit


def security_headers(stylesheet: str) -> dict[str, str]:
    """For every page: no script, no foreign content, no frame, no cache.

    ``stylesheet`` is the one inline style that may apply, allowed by its hash (CSP Level 3,
    section 2.3.1).
    """
    digest = base64.b64encode(hashlib.sha256(stylesheet.encode()).digest()).decode()
    policy = (
        "default-src 'none'; "
        f"style-src 'sha256-{digest}'; "
        "img-src data:; "
        "form-action 'self'; "
        "base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


def safe_next(target: str | None) -> str:
    """``target`` if it is a path on this server, else ``/``.

    Browsers read two slashes, and a slash with a backslash, as the start of another host's address,
    and leave out control characters before they look.
    """
    text = target or "/"
    if not text.startswith("/") or text.startswith("//") or "\\" in text:
        return "/"
    if any(ord(character) <= 32 or ord(character) == 127 for character in text):
        return "/"
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/"
    return text if not parts.scheme and not parts.netloc else "/"
