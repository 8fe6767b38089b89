from __future__ import annotations

import httpx
import pytest

from pytest_obsstack.clients.rate_limits import rate_limit_delay_s


@pytest.mark.parametrize(
    ("headers", "delay_s"),
    [
        ({"retry-after": "5"}, 5.0),
        ({"retry-after": "0"}, 0.1),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "soon"}, 1.0),
        ({"retry-after": "1", "x-sentry-rate-limits": "60::organization"}, 1.0),
        ({"x-sentry-rate-limits": "60:transaction:key, 2700:error;default:organization"}, 2700.0),
        ({"x-sentry-rate-limits": "nonsense"}, 1.0),
        ({"x-sentry-rate-limit-reset": "1795435210"}, 10.0),
        ({"x-sentry-rate-limit-reset": "1"}, 0.1),
        ({}, 1.0),
    ],
)
def test_delay_of_a_rate_limit(headers: dict[str, str], delay_s: float) -> None:
    noon = 1795435200.0  # Mon, 23 Nov 2026 12:00:00 GMT
    assert rate_limit_delay_s(httpx.Headers(headers), noon) == pytest.approx(delay_s)
