"""What expectations are told of an app, by its spec and by what it was told itself."""

from __future__ import annotations

import pytest

from pytest_obsstack.expect.opening import app_facts
from pytest_obsstack.providers.app import AppProcess
from pytest_obsstack.providers.app_spec import AppSpec, simple_app


def app(spec: AppSpec, **environment: str) -> AppProcess:
    made = AppProcess(spec, "http://127.0.0.1:5000", "shop-main")
    made.environment = environment
    return made


@pytest.mark.parametrize(
    ("spec", "told", "delay_s"),
    [
        (AppSpec(), {"OTEL_BLRP_SCHEDULE_DELAY": "20"}, 0.27),
        (AppSpec(), {"OTEL_BLRP_SCHEDULE_DELAY": "2000"}, 2.25),
        # Nobody knows what an app was told that somebody else has started.
        (AppSpec(), {}, 5.25),
        (AppSpec(), {"OTEL_BLRP_SCHEDULE_DELAY": "soon"}, 5.25),
        (AppSpec(log_delay_s=0.1), {"OTEL_BLRP_SCHEDULE_DELAY": "2000"}, 0.1),
    ],
)
def test_how_long_log_records_may_take(spec: AppSpec, told: dict[str, str], delay_s: float) -> None:
    assert app_facts(app(spec, **told)).log_delay_s == pytest.approx(delay_s)


@pytest.mark.parametrize(
    ("spec", "told", "processes"),
    [
        (AppSpec(), {}, 1),
        (AppSpec(), {"WEB_CONCURRENCY": "3"}, 3),
        (AppSpec(), {"WEB_CONCURRENCY": "auto"}, 1),
        (AppSpec(), {"WEB_CONCURRENCY": "0"}, 1),
        (AppSpec(processes=2), {"WEB_CONCURRENCY": "3"}, 2),
    ],
)
def test_how_many_processes_answer(spec: AppSpec, told: dict[str, str], processes: int) -> None:
    assert app_facts(app(spec, **told)).processes == processes


def test_what_the_spec_declares() -> None:
    spec = AppSpec(
        background_threads=True,
        ends_after_body=True,
        sentry_queue_size=7,
        sentry_log_delay_s=0.5,
        ready_path="/up",
    )
    facts = app_facts(app(spec))
    assert facts.background_threads
    assert facts.ends_after_body
    assert (facts.sentry_queue_size, facts.sentry_log_delay_s) == (7, 0.5)
    assert facts.ready_path == "/up"


def test_an_app_that_declares_nothing_has_the_queue_of_the_sdks_default() -> None:
    assert app_facts(app(AppSpec())).sentry_queue_size == 100
    # As stack/app/telemetry/sentry.py sets it.
    assert simple_app().sentry_queue_size == 5000
