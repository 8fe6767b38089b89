"""What expectations say when they fail: examples that are run, and their messages.

Each example is a test in two parts, before and after its ``yield``: what the app is made to do, and
the expectation that fails. Between them everything arrives, so that a message does not depend on
how fast a machine is.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import textwrap
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from pytest_obsstack import CannotTell, Probe, span
from pytest_obsstack.expect.alerts import AlertReceiver, alert_receiver
from pytest_obsstack.options.kinds import GUIDE_PORTS

Example = Callable[..., Generator[None, None, None]]
"""Takes ``obs``, and perhaps ``obs_alert_receiver``."""

BROKEN_SETTLE_S = 0.3
"""How long to wait for an app that is broken on purpose, from which something never arrives."""
GIVES_UP_S = 0.1

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
IDS = (
    "0af7651916cd43dd8448eb211c80319c",
    "80e1afed08e019fc1110464cfa66635c",
    "acce7a1c0ffee0000000000000000001",
    "5759e988bd862e3fe1be46a994272793",
)
LINES = ("test_orders.py:9", "test_orders.py:11", "test_orders.py:13")
"""What stands in a page for the test's trace id, for other ids, and for lines of a test."""

PATIENT_S: Mapping[str, float] = {"wrong-rate": 10.0}
"""Examples that wait for something that comes."""

WITHOUT_DSN: Mapping[str, str] = {"SENTRY_DSN": ""}
EXPORTS_TO_NOBODY: Mapping[str, str] = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


def nearest_miss(obs: Probe) -> Generator[None, None, None]:
    obs.get("/error")
    yield
    obs.sentry.expect_event(type="ValueError", tags={"endpoint": "/eror"}, release=...)


def not_absent(obs: Probe) -> Generator[None, None, None]:
    obs.get("/error")
    yield
    obs.sentry.expect_no_issue("ValueError")


def wrong_status_of_a_span(obs: Probe) -> Generator[None, None, None]:
    obs.get("/error")
    yield
    obs.traces.expect_span("GET /error", status="ok")


def wrong_level_of_a_line(obs: Probe) -> Generator[None, None, None]:
    obs.get("/error")
    yield
    obs.logs.expect_line("Intentional error for testing", level="WARNING")


def wrong_increase(obs: Probe) -> Generator[None, None, None]:
    obs.get("/error")
    yield
    obs.metrics.expect_increase('http_requests_total{endpoint="/error"}', by=2)


def leak(obs: Probe) -> Generator[None, None, None]:
    obs.get("/log?level=warning&message=hunter2+logged+in")
    yield
    obs.expect_nowhere("hunter2")


def broken_hop(obs: Probe) -> Generator[None, None, None]:
    obs.get("/error")
    yield
    obs.traces.expect_span("GET /error")


def cannot_tell(obs: Probe) -> Generator[None, None, None]:
    obs.get("/health")
    yield
    obs.sentry.expect_no_issue("ValueError")


def wrong_breadcrumbs(obs: Probe) -> Generator[None, None, None]:
    obs.get("/checkout?fail=1")
    yield
    event = obs.sentry.expect_event(type="PaymentError")
    steps = [{"category": "user_action"}, {"category": "payment", "message": "Refused"}]
    obs.sentry.expect_breadcrumbs(event, steps, exactly=True)


def wrong_count(obs: Probe) -> Generator[None, None, None]:
    obs.get("/error")
    obs.get("/error")
    yield
    issue = obs.sentry.expect_issue("ValueError")
    obs.sentry.expect_events(issue, count=1)


def one_issue(obs: Probe) -> Generator[None, None, None]:
    obs.get("/error")
    obs.get("/sentry-test")
    yield
    obs.sentry.expect_same_issue(*obs.sentry.events())


def wrong_order(obs: Probe) -> Generator[None, None, None]:
    obs.get("/log?level=info&message=order+received&level=warning&message=stock+is+low")
    yield
    obs.logs.expect_lines([{"line": "stock is low", "level": "WARNING"}, "order received"])


