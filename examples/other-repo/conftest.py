# conftest.py
import sys
from pathlib import Path

import pytest

from pytest_obsstack import AppSpec


@pytest.fixture(scope="session")
def obs_app_spec() -> AppSpec:
    return AppSpec(
        command=[sys.executable, str(Path(__file__).parent / "shop.py")],
        service="shop",
        release="shop@1.2.3",
        signals=frozenset({"errors"}),  # no OpenTelemetry, no metrics, no logs
    )
