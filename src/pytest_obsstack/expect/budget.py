"""Budgets: how much telemetry a test may cause, in spans, log lines, bytes and series.

Everything is counted once its signal has settled; what is too much already needs no fence.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.expect.diff import shortened
from pytest_obsstack.expect.mismatch import plural
from pytest_obsstack.expect.question import Shortfall

if TYPE_CHECKING:
    from pytest_obsstack.clients.loki.models import LogEntry
    from pytest_obsstack.clients.spans import Span

_SHOWN = 5
"""How many of the biggest contributors are named."""
_CHANGING = re.compile(r"[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]+)*|\d+(?:\.\d+)?")
"""Ids and numbers: lines that differ in them alone are told as one."""


@dataclass(frozen=True)
class Volume:
    """How much a test has logged."""

    lines: int
    bytes: int
    """Of the lines in UTF-8, without labels and metadata."""


def check_bounds(call: str, **bounds: float | None) -> None:
    """Raises ``ObsstackError`` unless there is a bound, and none is negative."""
    __tracebackhide__ = True
    given = {name: bound for name, bound in bounds.items() if bound is not None}
    if not given or min(given.values()) < 0:
        raise ObsstackError(
            f"{call} was given no budget.",
            expected=f"{' or '.join(bounds)}, 0 or more",
            found=", ".join(f"{name}={bound:g}" for name, bound in given.items()) or "none",
        )


# ---- spans


def within_spans(most: int, trace: str) -> Callable[[Sequence[Span]], Shortfall | None]:
    """Judges whether there are no more spans than that."""

    def judge(spans: Sequence[Span]) -> Shortfall | None:
        if len(spans) <= most:
            return None
        names = Counter(f"{span.name} of {span.service} ({span.kind})" for span in spans)
        return Shortfall(
            expected=f"at most {plural(most, 'span')} of trace {trace}",
            found=plural(len(spans), "span"),
            others=_biggest(names),
            final=True,
        )

    return judge


# ---- log lines


def volume_of(entries: Sequence[LogEntry]) -> Volume:
    """Lines and bytes of all entries of a test."""
    return Volume(len(entries), sum(map(_bytes, entries)))


def within_volume(
    max_lines: int | None, max_bytes: int | None, trace: str
) -> Callable[[Sequence[LogEntry]], Shortfall | None]:
    """Judges whether the lines are no more, and no longer, than that."""
    bounds = [] if max_lines is None else [plural(max_lines, "line")]
    bounds += [] if max_bytes is None else [plural(max_bytes, "byte")]

    def judge(entries: Sequence[LogEntry]) -> Shortfall | None:
        count, size = len(entries), sum(map(_bytes, entries))
        too_long = max_bytes is not None and size > max_bytes
        if not too_long and (max_lines is None or count <= max_lines):
            return None
        weights: Counter[str] = Counter()
        counts: Counter[str] = Counter()
        for entry in entries:
            kind = _kind(entry)
            counts[kind] += 1
            weights[kind] += _bytes(entry) if too_long else 1
        return Shortfall(
            expected=f"at most {' and '.join(bounds)} logged in trace {trace}",
            found=f"{plural(count, 'line')}, {plural(size, 'byte')}",
            others=tuple(
                f"{counts[kind]} × {kind}" + (f": {plural(weight, 'byte')}" if too_long else "")
                for kind, weight in weights.most_common(_SHOWN)
            ),
            final=True,
        )

    return judge


def _bytes(entry: LogEntry) -> int:
    return len(entry.line.encode())


def _kind(entry: LogEntry) -> str:
    """The line without its ids and numbers, and who logged it."""
    first = (entry.line.splitlines() or [""])[0]
    return f"{entry.labels.get('service_name')} {shortened(_CHANGING.sub('#', first), 80)!r}"


# ---- series


@dataclass(frozen=True)
class Cardinality:
    """How many series a selector has, of the app instance that the test drives."""

    total: int
    new: int | None
    """Those that were not there before the test's first request; ``None`` where nobody asked."""


def fullest_labels(series: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """The labels with the most different values, and some of these."""
    values: defaultdict[str, dict[str, None]] = defaultdict(dict)
    names: Counter[str] = Counter()
    for labels in series:
        names[labels.get("__name__", "")] += 1
        for name, value in labels.items():
            if name != "__name__":
                values[name][value] = None
    fullest = sorted(values.items(), key=lambda item: (-len(item[1]), item[0]))
    told = []
    for name, found in fullest:
        if len(found) > 1:
            some = [repr(shortened(value, 60)) for value in list(found)[:3]]
            more = ", …" if len(found) > 3 else ""
            told.append(f"label {name}: {len(found)} values, {', '.join(some)}{more}")
    if len(names) > 1:
        told = [*(f"{count} series of {name}" for name, count in names.most_common(3)), *told]
    return tuple(told[:_SHOWN])


def _biggest(counts: Counter[str]) -> tuple[str, ...]:
    rest = sum(count for _, count in counts.most_common()[_SHOWN:])
    told = [f"{count} × {name}" for name, count in counts.most_common(_SHOWN)]
    return (*told, *([f"{rest} others"] if rest else []))
