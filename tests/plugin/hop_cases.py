"""The broken hops: the tests that a user has, what breaks the hop, and how it must be named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CORE_TESTS = '''
"""What /error must leave in each backend."""


# First, because its baseline is then that of a new app, which needs no wait.
def test_metrics(obs):
    obs.get("/error")
    obs.metrics.expect_increase('http_requests_total{endpoint="/error",status="500"}', by=1)


def test_errors(obs):
    obs.get("/error")
    obs.sentry.expect_issue("ValueError", value="Intentional error for testing")


def test_spans(obs):
    obs.get("/error")
    obs.traces.expect_span("GET /error", service="simple-app", status="error")


def test_logs(obs):
    obs.get("/error")
    obs.logs.expect_line("Intentional error for testing", level="ERROR")
'''

CONFTEST = """
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_obsstack import simple_app
from pytest_obsstack.provision.collector_target import collector_settings


def app(**env):
    # Without the service that it calls: these tests do not.
    return replace(simple_app(), companions={}, env=env)


@pytest.fixture(scope="session")
def obs_app_spec(obs_dsn):
    return app()
"""

DROPPING_APP = """
import sentry_sdk

from app import app

original = sentry_sdk.init


def init(**options):
    original(**{**options, "before_send": lambda event, hint: None})


sentry_sdk.init = init
"""


@dataclass(frozen=True)
class Case:
    """A broken hop and what it must look like."""

    name: str
    breaks: Literal["app", "stack"]
    breaking: str
    """Added to the conftest."""
    red: frozenset[str]
    stopped_at: str = ""
    cause: str = ""
    """Part of the line that says what to do."""


HEALTHY = Case(name="nothing", breaks="stack", breaking="", red=frozenset())
BROKEN = [
    Case(
        name="the app has no DSN",
        breaks="app",
        breaking="""
            @pytest.fixture(scope="session")
            def obs_app_spec():
                return app(SENTRY_DSN="")
        """,
        red=frozenset({"errors"}),
        stopped_at="app → SDK",
        cause="give the app a valid SENTRY_DSN (fixture obs_dsn)",
    ),
    Case(
        name="the app's DSN has a wrong key",
        breaks="app",
        breaking="""
            @pytest.fixture(scope="session")
            def obs_app_spec(obs_dsn):
                return app(SENTRY_DSN="http://" + "0" * 32 + "@" + obs_dsn.partition("@")[2])
        """,
        red=frozenset({"errors"}),
        stopped_at="SDK → Sentry",
        cause="Sentry refuses envelopes with an unknown key (403)",
    ),
    Case(
        name="the app's before_send drops every event",
        breaks="app",
        breaking="""
            @pytest.fixture(scope="session")
            def obs_app_spec():
                healthy = app()
                here = str(Path(__file__).parent)
                command = [
                    "dropping:app" if part == "app:app" else part for part in healthy.command
                ]
                command[-1:-1] = ["--pythonpath", here]
                return replace(healthy, command=command)
        """,
        red=frozenset({"errors"}),
        stopped_at="SDK (filter)",
        cause="look at before_send",
    ),
    Case(
        name="the app exports to nobody",
        breaks="app",
        breaking="""
            @pytest.fixture(scope="session")
            def obs_app_spec():
                return app(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
        """,
        red=frozenset({"spans", "metrics", "logs"}),
        stopped_at="app → collector",
        cause="correct the app's OTEL_EXPORTER_OTLP_ENDPOINT",
    ),
    Case(
        name="the collector is stopped",
        breaks="stack",
        breaking="""
            @pytest.fixture(scope="session", autouse=True)
            def broken(obs_stack):
                obs_stack.stop("collector")
                yield
                obs_stack.start("collector")
        """,
        red=frozenset({"spans", "metrics", "logs"}),
        stopped_at="app → collector",
        cause="The collector did not answer",
    ),
    Case(
        name="the collector exports spans to nobody",
        breaks="stack",
        breaking="""
            @pytest.fixture(scope="session", autouse=True)
            def broken(obs_stack, obs_dsn):
                obs_stack.configure("collector", {"traces_endpoint": "http://127.0.0.1:1/traces"})
                yield
                obs_stack.configure("collector", collector_settings(obs_dsn))
        """,
        red=frozenset({"spans"}),
        stopped_at="collector → Sentry",
        cause="the collector's exporter otlp_http/sentry fails: failed to make an HTTP request",
    ),
    Case(
        name="Prometheus scrapes a wrong target",
        breaks="stack",
        breaking="""
            @pytest.fixture(scope="session", autouse=True)
            def broken(obs_stack, obs_endpoints):
                def scrape(target):
                    job = {"job_name": "otel-collector", "targets": [target], "honor_labels": True}
                    obs_stack.configure("prometheus", {"scrape_configs": [job]})

                scrape("127.0.0.1:1")
                yield
                scrape(obs_endpoints.collector.otlp_url.removeprefix("http://"))
        """,
        red=frozenset({"metrics"}),
        stopped_at="collector → Prometheus",
        cause="the scrape of http://127.0.0.1:1/metrics fails",
    ),
    Case(
        name="Loki refuses what is pushed",
        breaks="stack",
        breaking="""
            @pytest.fixture(scope="session", autouse=True)
            def broken(obs_stack):
                obs_stack.fail("loki", status=429, path="/otlp/v1/logs", body="rate limit exceeded")
                yield
                obs_stack.heal("loki")
        """,
        red=frozenset({"logs"}),
        stopped_at="collector → Loki",
        cause="the collector's exporter otlp_http/loki fails",
    ),
]
