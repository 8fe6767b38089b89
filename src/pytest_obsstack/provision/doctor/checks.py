"""The table of checks in the order of the report, and the runner."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.provision.doctor import (
    labels,
    pipeline,
    reports,
    servers,
    signals,
    surroundings,
    tracker,
)
from pytest_obsstack.provision.doctor.finding import Finding, Outcome, Report, Skip, fail
from pytest_obsstack.provision.doctor.subject import Subject

Parts = Callable[[Subject], Sequence[str | None]]


@dataclass(frozen=True)
class Check:
    """One check; one row for each of its parts, or one row."""

    name: str
    about: str
    """What it answers, for ``--help`` and the docs."""
    run: Callable[..., Outcome]
    """Called with the subject, and with the part where there are parts."""
    parts: Parts | None = None


def _fixed(*names: str) -> Parts:
    return lambda _: names


CHECKS: tuple[Check, ...] = (
    Check("dsn", "is it a DSN, and the one that apps of this shell use", tracker.dsn),
    Check(
        "reach",
        "does each server's name resolve, and does it answer",
        servers.reach,
        servers.components,
    ),
    Check("tls", "is each certificate trusted, and for how long", servers.tls, servers.with_tls),
    Check("clock", "how far is each server's clock from this one", servers.clock, servers.clocks),
    Check("proxy", "would HTTP_PROXY catch what is sent to the servers", surroundings.proxy),
    Check(
        "sdk",
        "do the SDKs that are installed here get through",
        surroundings.sdk,
        _fixed("sentry-sdk", "opentelemetry"),
    ),
    Check("api", "does the tracker's API take the token", tracker.api),
    Check("project", "is the DSN's project the one that the API is asked for", tracker.project),
    Check("key", "is the DSN's key an active one of the project", tracker.key),
    Check("event", "does an error arrive in the tracker", reports.event),
    Check(
        "encoding", "does it arrive packed as the SDK here packs it", reports.encoding, _fixed("br")
    ),
    Check("transaction", "does a transaction arrive in the tracker", reports.transaction),
    Check("limits", "which rate limits does the tracker tell", reports.limits),
    Check("span", "does an OTLP span arrive in each store of spans", signals.span, signals.stores),
    Check("log", "does an OTLP log record arrive in Loki", signals.log),
    Check("metric", "does an OTLP data point arrive in Prometheus", signals.metric),
    Check("health", "does the collector say that it is healthy", pipeline.health),
    Check(
        "pipeline",
        "what has the collector taken, sent and lost",
        pipeline.pipeline,
        pipeline.signals,
    ),
    Check("targets", "does Prometheus scrape the collector", pipeline.targets),
    Check("labels", "does Loki keep service and trace id where they are looked for", labels.labels),
    Check("grafana", "do Grafana's data sources work", pipeline.data_sources),
)

NAMES = tuple(check.name for check in CHECKS)


def examine(
    subject: Subject,
    only: Collection[str] = (),
    *,
    tell: Callable[[str], None] = lambda _: None,
) -> Report:
    """Run the checks, or those that are named; ``tell`` is called with the name before each."""
    findings = []
    for check in CHECKS:
        if only and check.name not in only:
            continue
        tell(check.name)
        findings += [
            Finding(check.name, part, _redacted(outcome, subject))
            for part, outcome in _rows(check, subject)
        ]
    return Report(subject.setup.title, tuple(findings))


def _rows(check: Check, subject: Subject) -> Iterator[tuple[str | None, Outcome]]:
    if check.parts is None:
        yield None, _outcome(check, subject)
        return
    for part in check.parts(subject):
        yield part, _outcome(check, subject, part)


def _outcome(check: Check, subject: Subject, *part: Any) -> Outcome:
    try:
        return check.run(subject, *part)
    except Skip as skip:
        return Outcome("skipped", str(skip))
    except ObsstackError as error:
        found = " ".join(f"{error.summary} {error.found or ''}".split())
        return fail(found, error.advice or f"expected {error.expected}")


def _redacted(outcome: Outcome, subject: Subject) -> Outcome:
    do = None if outcome.do is None else subject.redact(outcome.do)
    return replace(outcome, found=subject.redact(outcome.found), do=do)
