"""The faults: what each does to which signal, and which assertion notices it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One kind of fault in one signal."""

    name: str
    signal: str
    """``errors``, ``transactions``, ``spans``, ``logs`` or ``metrics``."""
    does: str
    """What becomes of the telemetry, for the documentation."""
    concerns: str
    """Which tests it concerns, for the documentation."""
    assertion: str
    """What notices it; ``{name}`` stands for what was changed."""

    @property
    def key(self) -> str:
        return f"{self.name} ({self.signal})"


_ANY_EVENT = "tests that look at events"
_ANY_SPAN = "tests that look at spans"

FAULTS: tuple[Fault, ...] = (
    Fault(
        "event dropped",
        "errors",
        "no error event arrives",
        "tests that look at issues or events",
        "expect an issue or an event: obs.sentry.expect_event(type=…)",
    ),
    Fault(
        "event dropped",
        "transactions",
        "no transaction arrives",
        "tests that look at transactions",
        "expect it: obs.sentry.expect_transaction(name)",
    ),
    Fault(
        "event duplicated",
        "errors",
        "each error event arrives twice, the second time with another id",
        "tests that look at issues or events; those that count them have to notice it",
        "count them: obs.sentry.expect_events(count=1)",
    ),
    Fault(
        "event duplicated",
        "transactions",
        "each transaction arrives twice, the second time with another id",
        "tests that count transactions",
        "count them: assert len(obs.sentry.transactions()) == 1",
    ),
    Fault(
        "event delivered twice",
        "errors",
        "each error event arrives twice as it is",
        "tests with expect_exactly_once",
        "obs.expect_exactly_once()",
    ),
    Fault(
        "tag removed",
        "errors",
        "the tag is taken out; all tags, where a test names none",
        _ANY_EVENT,
        "assert its value: tags={{{name}: …}} in expect_event",
    ),
    Fault(
        "tag removed",
        "transactions",
        "the tag is taken out",
        "tests that expect tags of a transaction",
        "assert its value: tags={{{name}: …}} in expect_transaction",
    ),
    Fault(
        "breadcrumbs removed",
        "errors",
        "the event has no breadcrumbs",
        _ANY_EVENT,
        "assert their sequence: obs.sentry.expect_breadcrumbs(event, […])",
    ),
    Fault(
        "user removed",
        "errors",
        "the event has no user",
        _ANY_EVENT,
        "assert user={{…}} in expect_event",
    ),
    Fault(
        "context removed",
        "errors",
        "the context is taken out; all but the trace, where a test names none",
        _ANY_EVENT,
        "assert contexts={{{name}: …}} in expect_event",
    ),
    Fault(
        "context removed",
        "transactions",
        "the context is taken out",
        "tests that expect contexts of a transaction",
        "assert contexts={{{name}: …}} in expect_transaction",
    ),
    Fault(
        "stack trace removed",
        "errors",
        "exceptions and threads have no frames",
        _ANY_EVENT,
        "assert the function of event.exception.frames[-1], or culprit=… in expect_issue",
    ),
    Fault(
        "environment changed",
        "errors",
        "the event is of another environment",
        _ANY_EVENT,
        "assert environment=… in expect_event",
    ),
    Fault(
        "environment changed",
        "transactions",
        "the transaction is of another environment",
        "tests that look at transactions",
        "assert environment=… in expect_transaction",
    ),
    Fault(
        "environment changed",
        "spans",
        "the spans are of another environment",
        _ANY_SPAN,
        "assert environment=… in expect_span",
    ),
    Fault(
        "trace id changed",
        "errors",
        "events and transactions arrive in another trace",
        "tests that look at issues, events or transactions, or at their absence",
        "expect an event of the trace; absence is asserted by expect_no_event",
    ),
    Fault(
        "trace id changed",
        "spans",
        "the spans arrive in another trace",
        "tests that look at spans, or at their absence",
        "expect a span of the trace; absence is asserted by expect_no_span",
    ),
    Fault(
        "trace id changed",
        "logs",
        "the log records arrive in another trace",
        "tests that look at log lines, or at their absence",
        "expect a line of the trace; absence is asserted by expect_no_line",
    ),
    Fault(
        "level changed",
        "errors",
        "errors become infos, and all else errors",
        "tests that look at issues or events",
        "assert level=… in expect_issue or expect_event",
    ),
    Fault(
        "level changed",
        "logs",
        "errors become infos, and all else errors",
        "tests that look at log lines",
        "assert level=… in expect_line",
    ),
    Fault(
        "span dropped",
        "spans",
        "the spans of that name do not arrive",
        "tests that look at spans: once for each name that they have found",
        "expect it: obs.traces.expect_span({name})",
    ),
    Fault(
        "span duplicated",
        "spans",
        "each span arrives twice, the second time with another id",
        "tests that count spans",
        "count them: obs.traces.expect_trace(…, exactly=True)",
    ),
    Fault(
        "span delivered twice",
        "spans",
        "each span arrives twice as it is",
        "tests with expect_exactly_once",
        "obs.expect_exactly_once()",
    ),
    Fault(
        "parent lost",
        "spans",
        "the spans have parents that nobody knows",
        _ANY_SPAN,
        "assert parent=… in expect_span",
    ),
    Fault(
        "line dropped",
        "logs",
        "the records of that text do not arrive",
        "tests that look at log lines: once for each that they have found",
        "expect it: obs.logs.expect_line({name})",
    ),
    Fault(
        "line duplicated",
        "logs",
        "each record arrives twice, a moment apart",
        "tests that count log lines",
        "count them: obs.logs.expect_lines([…], exactly=True)",
    ),
    Fault(
        "line delivered twice",
        "logs",
        "each record arrives twice as it is",
        "tests with expect_exactly_once",
        "obs.expect_exactly_once()",
    ),
    Fault(
        "metric frozen",
        "metrics",
        "the app's metrics keep the values that they had before the test",
        "tests that look at metrics",
        "expect the increase: obs.metrics.expect_increase(selector, by=…)",
    ),
    Fault(
        "label renamed",
        "metrics",
        "the label has another name",
        "tests whose selectors name labels: once for each",
        "match by it in the selector: {{{name}=…}}",
    ),
    Fault(
        "secret left in",
        "errors",
        "the text of expect_nowhere stands in events",
        "tests with expect_nowhere that look at errors, too",
        "obs.expect_nowhere(text)",
    ),
    Fault(
        "secret left in",
        "transactions",
        "the text of expect_nowhere stands in transactions",
        "tests with expect_nowhere",
        "obs.expect_nowhere(text)",
    ),
    Fault(
        "secret left in",
        "spans",
        "the text of expect_nowhere stands in an attribute of each span",
        "tests with expect_nowhere",
        "obs.expect_nowhere(text)",
    ),
    Fault(
        "secret left in",
        "logs",
        "the text of expect_nowhere stands in the metadata of each line",
        "tests with expect_nowhere",
        "obs.expect_nowhere(text)",
    ),
)

_BY_KEY = {(fault.name, fault.signal): fault for fault in FAULTS}


def fault(name: str, signal: str) -> Fault:
    """Raises ``KeyError`` for one that there is not."""
    return _BY_KEY[name, signal]
