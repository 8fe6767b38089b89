"""The entries that a log query finds: streams selected, times bounded, pipeline run."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pytest_obsstack.embedded.loki.logql.labels import EntryLabels
from pytest_obsstack.embedded.loki.logql.matchers import labels_test
from pytest_obsstack.embedded.loki.logql.pipeline import Pipeline
from pytest_obsstack.embedded.loki.logql.syntax import LogQuery
from pytest_obsstack.embedded.loki.store import TRACE_ID, Store, Stream
from pytest_obsstack.wire.loki_push import LokiEntry


@dataclass(frozen=True, slots=True)
class FoundEntry:
    """An entry as the pipeline leaves it."""

    timestamp_ns: int
    line: str
    labels: EntryLabels


def find_entries(
    store: Store, query: LogQuery, start_ns: int, end_ns: int, *, newest_first: bool = False
) -> Iterator[FoundEntry]:
    """The entries of a log query with ``start_ns <= time < end_ns``, by time, one after another."""
    pipeline = Pipeline(query.stages)
    streams = store.select(labels_test(query.matchers))
    runs = [
        _run(
            pipeline,
            stream,
            _candidates(store, pipeline, stream, start_ns, end_ns),
            newest_first=newest_first,
        )
        for stream in streams
    ]
    if len(runs) == 1:
        return runs[0]
    return heapq.merge(*runs, key=lambda entry: entry.timestamp_ns, reverse=newest_first)


def _candidates(
    store: Store, pipeline: Pipeline, stream: Stream, start_ns: int, end_ns: int
) -> list[LokiEntry]:
    # A label of the stream that is named so hides the metadata, and is in no index.
    if pipeline.trace_id is not None and TRACE_ID not in stream.labels:
        return store.of_trace(pipeline.trace_id, stream, start_ns, end_ns)
    return stream.between(start_ns, end_ns)


def _run(
    pipeline: Pipeline, stream: Stream, entries: list[LokiEntry], *, newest_first: bool
) -> Iterator[FoundEntry]:
    ordered: Iterable[LokiEntry] = reversed(entries) if newest_first else entries
    for entry in ordered:
        if not all(test(entry.line) for test in pipeline.line_tests):
            continue
        labels = EntryLabels(stream.labels, entry.metadata)
        line = pipeline.run(entry.line, labels)
        if line is not None:
            yield FoundEntry(entry.timestamp_ns, line, labels)
