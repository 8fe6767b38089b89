"""kent's ``kent-testpost``, a sender of other people's making, against the embedded server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.embedded_sentry import EmbeddedSentry, running_sentry

COMMAND = Path(sys.executable).with_name("kent-testpost")
_TIMEOUT_S = 30


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedSentry]:
    with running_sentry() as server:
        yield server


def post(kind: str, dsn: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
    return subprocess.run(
        [COMMAND, "--dsn", dsn, kind],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("message", "test error capture"),
        ("error", "Exception: intentional exception"),
        ("loggingerror", "Exception: intentional exception"),
    ],
)
def test_what_it_posts_is_an_issue(embedded: EmbeddedSentry, kind: str, title: str) -> None:
    before = embedded.server.status()["events"]
    finished = post(kind, embedded.dsn)
    assert finished.returncode == 0, finished.stderr
    issues = embedded.get("/organizations/obs/issues/")
    assert title in [issue["title"] for issue in issues]
    assert embedded.server.status()["events"] == before + 1


def test_a_report_that_is_not_supported_fails_in_its_hands(embedded: EmbeddedSentry) -> None:
    finished = post("security_csp_new", embedded.dsn)
    assert finished.returncode != 0
    assert "404" in finished.stderr
    assert "/api/1/security/" in finished.stderr
