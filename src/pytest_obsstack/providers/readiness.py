"""Whether a server is ready: one question over HTTP, asked again by whoever waits."""

from __future__ import annotations

from pytest_obsstack.endpoints import needs_certificates

_TIMEOUT_S = 2.0


def probe_url(url: str) -> str | None:
    """What is wrong with ``GET url``, ``None`` when it answers 2xx."""
    import httpx

    try:
        response = httpx.get(
            url, timeout=_TIMEOUT_S, trust_env=False, verify=needs_certificates(url)
        )
    except httpx.HTTPError as error:
        return f"no answer ({type(error).__name__})"
    return None if response.is_success else f"status {response.status_code}"
