"""What the collector, Prometheus, Loki and Grafana say of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_obsstack.clients.collector import SIGNALS, CollectorReading, Counts, Signal
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.provision.doctor.finding import Outcome, Skip, fail, ok, warn
from pytest_obsstack.provision.doctor.probe import Probe, Server, probe
from pytest_obsstack.provision.doctor.subject import Subject

if TYPE_CHECKING:
    from pytest_obsstack.clients.prometheus.models import Target

_NOUNS: dict[Signal, str] = {
    "spans": "span",
    "metric_points": "metric point",
    "log_records": "log record",
}
_MAX_SHOWN = 3
_HEALTH_PORT = 13133
"""Where the extension listens by default."""
_HEALTHY = "the collector says that it is healthy"


def health(subject: Subject) -> Outcome:
    """What the collector's extension ``health_check`` says, else its metrics page."""
    url = subject.setup.health_url
    if url is None:
        return _unnamed_health(subject)
    answer = _ask(subject, url)
    if answer.failure is not None:
        return fail(answer.failure.found, answer.failure.do)
    if answer.status != 200:
        return fail(f"{url} is answered {answer.status}: {answer.text}", "see the collector's log")
    return ok(_HEALTHY, took_s=answer.took_s)


def _unnamed_health(subject: Subject) -> Outcome:
    """Where nobody has said that there is such an extension, it is no failure if there is none."""
    endpoint = subject.endpoints.collector
    if endpoint is not None and endpoint.telemetry_url is None:
        answer = _ask(subject, subject.collector_at(_HEALTH_PORT, "/"))
        if answer.status == 200 and "Server available" in answer.text:
            return ok(_HEALTHY, took_s=answer.took_s)
    subject.collector.reading()
    return ok("its own metrics can be read; the extension health_check is not known here")


def _ask(subject: Subject, url: str) -> Probe:
    server = Server("health", "the collector", url, url)
    return probe(server, resolve=subject.resolve, transport=subject.transport)


def signals(_: Subject) -> Sequence[str]:
    return SIGNALS


def pipeline(subject: Subject, part: str) -> Outcome:
    """What the collector has taken of a signal, and what each exporter has lost of it."""
    signal = next(each for each in SIGNALS if each == part)
    collector = subject.collector
    subject.need("collector")
    now = collector.reading()
    received = now.received(signal)
    told = f"accepted {_count(received.accepted, signal)}, refused {received.refused}"
    exporters = {name: counts for (name, own), counts in now.exporters.items() if own == signal}
    for name, counts in sorted(exporters.items()):
        told += f"; {name} sent {counts.sent}, lost {_lost(counts)}"
    earlier = remembered_counts(subject)
    since = None if earlier is None else now - earlier
    if since is not None:
        lost = _losses(since, signal)
        if lost:
            return fail(
                f"{told}; while doctor ran, {lost}",
                "correct the exporter's endpoint and key in the collector's configuration; the "
                "collector's log has the backend's words",
            )
        if since.received(signal).refused:
            return fail(
                f"{told}; while doctor ran, the receiver refused {since.received(signal).refused}",
                "see the collector's log: a limit of memory, or a pipeline that fails",
            )
    dead = [name for name, counts in exporters.items() if _lost(counts) and not counts.sent]
    if dead:
        return fail(
            f"{told}; {', '.join(sorted(dead))} has never sent anything",
            "correct the exporter's endpoint and key in the collector's configuration; the "
            "collector's log has the backend's words",
        )
    if any(map(_lost, exporters.values())) or received.refused:
        return warn(f"{told}, since its start", "see the collector's log of that time")
    return ok(told)


