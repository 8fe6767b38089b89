"""From pushed streams to what is stored: names, limits, rate, order, what Loki adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_obsstack.embedded.loki.enrich import (
    DETECTED_LEVEL,
    SERVICE_NAME,
    level_of_entry,
    level_of_labels,
    metadata_name,
    service_name_of,
)
from pytest_obsstack.embedded.loki.go_text import format_labels, format_time, format_time_nano
from pytest_obsstack.embedded.loki.limits import (
    Discarded,
    PushRefused,
    RateLimiter,
    check_label_names,
    entry_size,
    validate,
)
from pytest_obsstack.embedded.loki.settings import LokiSettings
from pytest_obsstack.embedded.loki.store import Store
from pytest_obsstack.wire.loki_push import LokiEntry, LokiStream

TENANT = "fake"
"""The tenant of a Loki without tenancy."""
_REPORTED_BEHIND = 10
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True)
class Ingested:
    """``streams`` are to be stored; ``error`` is what the sender is told of the rest, if any."""

    streams: tuple[LokiStream, ...]
    error: str | None
    lines: int
    size_bytes: int


def ingest(
    pushed: Sequence[LokiStream],
    store: Store,
    settings: LokiSettings,
    limiter: RateLimiter,
    now_ns: int,
    discarded: Discarded,
) -> Ingested:
    """What is to be stored of a push. Raises ``PushRefused`` where nothing is.

    ``discarded`` collects what was left out and why. The store is only read.
    """
    if not pushed:
        raise PushRefused(422, "error at least one valid stream is required for ingestion")
    named = [_with_valid_names(stream) for stream in pushed]
    valid = [
        validate(_with_service_name(stream), len(stream.labels), settings, now_ns, discarded)
        for stream in named
    ]
    lines = sum(len(stream.entries) for stream in valid)
    size = sum(entry_size(entry) for stream in valid for entry in stream.entries)
    if not limiter.allows(size):
        text = (
            f"ingestion rate limit exceeded for user {TENANT} "
            f"(limit: {settings.ingestion_rate_bytes_per_s} bytes/sec) while attempting to ingest "
            f"'{lines}' lines totaling '{size}' bytes, reduce log volume or contact your Loki "
            "administrator to see if the limit can be increased"
        )
        for stream in valid:
            discarded.add("rate_limited", text, stream.entries)
        raise PushRefused(429, text)
    error = discarded.grouped() if discarded.texts else None
    stored = []
    for stream in valid:
        timely, behind = _without_late(stream, store, settings, discarded)
        # The distributor's own errors are told only where the ingester has none.
        error = behind or error
        if timely:
            stored.append(LokiStream(stream.labels, _with_levels(stream, timely)))
    return Ingested(tuple(stored), error, lines, size)


def _with_valid_names(stream: LokiStream) -> LokiStream:
    """Label names checked, metadata names made valid; what has an empty value left out."""
    labels = {name: value for name, value in stream.labels.items() if value}
    check_label_names(labels)
    return LokiStream(labels, [_with_valid_metadata(entry) for entry in stream.entries])


def _with_valid_metadata(entry: LokiEntry) -> LokiEntry:
    if not entry.metadata:
        return entry
    if "" in entry.metadata:
        raise PushRefused(500, "label name is empty")
    metadata = {metadata_name(name): value for name, value in entry.metadata.items() if value}
    return LokiEntry(entry.timestamp_ns, entry.line, metadata)


def _with_service_name(stream: LokiStream) -> LokiStream:
    if SERVICE_NAME in stream.labels:
        return stream
    labels = {**stream.labels, SERVICE_NAME: service_name_of(stream.labels)}
    return LokiStream(labels, stream.entries)


def _with_levels(stream: LokiStream, entries: Sequence[LokiEntry]) -> list[LokiEntry]:
    of_stream = level_of_labels(stream.labels)
    return [
        entry
        if DETECTED_LEVEL in entry.metadata
        else LokiEntry(
            entry.timestamp_ns,
            entry.line,
            {
                **entry.metadata,
                DETECTED_LEVEL: of_stream or level_of_entry(entry.line, entry.metadata),
            },
        )
        for entry in entries
    ]


def _without_late(
    stream: LokiStream, store: Store, settings: LokiSettings, discarded: Discarded
) -> tuple[list[LokiEntry], str | None]:
    """The entries that are not too far behind their stream, and what is said of the others."""
    existing = store.stream_of(stream.labels)
    newest_ns = existing.newest_ns if existing else None
    window_ns = int(settings.out_of_order_window_s * _NS_PER_S)
    timely: list[LokiEntry] = []
    late: list[tuple[LokiEntry, int]] = []
    for entry in stream.entries:
        if newest_ns is not None and entry.timestamp_ns < newest_ns - window_ns:
            late.append((entry, newest_ns - window_ns))
            continue
        timely.append(entry)
        newest_ns = max(entry.timestamp_ns, newest_ns or entry.timestamp_ns)
    if not late:
        return timely, None
    text = "".join(
        f"entry with timestamp {format_time_nano(entry.timestamp_ns)} ignored, reason: 'entry too "
        f"far behind, entry timestamp is: {format_time(entry.timestamp_ns)}, oldest acceptable "
        f"timestamp is: {format_time(oldest_ns)}',\n"
        for entry, oldest_ns in late[:_REPORTED_BEHIND]
    )
    text += f"user '{TENANT}', total ignored: {len(late)} out of {len(stream.entries)} for stream: "
    text += format_labels(dict(stream.labels))
    discarded.add("too_far_behind", text, [entry for entry, _ in late])
    return timely, text
