"""One server a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.embedded.sentry.support import Sentry


@pytest.fixture
def sentry() -> Iterator[Sentry]:
    server = Sentry()
    yield server
    server.close()