def targets(subject: Subject) -> Outcome:
    """Whether Prometheus scrapes the collector, and what it fails to scrape."""
    found = subject.prometheus.targets()
    own = collector_target(found, _collector_address(subject))
    if own is None:
        names = ", ".join(f"{t.job} ({t.instance})" for t in found[:_MAX_SHOWN]) or "none"
        return warn(
            f"no target looks like the collector; the targets: {names}",
            "add a scrape job for the collector's exporter prometheus, unless it pushes its "
            "metrics",
        )
    bad = [target for target in found if target.health == "down"]
    if own in bad:
        return fail(*down(own))
    if bad:
        return warn(*down(bad[0]))
    waiting = [target for target in found if target.health != "up"]
    if waiting:
        return warn(
            f"{waiting[0].job} has not been scraped yet", "wait for a scrape, and look again"
        )
    jobs = ", ".join(dict.fromkeys(target.job for target in found))
    return ok(f"all {len(found)} up: {jobs}")


def down(target: Target) -> tuple[str, str]:
    """What is wrong with a target that is down, and what to do."""
    return (
        f"the scrape of {target.scrape_url} ({target.job}) fails: {target.last_error}",
        "correct the target in Prometheus' configuration, or start what should answer there",
    )


def collector_target(found: Sequence[Target], address: str | None = None) -> Target | None:
    """The target whose metrics are those of the apps behind the collector."""

    def rank(target: Target) -> int:
        words = f"{target.job} {target.instance} {target.scrape_url}".lower()
        if "telemetry" in words or ":8888" in words:
            # The collector's metrics of itself.
            return 0
        named = "otel" in words or "collector" in words
        return 2 if named else int(urlsplit(target.scrape_url).netloc == address)

    best = max(found, key=rank, default=None)
    return best if best is not None and rank(best) else None


def data_sources(subject: Subject) -> Outcome:
    """Whether each data source of Grafana reaches its product."""
    client = subject.grafana
    found = client.data_sources()
    if not found:
        return warn("Grafana has no data sources", "provision Prometheus, Loki and Tempo in it")
    bad = []
    for source in found:
        state = client.data_source_health(source.uid)
        if not state.ok:
            bad.append(f"{source.name} ({source.url}): {state.message}")
    if bad:
        return fail(
            f"{len(bad)} of {len(found)} do not work: {'; '.join(bad)}",
            "correct the URL of the data source as Grafana's own process reaches it",
        )
    return ok(f"all {len(found)} work: {', '.join(source.name for source in found)}")


# What the collector has counted, before and after


def remember_counts(subject: Subject) -> None:
    """Keep the collector's counters of before the first canary, where they are known."""

    def read() -> CollectorReading | None:
        try:
            return subject.collector.reading()
        except (Skip, ObsstackError):
            return None

    subject.once("counts", read)


def remembered_counts(subject: Subject) -> CollectorReading | None:
    """Those counters; ``None`` where no canary was sent, or they are not known."""
    return subject.once("counts", lambda: None) if subject.has("counts") else None


def losses(subject: Subject, signal: Signal, backend: str) -> str:
    """Which exporters have lost how much since then; empty where none has.

    Of several for one signal those count that are named after the backend, if any is.
    """
    earlier = remembered_counts(subject)
    if earlier is None:
        return ""
    return _losses(subject.collector.reading() - earlier, signal, backend.lower())


def _losses(since: CollectorReading, signal: Signal, backend: str = "") -> str:
    exporters = {name: counts for (name, own), counts in since.exporters.items() if own == signal}
    named = {name: counts for name, counts in exporters.items() if backend in name.lower()}
    return ", ".join(
        f"{name} lost {_count(_lost(counts), signal)}"
        for name, counts in sorted((named or exporters).items())
        if _lost(counts)
    )


def _lost(counts: Counts) -> int:
    return counts.send_failed + counts.enqueue_failed


def _count(number: int, signal: Signal) -> str:
    return f"{number} {_NOUNS[signal]}{'' if number == 1 else 's'}"


def _collector_address(subject: Subject) -> str | None:
    endpoint = subject.endpoints.collector
    return None if endpoint is None else urlsplit(endpoint.otlp_url).netloc
