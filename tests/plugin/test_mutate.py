"""``--obs-mutate``, in whole runs: who notices faults, who does not, and what the run tells."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.docs.blocks import all_blocks
from tests.plugin.inner import PATIENCE_S, Ended, Project, ended, interrupt, wait_until

pytestmark = pytest.mark.obs_requires("app_control", "faults")

STRONG = """
def test_strong(obs):
    obs.get("/error", headers={"X-User-Id": "7"})
    issue = obs.sentry.expect_issue("ValueError", level="error")
    event = obs.sentry.expect_event(
        issue,
        tags={"endpoint": "/error", "error_type": "ValueError"},
        user={"id": "7"},
        contexts={"request_info": {"method": "GET"}},
        environment="production",
        level="error",
    )
    assert event.breadcrumbs[-1].category == "request"
    assert event.exception.frames[-1].function == "error"
    assert len(obs.sentry.events()) == 1
"""
WEAK = """
def test_weak(obs):
    obs.get("/error", headers={"X-User-Id": "7"})
    obs.sentry.expect_event(type="ValueError")
"""
UNREPEATABLE = """
from pathlib import Path

def test_once(obs):
    flag = Path(__file__).with_name("was-run")
    assert not flag.exists(), "this is the second time"
    flag.touch()
    obs.get("/error")
    obs.sentry.expect_event()
"""
SIGNALS = """
import pytest

@pytest.mark.obs_requires("metrics")
def test_signals(obs):
    obs.get("/error")
    span = obs.traces.expect_span("GET /error", service="simple-app", environment="production")
    parent = obs.exchanges[0].span_id
    obs.traces.expect_span("GET /error", kind="server", parent=parent)
    obs.logs.expect_line("Intentional error for testing", level="ERROR")
    obs.metrics.expect_increase('http_requests_total{endpoint="/error"}', by=1)
    obs.expect_nowhere("hunter2")

def test_once(obs):
    obs.get("/error")
    obs.expect_exactly_once("events", "spans", "lines")

@pytest.mark.obs_requires("metrics")
def test_metrics_afterwards(obs):
    obs.get("/error")
    obs.metrics.expect_increase('http_requests_total{endpoint="/error"}', by=1)
    obs.metrics.expect_increase("http_requests_total", by=1)
"""
ALERTS_OF_METRICS = """
import pytest


def group(expression):
    rule = {"alert": "Failing", "expr": expression}
    return {"name": "shop", "interval": "50ms", "rules": [rule]}


@pytest.mark.obs_exclusive
@pytest.mark.obs_requires("metrics")
def test_alert_of_nothing(obs, obs_alert_receiver):
    obs.get("/error")
    obs.metrics.expect_cardinality("http_requests_total", max=9)
    with obs_alert_receiver.rules(group("vector(1)")):
        obs_alert_receiver.expect_alert("Failing")


@pytest.mark.obs_exclusive
def test_alert(obs_alert_receiver, obs_with_app):
    errors = 'sum by (instance) (http_requests_total{status=~"5.."}) > 0'
    with obs_with_app() as shop, obs_alert_receiver.rules(group(errors)):
        shop.get("/error")
        obs_alert_receiver.of(shop).expect_alert("Failing")


@pytest.mark.obs_exclusive
@pytest.mark.obs_requires("metrics")
def test_no_alert(obs, obs_alert_receiver):
    with obs_alert_receiver.rules(group("http_requests_total < 0")):
        obs.get("/health")
        obs_alert_receiver.expect_no_alert("Failing")
"""
ALERTS_OF_ERRORS = """
import pytest

from pytest_obsstack.clients.sentry.alerts import FIRST_SEEN, notify


@pytest.fixture
def channel(obs, obs_bench, obs_alert_receiver):
    alerts = obs_bench.clients.sentry.alerts
    app = alerts.create_integration(f"shop {obs.trace_id}", obs_alert_receiver.webhook_url)
    rule = alerts.create_issue_rule(
        f"new {obs.trace_id}", conditions=[FIRST_SEEN], filters=[], actions=[notify(app)]
    )
    yield rule.name
    alerts.delete_issue_rule(rule)
    alerts.delete_integration(app)


def report(obs):
    # In letters: issues are the same where only numbers differ.
    word = obs.trace_id.translate(str.maketrans("0123456789", "ghijklmnop"))
    query = {"level": "error", "message": f"Order {word} is stuck"}
    obs.get("/log", params=query, headers={"X-Customer-Tier": "gold"})


def test_alert_of_an_error(obs, obs_alert_receiver, channel):
    report(obs)
    obs_alert_receiver.expect_alert(channel, labels={"customer_tier": "gold"})


def test_no_alert_of_an_error(obs, obs_alert_receiver, channel):
    obs.get("/health")
    obs_alert_receiver.expect_no_alert(channel)


def test_no_regression(obs):
    report(obs)
    issue = obs.sentry.resolve(obs.sentry.expect_issue())
    obs.get("/health")
    obs.sentry.expect_no_regression(issue)
"""
OTHERS = """
import pytest

def test_without_a_stack(): pass

def test_that_asks_nothing(obs):
    obs.get("/")

