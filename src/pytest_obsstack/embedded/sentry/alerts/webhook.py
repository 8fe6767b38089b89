"""One webhook: where it may go, its headers, and one attempt to send it.

https://docs.sentry.io/organization/integrations/integration-platform/webhooks/
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from types import ModuleType
from urllib.parse import urlsplit

from pytest_obsstack.embedded.sentry.refusal import not_supported

Post = Callable[[str, bytes, Mapping[str, str]], Awaitable[int]]
"""(URL, body, headers) → status; raises ``NoAnswer``."""
TIMEOUT_S = 5.0
"""For the receiver's answer. Sentry gives up after 1 s; a busy test machine may need longer, and a
webhook that is sent twice because its answer was late would be counted as two."""


class NoAnswer(Exception):
    """The receiver could not be reached, or did not answer in time."""


def destination_problem(url: str, allowed_hosts: str) -> str | None:
    """Why a webhook must not go to ``url``, or ``None``.

    ``allowed_hosts`` is the setting ``webhook_hosts``.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
        parts.port  # noqa: B018 - the property raises for a port that is none
    except ValueError:
        host, parts = None, urlsplit("")
    if host is None or parts.scheme not in ("http", "https"):
        return "URL must start with http[s]://"
    allowed = {name.strip().lower() for name in allowed_hosts.split(",")}
    if "*" in allowed or host.lower() in allowed or _is_loopback(host):
        return None
    return not_supported(
        f"a webhook to {host!r}, which is not on this machine and not in the setting webhook_hosts"
    )


def webhook_headers(
    body: bytes, *, resource: str, request_id: str, client_secret: str, timestamp_s: int
) -> dict[str, str]:
    """The headers of the section "Headers", signed with the integration's client secret."""
    signature = hmac.new(client_secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "Request-ID": request_id,
        "Sentry-Hook-Resource": resource,
        "Sentry-Hook-Timestamp": str(timestamp_s),
        "Sentry-Hook-Signature": signature,
    }


async def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """One attempt; no proxy, no redirect. Raises ``NoAnswer``."""
    # The import takes a while, and ingest goes on meanwhile.
    httpx = await asyncio.to_thread(_httpx)
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as client:
            response = await client.post(url, content=body, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise NoAnswer(f"no answer from {url}: {reason}") from error
    return int(response.status_code)


def _httpx() -> ModuleType:
    import httpx

    return httpx


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