def wrong_shape(obs: Probe) -> Generator[None, None, None]:
    obs.get("/chain")
    yield
    stock = span("GET /stock", service="stock", max_ms=2000)
    call = span("GET", kind="client", children=[stock])
    obs.traces.expect_trace(span("GET /chain", service="simple-app", children=[call]))


def twice(obs: Probe) -> Generator[None, None, None]:
    obs.get("/error")
    yield
    obs.expect_exactly_once()


def over_budget(obs: Probe) -> Generator[None, None, None]:
    obs.get("/chain")
    yield
    obs.traces.expect_span_count(max=2)


def all_at_once(obs: Probe) -> Generator[None, None, None]:
    obs.get("/error")
    yield
    with obs.soft():
        obs.sentry.expect_event(type="ValueError", tags={"endpoint": "/eror"})
        obs.traces.expect_span("GET /error", status="error")
        obs.logs.expect_line("Intentional error for testing", level="WARNING")


def long_values(obs: Probe) -> Generator[None, None, None]:
    obs.get("/log", params={"level": "error", "message": "retrying, " * 20 + "gave up"})
    yield
    obs.sentry.expect_event(message="retrying, " * 20 + "went on")


def wrong_histogram(obs: Probe) -> Generator[None, None, None]:
    obs.get("/slow?seconds=0.3")
    yield
    seconds = 'http_request_duration_seconds{endpoint="/slow"}'
    obs.metrics.expect_histogram(seconds, count=1, quantile={0.95: 0.25})


def wrong_rate(obs: Probe) -> Generator[None, None, None]:
    yield
    obs.expect_sampling_rate(0.25, requests=100)


def stays_resolved(obs: Probe) -> Generator[None, None, None]:
    obs.get("/log?level=error&message=Order+4711+is+stuck")
    issue = obs.sentry.expect_issue(title="Order 4711 is stuck")
    obs.sentry.resolve(issue)
    yield
    obs.sentry.expect_regression(issue)


def wrong_alert(obs: Probe, obs_alert_receiver: AlertReceiver) -> Generator[None, None, None]:
    failing = {
        "alert": "Failing",
        "expr": 'sum by (instance) (http_requests_total{endpoint="/error"}) > 0',
        "labels": {"severity": "ticket"},
    }
    with obs_alert_receiver.rules({"name": "shop", "interval": "100ms", "rules": [failing]}):
        obs.get("/error")
        obs_alert_receiver.expect_alert("Failing")
        yield
        obs_alert_receiver.expect_alert("Failing", labels={"severity": "page"})


EXAMPLES: Mapping[str, tuple[Example, Mapping[str, str] | None]] = {
    "nearest-miss": (nearest_miss, None),
    "not-absent": (not_absent, None),
    "wrong-span": (wrong_status_of_a_span, None),
    "wrong-line": (wrong_level_of_a_line, None),
    "wrong-increase": (wrong_increase, None),
    "wrong-histogram": (wrong_histogram, None),
    "wrong-rate": (wrong_rate, {"SENTRY_TRACES_SAMPLE_RATE": "0"}),
    "leak": (leak, None),
    "broken-hop": (broken_hop, EXPORTS_TO_NOBODY),
    "cannot-tell": (cannot_tell, WITHOUT_DSN),
    "long-values": (long_values, None),
    "wrong-breadcrumbs": (wrong_breadcrumbs, None),
    "wrong-count": (wrong_count, None),
    "one-issue": (one_issue, None),
    "wrong-order": (wrong_order, None),
    "wrong-shape": (wrong_shape, None),
    "twice": (twice, None),
    "over-budget": (over_budget, None),
    "all-at-once": (all_at_once, None),
    "stays-resolved": (stays_resolved, None),
    "wrong-alert": (wrong_alert, {}),
}
"""The examples by section, each with the variables of an app of its own where it needs one."""


def code_of(name: str) -> str:
    """The example as a reader would write it, without the ``yield``."""
    lines = inspect.getsource(EXAMPLES[name][0]).splitlines()[1:]
    return textwrap.dedent("\n".join(line for line in lines if line.strip() != "yield"))


def section_of(name: str, message: str, *, with_code: bool = True) -> str:
    """Code and message as they stand in a page."""
    code = f"```python\n{code_of(name)}\n```\n\n" if with_code else ""
    return f"{code}```text\n{message}\n```"


