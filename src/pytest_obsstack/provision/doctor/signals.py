"""Whether OpenTelemetry's signals arrive through the collector: span, log, metric."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from pytest_obsstack.clients.collector import Signal as Counted
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.provision.doctor.canary import (
    METRIC_PATTERN,
    Canary,
    log_request,
    metric_request,
    metric_value,
    span_request,
)
from pytest_obsstack.provision.doctor.delivery import package_version, send_otlp
from pytest_obsstack.provision.doctor.finding import Outcome, Skip, fail, ok
from pytest_obsstack.provision.doctor.pipeline import (
    collector_target,
    down,
    losses,
    remember_counts,
)
from pytest_obsstack.provision.doctor.reports import Sent
from pytest_obsstack.provision.doctor.subject import Subject
from pytest_obsstack.waiting import until

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from pytest_obsstack.clients.loki.models import LogEntry
    from pytest_obsstack.wire.otlp import Signal

T = TypeVar("T")

_COUNTED: dict[str, Counted] = {
    "traces": "spans",
    "logs": "log_records",
    "metrics": "metric_points",
}
_AFTER_REFUSAL_S = 0.5
"""Seconds to look for what was refused: one of several backends may have it all the same."""
_NOT_OTLP = (401, 403, 404, 405, 415)


def stores(subject: Subject) -> tuple[str | None, ...]:
    """One row for each store of spans."""
    return subject.span_stores or (None,)


def span(subject: Subject, part: str | None) -> Outcome:
    """A span, in each store that shows spans by trace."""
    if part is None:
        raise Skip("no store is known that shows spans by trace (a Tempo, or a Sentry)")
    store = subject.span_store(part)
    sent = _sent(subject, "traces", span_request)
    trace_id = sent.canary.trace.trace_id
    outcome, _ = _arrival(
        subject,
        sent,
        "traces",
        store.store_name,
        lambda: next(iter(store.otlp_spans(trace_id)), None),
    )
    return outcome


def log(subject: Subject) -> Outcome:
    """A log record."""
    return log_canary(subject)[0]


def log_canary(subject: Subject) -> tuple[Outcome, LogEntry | None]:
    """Its fate and, if it has arrived, its entry in Loki."""
    return subject.once("log", lambda: _log(subject))


def metric(subject: Subject) -> Outcome:
    """A data point of a gauge, after a scrape."""
    client = subject.prometheus
    sent = _sent(subject, "metrics", metric_request)
    wanted = metric_value(sent.canary)

    def look() -> float | None:
        found = client.query(f'{{__name__=~"{METRIC_PATTERN}"}}')
        values = [series.last.value for series in found.series if series.samples]
        return max((value for value in values if value >= wanted), default=None)

    outcome, value = _arrival(subject, sent, "metrics", "Prometheus", look)
    if value is not None or not sent.answer.accepted:
        return outcome
    target = collector_target(client.targets())
    if target is not None and target.health != "up":
        found, do = down(target)
        return fail(found, do, hop="collector → Prometheus")
    interval = "" if target is None else str(target.raw.get("scrapeInterval", ""))
    scrapes = f"; it scrapes the collector each {interval}" if interval else ""
    return fail(
        f"{outcome.found}{scrapes}",
        "look for longer than a scrape takes with --timeout; else see targets, and Prometheus' log "
        "for samples that are out of bounds",
        hop=outcome.hop,
    )


def _log(subject: Subject) -> tuple[Outcome, LogEntry | None]:
    client = subject.loki
    sent = _sent(subject, "logs", log_request)
    since_ns = sent.canary.now_ns - 60_000_000_000
    trace_id = sent.canary.trace.trace_id
    return _arrival(
        subject,
        sent,
        "logs",
        "Loki",
        lambda: next(iter(client.lines_of_trace(trace_id, since_ns=since_ns)), None),
    )


def _sent(subject: Subject, signal: Signal, build: Callable[[Canary], Message]) -> Sent:
    """The canary of a signal, sent once however many stores it is looked for in."""
    subject.need_writes()
    subject.need("collector")
    return subject.once(f"sent {signal}", lambda: _send(subject, signal, build))


def _send(subject: Subject, signal: Signal, build: Callable[[Canary], Message]) -> Sent:
    remember_counts(subject)
    endpoint = subject.endpoints.collector
    if endpoint is None:
        raise Skip("no collector is known")
    canary = Canary(package_version(), subject.now_s())
    message = build(canary)
    started_s = time.monotonic()
    answer = send_otlp(endpoint.otlp_url, signal, message, transport=subject.transport)
    return Sent(canary, answer, started_s)


def _arrival(
    subject: Subject, sent: Sent, signal: Signal, backend: str, look: Callable[[], T | None]
) -> tuple[Outcome, T | None]:
    """What became of a canary: found, or the hop at which it stopped."""
    answer = sent.answer
    if answer.status is None:
        return fail(answer.text, answer.do or "", hop="here → collector"), None
    timeout_s = subject.timeout_s if answer.accepted else min(_AFTER_REFUSAL_S, subject.timeout_s)
    value = until(look, timeout_s=timeout_s).value
    if value is not None:
        return ok(f"arrived in {backend}", took_s=sent.took_s), value
    return _stopped(subject, sent, signal, backend), None


def _stopped(subject: Subject, sent: Sent, signal: Signal, backend: str) -> Outcome:
    answer = sent.answer
    lost = _losses(subject, _COUNTED[signal], backend)
    on_the_way = f"collector → {backend}"
    check = (
        f"correct endpoint and key of the exporter to {backend} in the collector's configuration, "
        f"and see that {backend} takes what it sends"
    )
    if not answer.accepted:
        said = f"the collector answered {answer.status}"
        if answer.rejected:
            said += f" but rejected {answer.rejected}"
        said += f": {answer.text}" if answer.text else ""
        if answer.status in _NOT_OTLP and not lost:
            return fail(
                said,
                f"check that OTLP over HTTP is received there, and that there is a pipeline for "
                f"{signal}",
                hop="here → collector",
            )
        return fail(said, check, hop=on_the_way)
    if lost:
        return fail(f"the collector took it, but {lost}", check, hop=on_the_way)
    return fail(
        f"the collector took it, but {backend} does not show it within {subject.timeout_s:g} s",
        f"see the log of the collector and of {backend}; the collector may send to another "
        f"{backend} than this one, or late: look for longer with --timeout",
        hop=on_the_way,
    )


def _losses(subject: Subject, signal: Counted, backend: str) -> str:
    """Which exporters have lost something since the canaries began; empty where none is known."""
    try:
        return losses(subject, signal, backend)
    except (Skip, ObsstackError):
        return ""
