"""How far a signal got, asked only after an expectation has failed.

Each function gathers what every station on the signal's way says of itself and marks the first one
at which the signal is missing, with the usual cause. A station that cannot be asked says so; it is
never guessed to be healthy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.expect.collector_queue import EXPORTERS
from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.losses import discards, loki_cause
from pytest_obsstack.expect.mismatch import plural
from pytest_obsstack.expect.own_traces import lines_of_test, spans_of_test
from pytest_obsstack.record.hops import Hop

if TYPE_CHECKING:
    from pytest_obsstack.clients.collector import Signal
    from pytest_obsstack.clients.spans import SpanStore
    from pytest_obsstack.expect.clients import Clients


def span_hops(context: Context, store: SpanStore | None = None) -> tuple[Hop, ...]:
    """From the app over the collector to ``store``, by default the one that is asked for spans."""
    asked = context.clients.traces if store is None else store
    name = asked.store_name
    exporter = EXPORTERS[name]
    return _otlp_hops(context, "spans", exporter, name, lambda _: _spans_in(asked, context))


def log_hops(context: Context) -> tuple[Hop, ...]:
    """From the app over the collector to Loki."""
    return _otlp_hops(context, "log_records", "otlp_http/loki", "Loki", _lines_in_loki)


def metric_hops(context: Context) -> tuple[Hop, ...]:
    """From the app over the collector to Prometheus' scrape."""
    return _otlp_hops(context, "metric_points", "prometheus", "Prometheus", _scrape)


def app_hop(context: Context) -> Hop:
    summary = context.exchanges.summary()
    if not context.exchanges.all:
        return Hop(
            "test → app",
            "app got no request of this test",
            broken=True,
            cause="send a request with obs.get(…) or hand obs.headers to your client first",
        )
    return Hop("test → app", f"app {summary}")


# ---- OpenTelemetry: app → collector → backend


def _otlp_hops(
    context: Context,
    signal: Signal,
    exporter: str,
    backend: str,
    arrived: Callable[[Context], Hop],
) -> tuple[Hop, ...]:
    app = app_hop(context)
    if app.broken:
        return (app,)
    told = _endpoint_hop(context)
    if told is not None and told.broken:
        return (app, told)
    collector = _collector_hop(context, signal, exporter, backend)
    hops = [app, collector]
    if not collector.broken:
        hops.append(arrived(context))
    return tuple(hops)


def _endpoint_hop(context: Context) -> Hop | None:
    """Whether the app was told the collector's address."""
    endpoint = context.reached.collector
    if not context.app.environment or endpoint is None:
        return None
    told = context.app.environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not told:
        return Hop(
            "app → collector",
            "the app has no OTEL_EXPORTER_OTLP_ENDPOINT",
            broken=True,
            cause=f"set OTEL_EXPORTER_OTLP_ENDPOINT={endpoint.otlp_url} for the app",
        )
    if told.rstrip("/") != endpoint.otlp_url:
        return Hop(
            "app → collector",
            f"the app exports to {told}",
            broken=True,
            cause=f"the collector of this stack is {endpoint.otlp_url}: correct the app's "
            "OTEL_EXPORTER_OTLP_ENDPOINT",
        )
    return None


def _collector_hop(context: Context, signal: Signal, exporter: str, backend: str) -> Hop:
    client = context.clients.collector
    if client is None:
        return Hop("app → collector", "the collector's own metrics are not reachable")
    try:
        reading = client.reading()
    except ObsstackError as error:
        return unanswered("app → collector", "the collector", error)
    accepted = reading.received(signal).accepted
    exported = reading.exported(signal, exporter)
    sent, failed = exported.sent, exported.send_failed
    noun = signal.replace("_", " ")
    seen = f"collector accepted {accepted} {noun}, sent {sent} to {backend}, failed {failed}"
    # Without a queue, what an exporter fails to send counts as refused, and not as accepted.
    if accepted == 0 and failed == 0:
        return Hop(
            "app → collector",
            seen,
            broken=True,
            cause="the app exports nothing: look at its OTEL_EXPORTER_OTLP_* variables and at its "
            "log for export errors",
        )
    # Earlier tests may have sent well: a failure now shows in the exporter's last error.
    last_error = _exporter_error(context, exporter)
    if failed and (last_error or sent == 0):
        return Hop(
            f"collector → {backend}",
            seen,
            broken=True,
            cause=f"the collector's exporter {exporter} fails"
            + (f": {last_error}" if last_error else "")
            + "; check its endpoint and key, and that the backend accepts it",
        )
    return Hop(f"collector → {backend}", seen)


