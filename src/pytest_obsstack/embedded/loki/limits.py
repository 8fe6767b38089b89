"""Loki's limits on what is pushed: which entries are taken, and what is said of the others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pytest_obsstack.embedded.go_quote import quote
from pytest_obsstack.embedded.loki.go_text import format_labels, format_time
from pytest_obsstack.embedded.loki.settings import LokiSettings
from pytest_obsstack.wire.loki_push import LokiEntry, LokiStream

_NS_PER_S = 1_000_000_000
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class PushRefused(Exception):
    """A push of which nothing is stored: the status and the plain text of the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass
class Discarded:
    """What was refused: texts for the sender, and counts by reason for the metrics."""

    texts: list[str] = field(default_factory=list)
    lines: Counter[str] = field(default_factory=Counter)
    size_bytes: Counter[str] = field(default_factory=Counter)

    def add(self, reason: str, text: str, entries: Iterable[LokiEntry]) -> None:
        self.texts.append(text)
        for entry in entries:
            self.lines[reason] += 1
            self.size_bytes[reason] += entry_size(entry)

    def grouped(self) -> str:
        """One error as it is, several by kind with their counts."""
        if len(self.texts) == 1:
            return self.texts[0]
        counts = Counter(self.texts)
        return "; ".join(f"{count} errors like: {text}" for text, count in counts.items())


class RateLimiter:
    """A token bucket: ``rate`` bytes a second, ``burst`` bytes at once."""

    def __init__(self, rate: int, burst: int, clock_ns: Callable[[], int]) -> None:
        self._rate = rate
        self._burst = burst
        self._clock_ns = clock_ns
        self._tokens = float(burst)
        self._at_ns = clock_ns()

    def allows(self, size: int) -> bool:
        """Take ``size`` tokens; False, and none taken, where there are not so many."""
        now_ns = self._clock_ns()
        elapsed_s = max(0, now_ns - self._at_ns) / _NS_PER_S
        self._tokens = min(self._burst, self._tokens + elapsed_s * self._rate)
        self._at_ns = now_ns
        if size > self._tokens:
            return False
        self._tokens -= size
        return True


def entry_size(entry: LokiEntry) -> int:
    """Bytes that count for the rate limit: the line and its metadata."""
    return len(entry.line.encode()) + metadata_size(entry.metadata)


def metadata_size(metadata: Mapping[str, str]) -> int:
    return sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())


def check_label_names(labels: Mapping[str, str]) -> None:
    """Raise ``PushRefused`` where Loki could not parse the label set; columns count from 1."""
    column = 2
    for name in sorted(labels):
        match = _NAME.match(name)
        valid = match.end() if match else 0
        if not name:
            raise _unparsable(
                column, 'unexpected "=" in label matching, expected identifier or "}"'
            )
        if valid < len(name):
            odd = "'" + quote(name[valid])[1:-1] + "'"
            raise _unparsable(column + valid, f"unexpected character inside braces: {odd}")
        column += len(f"{name}={quote(labels[name])}, ".encode())


def _unparsable(column: int, reason: str) -> PushRefused:
    return PushRefused(400, f"couldn't parse labels: 1:{column}: parse error: {reason}")


def validate(
    stream: LokiStream, given_labels: int, settings: LokiSettings, now_ns: int, bad: Discarded
) -> LokiStream:
    """The stream with the entries within the limits; the others go to ``bad``.

    ``given_labels`` is how many labels the sender gave: the service name that Loki added does not
    count.
    """
    fault = _label_fault(stream.labels, given_labels, settings)
    if fault is not None:
        bad.add(*fault, stream.entries)
        return LokiStream(stream.labels, [])
    shown = format_labels(dict(stream.labels))
    oldest_ns = now_ns - int(settings.reject_old_samples_max_age_s * _NS_PER_S)
    newest_ns = now_ns + int(settings.creation_grace_period_s * _NS_PER_S)
    good = []
    for entry in stream.entries:
        entry_fault = _entry_fault(entry, shown, settings, oldest_ns, newest_ns)
        if entry_fault is None:
            good.append(entry)
        else:
            bad.add(*entry_fault, [entry])
    return LokiStream(stream.labels, good)


def _label_fault(
    labels: Mapping[str, str], given_labels: int, settings: LokiSettings
) -> tuple[str, str] | None:
    shown = format_labels(dict(labels))
    most = settings.max_label_names_per_series
    if given_labels > most:
        text = f"entry for stream '{shown}' has {given_labels} label names; limit {most}"
        return "max_label_names_per_series", text
    for name, value in labels.items():
        if len(name.encode()) > settings.max_label_name_length:
            return "label_name_too_long", f"stream '{shown}' has label name too long: '{name}'"
        if len(value.encode()) > settings.max_label_value_length:
            return "label_value_too_long", f"stream '{shown}' has label value too long: '{value}'"
    return None


def _entry_fault(
    entry: LokiEntry, shown: str, settings: LokiSettings, oldest_ns: int, newest_ns: int
) -> tuple[str, str] | None:
    """(reason, text) where the entry is not taken; ``shown`` is its stream's labels."""
    at = format_time(entry.timestamp_ns)
    if entry.timestamp_ns < oldest_ns:
        return "greater_than_max_sample_age", (
            f"entry for stream '{shown}' has timestamp too old: {at}, "
            f"oldest acceptable timestamp is: {format_time(oldest_ns)}"
        )
    if entry.timestamp_ns > newest_ns:
        return "too_far_in_future", f"entry for stream '{shown}' has timestamp too new: {at}"
    line_size = len(entry.line.encode())
    if line_size > settings.max_line_size_bytes:
        return "line_too_long", (
            f"max entry size '{settings.max_line_size_bytes}' bytes exceeded for stream '{shown}' "
            f"while adding an entry with length '{line_size}' bytes"
        )
    size, most = metadata_size(entry.metadata), settings.max_structured_metadata_size_bytes
    if size > most:
        return "structured_metadata_too_large", (
            f"stream '{shown}' has structured metadata too large: '{size}' bytes, "
            f"limit: '{most}' bytes. Please see `limits_config.max_structured_metadata_size` or "
            "contact your Loki administrator to increase it"
        )
    count, most = len(entry.metadata), settings.max_structured_metadata_entries_count
    if count > most:
        return "structured_metadata_too_many", (
            f"stream '{shown}' has too many structured metadata labels: '{count}', "
            f"limit: '{most}'. Please see `limits_config.max_structured_metadata_entries_count` or "
            "contact your Loki administrator to increase it"
        )
    return None