def test_that_fails(obs):
    obs.get("/")
    assert obs.get("/error").status_code == 200

@pytest.mark.obs_exclusive
def test_that_stops_sentry(obs, obs_stack):
    obs_stack.stop("sentry")
    obs_stack.start("sentry")
"""
INTERRUPTED = """
import time
from pathlib import Path

HERE = Path(__file__).parent

def test_it(obs):
    with (HERE / "runs").open("a") as runs:
        runs.write("x")
    obs.get("/error")
    obs.sentry.expect_event()
    if (HERE / "runs").stat().st_size > 2:
        (HERE / "a fault").touch()
        time.sleep(60)
"""
SHARED = """
import pytest

@pytest.fixture(scope="module")
def event(obs_bench, obs_app):
    with obs_bench.probe(obs_app) as obs:
        obs.get("/error")
        yield obs.sentry.expect_event(tags={"endpoint": "/error"})

def test_of_shared_telemetry(event):
    assert event.breadcrumbs
"""


@pytest.fixture
def shop(project: Project) -> Project:
    """With the sample app, which reports all signals."""
    project.write("conftest.py", "")
    return project


def summary(run: Ended) -> list[str]:
    """The self-check's lines."""
    section = re.split(r"=+ mutation self-check =+\n", run.output)[1]
    return comparable(re.split(r"\n=+ ", section)[0])


def comparable(text: str) -> list[str]:
    """Lines without what differs from run to run."""
    text = re.sub(r"\d+\.\d s\)", "SECONDS)", text)
    return re.sub(r"every rerun: \S+", "every rerun: FILE", text).splitlines()


def record(project: Project) -> dict[str, Any]:
    (path,) = project.home.glob("runs/*/mutations.json")
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def verdicts(found: dict[str, Any]) -> dict[str, dict[str, str]]:
    """By test, how each fault ended."""
    return {
        test["test"]: {each["title"]: each["verdict"] for each in test["outcomes"]}
        for test in found["tests"]
    }


def test_a_strong_test_notices_every_fault(shop: Project) -> None:
    shop.write("test_it.py", STRONG)
    run = shop.run("--obs-mutate", "--obs-mutate-min=100")
    assert run.status == 0, run.output
    assert "1 passed" in run.output
    assert summary(run) == [
        "100.0 %: 11 of 11 faults noticed (1 test, 11 reruns, SECONDS)",
        "",
        "every rerun: FILE",
    ]
    assert verdicts(record(shop)) == {
        "test_it.py::test_strong": dict.fromkeys(
            [
                "trace id changed (errors)",
                "event dropped (errors)",
                "event duplicated (errors)",
                "level changed (errors)",
                "tag removed (errors): endpoint",
                "tag removed (errors): error_type",
                "context removed (errors): request_info",
                "user removed (errors)",
                "environment changed (errors)",
                "breadcrumbs removed (errors)",
                "stack trace removed (errors)",
            ],
            "killed",
        )
    }


def test_of_a_weak_test_each_survivor_is_named_with_what_to_assert(shop: Project) -> None:
    shop.write("test_it.py", WEAK)
    run = shop.run("--obs-mutate")
    assert run.status == 0, run.output
    (shown,) = [block for block in all_blocks() if block.code.startswith("20.0 %")]
    assert summary(run) == comparable(shown.code)


def test_a_score_below_the_minimum_fails_the_run(shop: Project) -> None:
    shop.write("test_it.py", WEAK)
    run = shop.run("--obs-mutate", "--obs-mutate-min=95")
    assert run.status == 1, run.output
    assert "1 passed" in run.output
    assert summary(run)[:2] == [
        "20.0 %: 2 of 10 faults noticed (1 test, 10 reruns, SECONDS)",
        "FAILED: the score is below --obs-mutate-min=95",
    ]


def test_what_one_test_leaves_to_another_is_no_survivor_whoever_runs_them(shop: Project) -> None:
    shop.write("test_strong.py", STRONG)
    shop.write("test_weak.py", WEAK)
    for workers in (0, 2):
        run = shop.run("--obs-mutate", "--obs-mutate-min=100", workers=workers)
        assert run.status == 0, run.output
        assert "2 passed" in run.output
        assert summary(run)[0].startswith("100.0 %: 13 of 13 faults noticed (2 tests, ")
    first, second = (
        json.loads(path.read_text("utf-8")) for path in shop.home.glob("runs/*/mutations.json")
    )
    assert (first["killed"], first["survivors"]) == (second["killed"], second["survivors"])


