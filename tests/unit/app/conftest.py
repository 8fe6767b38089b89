from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.app.in_process import InProcess


@pytest.fixture(scope="session")
def simple_app() -> InProcess:
    return InProcess()


@pytest.fixture
def reporting(simple_app: InProcess) -> Iterator[InProcess]:
    """The app reporting to memory, with the default settings but no simulated errors."""
    with simple_app.reporting():
        yield simple_app