def message_of(name: str, obs: Probe) -> str:
    """Run the example; its message, without what differs from run to run."""
    example, variables = EXAMPLES[name]
    with contextlib.ExitStack() as stack:
        fixtures: dict[str, Any] = {}
        if "obs_alert_receiver" in inspect.signature(example).parameters:
            fixtures["obs_alert_receiver"] = stack.enter_context(alert_receiver(obs))
        return _message_of(name, example(obs, **fixtures), obs, broken=bool(variables))


def _message_of(name: str, steps: Generator[None, None, None], obs: Probe, *, broken: bool) -> str:
    next(steps)
    _let_everything_arrive(obs, broken=broken)
    obs._context.timeout_s = PATIENT_S.get(name, GIVES_UP_S)
    try:
        next(steps)
    except (AssertionError, CannotTell) as failure:
        return normalised(str(failure), obs)
    raise ValueError(f"the example {name} does not fail")


def _let_everything_arrive(obs: Probe, *, broken: bool) -> None:
    if broken:
        obs._context.timeout_s = BROKEN_SETTLE_S
    for arrived in (obs.sentry.transactions, obs.traces.spans, obs.logs.lines):
        try:
            arrived()
        except CannotTell:
            if not broken:
                raise


def _told_apart(text: str, pattern: str, known: Mapping[str, str], names: Sequence[str]) -> str:
    """Each thing that the pattern finds with a name of its own, in the order of the text."""
    unknown = [name for name in dict.fromkeys(re.findall(pattern, text)) if name not in known]
    named = {**known, **dict(zip(unknown, names, strict=False))}
    return re.sub(pattern, lambda match: named[match[0]], text)


def normalised(text: str, obs: Probe) -> str:
    """Ids, ports, times and running counts as they might be in anybody's run."""
    endpoints = obs._context.stack.endpoints.to_json()
    for component, port in GUIDE_PORTS.items():
        for url in re.findall(r"http://127\.0\.0\.1:\d+", str(endpoints.get(component))):
            text = text.replace(url.removeprefix("http://"), f"127.0.0.1:{port}")
    instance = obs._context.app.instance
    text = text.replace(instance, "simple-app-main-1a2b3c") if instance else text
    text = _told_apart(text, r"\b[0-9a-f]{32}\b", {obs.trace_id: TRACE_ID}, IDS)
    text = _told_apart(text, r"(?<=/issues/)\d+(?=/)|(?<=\bissue )\d+(?=: event)", {}, "123456789")
    text = _told_apart(text, r"\bfailures\.py:\d+", {}, LINES)
    for pattern, replacement in (
        (r"\b[0-9a-f]{16}\b", "00f067aa0ba902b7"),
        (r"\b[0-9a-f]{8}…", "4bf92f35…"),
        (r"http://[0-9a-f]{4}…@", "http://8f0c…@"),
        (r"\bSIMPLE-APP-\w+", "SIMPLE-APP-1"),
        (r"(got|found    ) \d+ alerts?", r"\1 1 alert"),
        (r"\(sent \d+, failed 0\)", "(sent 1, failed 0)"),
        (r"evaluated \d+\.\d s ago", "evaluated 0.1 s ago"),
        (r"(Alertmanagers:|the receiver) http://127\.0\.0\.1:\d+", r"\1 http://127.0.0.1:9093"),
        (r"observation, sum \d\.\d+; ≤ [\d.]+: 1", "observation, sum 0.303; ≤ 0.5: 1"),
        (r"app \d+ requests \(200 ×\d+\)", "app 1 request (200)"),
        (r"accepted 0 events, \d+ transactions", "accepted 0 events, 1 transaction"),
        (r"\d+\.\d s \(\d+ polls?\)", "10.0 s (103 polls)"),
        (
            r"accepted \d+ (metric points|spans?|log records?), sent \d+ ",
            r"accepted 12 \1, sent 12 ",
        ),
        (r"SDK reported no discards|the project's outcomes: [^→\n]+", "SDK reported no discards"),
    ):
        text = re.sub(pattern, replacement, text)
    return text
