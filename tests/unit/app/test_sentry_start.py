from __future__ import annotations

import pytest

from telemetry.sentry import start_sentry
from telemetry.settings import Settings


def test_without_a_dsn_the_line_says_so() -> None:
    assert start_sentry(Settings()) == "Sentry disabled: SENTRY_DSN is not set"


@pytest.mark.parametrize(
    ("dsn", "reason"),
    [
        ("ftp://thekey@host/1", "Unsupported scheme 'ftp'"),
        ("http:///1", "Missing hostname"),
        ("http://host/1", "Missing public key"),
        ("http://thekey@host/project", "Invalid project in DSN ('project')"),
        ("http://thekey@host:port/1", "host or port cannot be read"),
        ("http://host:thekey/1", "host or port cannot be read"),
    ],
)
def test_a_dsn_that_is_none_is_told_without_its_key(dsn: str, reason: str) -> None:
    line = start_sentry(Settings(sentry_dsn=dsn))
    assert line == f"Sentry disabled: SENTRY_DSN is not a valid DSN: {reason}"
    assert "thekey" not in line
