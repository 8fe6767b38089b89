"""For all tests of expectations: messages tell how long was waited, on whatever machine."""

from __future__ import annotations

import time

import pytest

from pytest_obsstack.waiting import until


@pytest.fixture(autouse=True)
def only_sleep_takes_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll that the machine has held up has not been waited for: ``after 0.0 s`` holds."""
    slept_s = 0.0

    def clock() -> float:
        return slept_s

    def sleep(seconds: float) -> None:
        nonlocal slept_s
        time.sleep(seconds)
        slept_s += seconds

    defaults = until.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "clock", clock)
    monkeypatch.setitem(defaults, "sleep", sleep)
