"""The streams that Loki holds: entries by time, and an index of trace ids."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter

from pytest_obsstack.wire.loki_push import LokiEntry

LabelKey = tuple[tuple[str, str], ...]

TRACE_ID = "trace_id"
"""The one field of structured metadata that has an index: correlation asks for it all the time."""

_timestamp_of = attrgetter("timestamp_ns")


class Stream:
    """A label set and its entries, oldest first; entries of one time stay in order of arrival."""

    __slots__ = ("entries", "key", "labels")

    def __init__(self, key: LabelKey) -> None:
        self.key = key
        self.labels: dict[str, str] = dict(key)
        self.entries: list[LokiEntry] = []

    @property
    def newest_ns(self) -> int | None:
        """The time of the newest entry; None for a stream without one."""
        return self.entries[-1].timestamp_ns if self.entries else None

    def insert(self, entry: LokiEntry) -> bool:
        """Add an entry; False where the same line with the same metadata is already there."""
        entries = self.entries
        if not entries or entry.timestamp_ns > entries[-1].timestamp_ns:
            entries.append(entry)
            return True
        end = bisect_right(entries, entry.timestamp_ns, key=_timestamp_of)
        at = end - 1
        while at >= 0 and entries[at].timestamp_ns == entry.timestamp_ns:
            if entries[at].line == entry.line and entries[at].metadata == entry.metadata:
                return False
            at -= 1
        entries.insert(end, entry)
        return True

    def between(self, start_ns: int, end_ns: int) -> list[LokiEntry]:
        """Entries with ``start_ns <= time < end_ns``, oldest first."""
        first = bisect_left(self.entries, start_ns, key=_timestamp_of)
        last = bisect_left(self.entries, end_ns, lo=first, key=_timestamp_of)
        return self.entries[first:last]

    def has_between(self, start_ns: int, end_ns: int) -> bool:
        """Whether there is an entry with ``start_ns <= time <= end_ns``."""
        first = bisect_left(self.entries, start_ns, key=_timestamp_of)
        return first < len(self.entries) and self.entries[first].timestamp_ns <= end_ns


class Store:
    """All streams by their labels."""

    def __init__(self) -> None:
        self._streams: dict[LabelKey, Stream] = {}
        self._by_trace_id: dict[str, list[tuple[Stream, LokiEntry]]] = {}
        self.dropped: list[tuple[Stream, LokiEntry]] = []
        """Entries that were there already, when they came once more."""

    @property
    def stream_count(self) -> int:
        return len(self._streams)

    @property
    def entry_count(self) -> int:
        return sum(len(stream.entries) for stream in self._streams.values())

    def stream_of(self, labels: Mapping[str, str]) -> Stream | None:
        """The stream of exactly these labels."""
        return self._streams.get(label_key(labels))

    def add(self, labels: Mapping[str, str], entries: Iterable[LokiEntry]) -> None:
        """Store entries of one stream; what is already there is left out."""
        key = label_key(labels)
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = Stream(key)
        for entry in entries:
            if not stream.insert(entry):
                self.dropped.append((stream, entry))
            elif TRACE_ID in entry.metadata:
                found = self._by_trace_id.setdefault(entry.metadata[TRACE_ID], [])
                found.append((stream, entry))
        if not stream.entries:
            del self._streams[key]

    def select(self, matches: Callable[[Mapping[str, str]], bool]) -> list[Stream]:
        """The streams whose labels satisfy ``matches``, in order of their labels."""
        found = [stream for stream in self._streams.values() if matches(stream.labels)]
        return sorted(found, key=attrgetter("key"))

    def of_trace(
        self, trace_id: str, stream: Stream, start_ns: int, end_ns: int
    ) -> list[LokiEntry]:
        """The entries of a stream whose metadata has this trace id, oldest first."""
        found = [
            entry
            for owner, entry in self._by_trace_id.get(trace_id, ())
            if owner is stream and start_ns <= entry.timestamp_ns < end_ns
        ]
        found.sort(key=_timestamp_of)
        return found

    def expire(self, before_ns: int) -> None:
        """Forget the entries older than ``before_ns``, and the streams that have no others."""
        self.dropped = [pair for pair in self.dropped if pair[1].timestamp_ns >= before_ns]
        for key, stream in list(self._streams.items()):
            kept = bisect_left(stream.entries, before_ns, key=_timestamp_of)
            for entry in stream.entries[:kept]:
                self._forget_trace(entry)
            del stream.entries[:kept]
            if not stream.entries:
                del self._streams[key]

    def _forget_trace(self, entry: LokiEntry) -> None:
        trace_id = entry.metadata.get(TRACE_ID)
        if trace_id is None:
            return
        left = [pair for pair in self._by_trace_id[trace_id] if pair[1] is not entry]
        if left:
            self._by_trace_id[trace_id] = left
        else:
            del self._by_trace_id[trace_id]


def label_key(labels: Mapping[str, str]) -> LabelKey:
    """Labels as a key: sorted by name."""
    return tuple(sorted(labels.items()))