def _exporter_error(context: Context, exporter: str) -> str | None:
    """The exporter's last error, where the collector tells it and it explains a loss of this test.

    It does if it happened during the test, or if nothing was sent since: an app that waits before
    it tries again may send nothing at all while the test lasts.
    """
    if not context.stack.steerable:
        return None
    products = context.stack.status()
    state = products.get("collector", {}).get("exporters", {}).get(exporter, {})
    error = state.get("last_error")
    if not error:
        return None
    mended = error["time_ns"] < context.started_s * 1e9 and not state.get("failing")
    return None if mended else str(error["text"])


def _spans_in(store: SpanStore, context: Context) -> Hop:
    try:
        spans = spans_of_test(context, store)
    except ObsstackError as error:
        return unanswered(f"collector → {store.store_name}", store.store_name, error)
    return Hop(
        store.store_name,
        f"{store.store_name} has {plural(len(spans), 'OTLP span')} of this trace",
        broken=not spans,
        cause="the app's spans have another trace id, or its OpenTelemetry sampler dropped them: "
        "use a parentbased sampler",
    )


def _lines_in_loki(context: Context) -> Hop:
    try:
        lines = lines_of_test(context)
    except ObsstackError as error:
        return unanswered("collector → Loki", "Loki", error)
    seen = f"Loki has {plural(len(lines), 'line')} of this trace"
    lost = _discarded_meanwhile(context)
    if lost:
        return Hop(
            "Loki (limits)",
            f"{seen}, and has discarded others meanwhile ({discards(lost)})",
            broken=not lines,
            cause=loki_cause(lost),
        )
    return Hop(
        "Loki",
        seen,
        broken=not lines,
        cause="the app's log records carry no trace id, or are below its log level",
    )


def discarded_by_loki(clients: Clients) -> dict[str, int] | None:
    """What Loki says of itself; ``None`` where it does not, behind a gateway for instance."""
    try:
        return clients.loki.discarded()
    except ObsstackError:
        # Whether it has a test's lines is another question, and asked where it matters.
        return None


def _discarded_meanwhile(context: Context) -> dict[str, int]:
    """Since the last look of this process; the first was before its first test."""
    now = discarded_by_loki(context.clients)
    before, context.history.loki_discards = context.history.loki_discards, now
    if before is None or now is None:
        return {}
    return {r: count - before.get(r, 0) for r, count in now.items() if count > before.get(r, 0)}


def _scrape(context: Context) -> Hop:
    try:
        targets = context.clients.prometheus.targets()
    except ObsstackError as error:
        return unanswered("collector → Prometheus", "Prometheus", error)
    app_target = [target for target in targets if target.job == "otel-collector"]
    # An attached Prometheus scrapes much that has nothing to do with this app.
    targets = tuple(app_target) or targets
    shown = ", ".join(f"{target.job} {target.health}" for target in targets) or "no targets"
    down = [target for target in targets if target.health != "up"]
    if down:
        return Hop(
            "collector → Prometheus",
            f"Prometheus' targets: {shown}",
            broken=True,
            cause=f"the scrape of {down[0].scrape_url} fails: {down[0].last_error}; correct the "
            "target, or start what should answer there",
        )
    if context.stack.kind == "embedded" and not app_target:
        return Hop(
            "collector → Prometheus",
            f"Prometheus' targets: {shown}",
            broken=True,
            cause="no scrape job otel-collector is configured",
        )
    return Hop("collector → Prometheus", f"Prometheus' targets: {shown}")


def unanswered(name: str, who: str, error: ObsstackError) -> Hop:
    return Hop(
        name,
        f"{who} does not answer",
        broken=True,
        cause=f"{error.summary} {error.found or ''}".strip(),
    )
