"""One server with alerts a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.embedded.sentry.alerts.support import AlertingSentry


@pytest.fixture
def sentry() -> Iterator[AlertingSentry]:
    server = AlertingSentry()
    server.start()
    yield server
    server.close()