def test_every_signal_is_changed_on_its_way_and_left_alone_afterwards(shop: Project) -> None:
    shop.write("test_it.py", SIGNALS)
    run = shop.run("--obs-mutate", "--obs-mutate-min=100")
    assert run.status == 0, run.output
    assert verdicts(record(shop)) == {
        "test_it.py::test_signals": dict.fromkeys(
            [
                "trace id changed (spans)",
                "span dropped (spans): GET /error",
                "parent lost (spans)",
                "environment changed (spans)",
                "trace id changed (logs)",
                "line dropped (logs): Intentional error for testing",
                "level changed (logs)",
                "metric frozen (metrics)",
                "label renamed (metrics): endpoint",
                *(
                    f"secret left in ({signal}): hunter2"
                    for signal in ("transactions", "spans", "logs")
                ),
            ],
            "killed",
        ),
        "test_it.py::test_once": dict.fromkeys(
            [
                "event delivered twice (errors)",
                "trace id changed (errors)",
                "span delivered twice (spans)",
                "trace id changed (spans)",
                "line delivered twice (logs)",
                "trace id changed (logs)",
            ],
            "killed",
        ),
        "test_it.py::test_metrics_afterwards": {
            "metric frozen (metrics)": "killed",
            "label renamed (metrics): endpoint": "killed",
        },
    }


def verdicts_of(shop: Project, test: str) -> tuple[dict[str, dict[str, str]], list[str]]:
    """By function, how each fault ended, and what the run tells of it."""
    shop.write("test_it.py", test)
    # Each rerun starts an app of its own, and waits for an alert that does not come.
    run = ended(shop.start("--obs-mutate"), within_s=6 * PATIENCE_S)
    assert run.status == 0, run.output
    found = {name.partition("::")[2]: ended for name, ended in verdicts(record(shop)).items()}
    return found, summary(run)


def test_an_alert_of_a_metric_is_mutated_by_that_metric(shop: Project) -> None:
    found, told = verdicts_of(shop, ALERTS_OF_METRICS)
    assert found == {
        "test_alert": {
            "metric frozen (metrics)": "killed",
            "label renamed (metrics): status": "killed",
        },
        # It fires whatever the app counts.
        "test_alert_of_nothing": {"metric frozen (metrics)": "survived"},
        "test_no_alert": {},
    }
    start = told.index("expectations into which no fault was put:")
    assert told[start:-2] == [
        "expectations into which no fault was put:",
        "  test_it.py::test_alert_of_nothing",
        "    metric http_requests_total: no fault makes a metric grow",
        "  test_it.py::test_no_alert",
        "    no alert Failing: no fault makes a metric grow",
        "",
        "left out: 1 test",
        "  1 × no fault concerns what they expect",
    ]


def test_alerts_and_regressions_of_errors_are_mutated_by_their_events(shop: Project) -> None:
    found, told = verdicts_of(shop, ALERTS_OF_ERRORS)
    assert found["test_alert_of_an_error"] == {
        "trace id changed (errors)": "killed",
        "event dropped (errors)": "killed",
        "tag removed (errors): customer_tier": "killed",
        "event duplicated (errors)": "survived",
        "level changed (errors)": "survived",
    }
    assert found["test_no_alert_of_an_error"] == {"trace id changed (errors)": "killed"}
    assert found["test_no_regression"]["trace id changed (errors)"] == "killed"
    assert "expectations into which no fault was put:" not in told


def test_what_cannot_be_checked_is_counted_with_its_reason(shop: Project) -> None:
    shop.write("test_it.py", OTHERS)
    shop.write("test_once.py", UNREPEATABLE)
    run = shop.run("--obs-mutate")
    assert run.status == 1, run.output
    assert "1 failed, 4 passed" in run.output
    assert summary(run) == [
        "no fault concerned what the tests assert (0 tests, 0 reruns, SECONDS)",
        "",
        "left out: 5 tests",
        "  1 × no expectation of theirs looks at what arrived",
        "  1 × not repeatable: test_once.py::test_once: AssertionError: this is the second time",
        "  1 × they did not pass",
        "  1 × they run alone (obs_exclusive): they stop or fail parts of the stack themselves",
        "  1 × they send nothing in a trace of their own on this run's stack",
        "",
        "every rerun: FILE",
    ]


def test_what_a_module_shares_is_made_anew_for_each_rerun(shop: Project) -> None:
    shop.write("test_it.py", SHARED)
    run = shop.run("--obs-mutate")
    assert run.status == 0, run.output
    found = verdicts(record(shop))["test_it.py::test_of_shared_telemetry"]
    assert found["tag removed (errors): endpoint"] == "killed"
    assert found["breadcrumbs removed (errors)"] == "killed"


def test_a_run_is_interrupted_during_a_rerun_as_ever(shop: Project) -> None:
    shop.write("test_it.py", INTERRUPTED)
    process = shop.start("--obs-mutate")
    wait_until((shop.folder / "a fault").exists, "a rerun with a fault that is not noticed")
    interrupt(process)
    run = ended(process)
    assert run.status == pytest.ExitCode.INTERRUPTED, run.output
    assert "1 passed" in run.output
    assert "INTERNALERROR" not in run.output
    assert "RuntimeError" not in run.output
    assert summary(run)[0] == (
        "no fault concerned what the tests assert (0 tests, 0 reruns, SECONDS)"
    )


def test_reruns_and_a_debugger_do_not_go_together(shop: Project) -> None:
    shop.write("test_it.py", WEAK)
    run = shop.run("--obs-mutate", "--pdb")
    assert run.status == pytest.ExitCode.USAGE_ERROR
    assert (
        "ERROR: --obs-mutate: expected no --pdb, because reruns are meant to fail; found both"
        in run.lines
    )
