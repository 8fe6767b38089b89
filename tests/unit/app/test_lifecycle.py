from __future__ import annotations

import os
import threading
import time
from typing import Any

import pytest

from telemetry.lifecycle import run_all
from telemetry.otel import _resource
from telemetry.settings import Settings


def resource(**changes: Any) -> dict[str, Any]:
    return dict(_resource(Settings(**changes)).attributes or {})


def test_a_stop_runs_everything_side_by_side() -> None:
    meeting = threading.Barrier(3)
    met: list[int] = []
    started = time.monotonic()
    run_all([lambda: met.append(meeting.wait(timeout=5))] * 3, timeout_s=5)
    assert sorted(met) == [0, 1, 2]
    assert time.monotonic() - started < 5


def test_a_stop_does_not_wait_longer_than_its_limit_for_all_together() -> None:
    never = threading.Event()
    started = time.monotonic()
    try:
        run_all([lambda: never.wait(timeout=30)] * 4, timeout_s=0.1)
        assert 0.1 <= time.monotonic() - started < 5
    finally:
        never.set()


def test_a_single_worker_keeps_the_instance_id_it_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=one")
    attributes = {"service.instance.id": "one"}
    assert resource(resource_attributes=attributes)["service.instance.id"] == "one"
    assert resource(resource_attributes=attributes, workers=2)["service.instance.id"] == (
        f"one-{os.getpid()}"
    )


def test_the_environment_is_sentrys_unless_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "deployment.environment.name"
    assert resource(sentry_environment="staging")[name] == "staging"
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", f"{name}=given")
    assert resource(resource_attributes={name: "given"})[name] == "given"
