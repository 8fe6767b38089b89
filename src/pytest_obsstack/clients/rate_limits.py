"""How long a server that answers 429 asks to wait."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime


def rate_limit_delay_s(headers: Mapping[str, str], now_s: float) -> float:
    """Seconds to wait by ``Retry-After`` (RFC 9110, 10.2.3), else by Sentry's own headers, else 1.

    ``X-Sentry-Rate-Limits`` is ``seconds:categories:scope,…``
    (https://develop.sentry.dev/sdk/foundations/transport/rate-limiting/); the web API tells the
    end of its window as ``X-Sentry-Rate-Limit-Reset``, in seconds since the epoch
    (https://docs.sentry.io/api/ratelimits/).
    """
    delays: list[float] = []
    retry_after = headers.get("retry-after")
    if retry_after is not None:
        delays.append(_retry_after_s(retry_after.strip(), now_s))
    else:
        limits = headers.get("x-sentry-rate-limits", "")
        delays.extend(_seconds(limit.split(":")[0]) for limit in limits.split(",") if limit.strip())
        reset = headers.get("x-sentry-rate-limit-reset")
        if reset is not None and not delays:
            delays.append(_seconds(reset) - now_s)
    # Never a tight loop: some servers ask for 0 seconds and refuse again.
    return max([0.1, *delays]) if delays else 1.0


def _retry_after_s(value: str, now_s: float) -> float:
    if value.replace(".", "", 1).isdigit():
        return float(value)
    try:
        return parsedate_to_datetime(value).timestamp() - now_s
    except ValueError:
        return 1.0


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0
