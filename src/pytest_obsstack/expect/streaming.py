"""Which responses were streamed: their spans may have ended before their bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


def is_streamed(response: httpx.Response) -> bool:
    """Whether the body's length was not known when it began (RFC 9112, section 6.3).

    Such a body is made while it is sent, and may report errors, spans and records until its end.
    """
    if response.request.method == "HEAD" or response.status_code in {204, 304}:
        return False
    headers = response.headers
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return True
    # Without a length it ends where the connection does, or as HTTP/2 says.
    return "content-length" not in headers and bool(response.content)
