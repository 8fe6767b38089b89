"""The spans of a trace as a tree, with what is wrong about it: lost parents, cycles, skewed clocks.

Spans come from several processes and in any order. A span whose parent has not come is an orphan; a
trace that begins with a request of the test has roots whose parent is that request. Where spans are
each other's parents nothing leads to them from a root.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pytest_obsstack.clients.spans import Span

T = TypeVar("T")

SKEW_S = 0.001
"""By how much a span may begin before its parent in another service: clocks are that good."""
_EDGE, _LAST, _BAR, _BLANK = "├─ ", "└─ ", "│  ", "   "


class SpanTree:
    """The spans of one trace; ``callers`` are ids of the requests with which it may begin."""

    def __init__(self, spans: Iterable[Span], callers: Collection[str] = ()) -> None:
        given = sorted(spans, key=lambda span: span.start_s or 0.0)
        self._times = Counter(span.span_id for span in given)
        self._by_id = {span.span_id: span for span in reversed(given)}
        self.spans: list[Span] = list({span.span_id: span for span in given}.values())
        """By start time; each once, however often it came."""
        self.roots: list[Span] = []
        self.orphans: list[Span] = []
        self._below: dict[str, list[Span]] = {}
        for span in self.spans:
            parent = span.parent_span_id
            if parent in self._by_id:
                self._below.setdefault(str(parent), []).append(span)
            elif parent is None or parent in callers:
                self.roots.append(span)
            else:
                self.orphans.append(span)
        self.cycles = list(self._cycles())

    def children(self, span: Span) -> Sequence[Span]:
        """By start time."""
        return self._below.get(span.span_id, ())

    def notes(self) -> Iterator[str]:
        """What is wrong about the trace itself, whatever was expected of it."""
        for span in self.orphans:
            yield (
                f"parent lost: {_name(span)} has the parent {span.parent_span_id}, "
                "which has not arrived"
            )
        for cycle in self.cycles:
            names = " → ".join(map(_name, (*cycle, cycle[0])))
            yield f"a cycle: {names}, each the parent of the next"
        for span in self.spans:
            if self._times[span.span_id] > 1:
                yield f"{_name(span)} has come {self._times[span.span_id]} times"
            parent = self._by_id.get(span.parent_span_id or "")
            if parent is not None and (skew_s := _skew_s(span, parent)) > SKEW_S:
                yield (
                    f"clock skew: {_name(span)} begins {skew_s * 1000:.1f} ms before its parent "
                    f"{_name(parent)}"
                )

    def draw(self, label: Callable[[Span], str]) -> list[str]:
        """A line a span, indented below its parent; a cycle is entered at its earliest span."""
        tops = [*self.roots, *self.orphans, *(cycle[0] for cycle in self.cycles)]
        return drawn(tops, self.children, label)

    def _cycles(self) -> Iterator[tuple[Span, ...]]:
        """Each in the order from parent to child, beginning with its earliest span."""
        reached = {span.span_id for span in (*self.roots, *self.orphans)}
        waiting = list(reached)
        while waiting:
            for child in self._below.get(waiting.pop(), ()):
                reached.add(child.span_id)
                waiting.append(child.span_id)
        told: set[str] = set()
        for span in self.spans:
            if span.span_id in reached or span.span_id in told:
                continue
            trail: list[str] = []
            at = span.span_id
            while at not in trail and at not in told:
                trail.append(at)
                at = str(self._by_id[at].parent_span_id)
            if at in trail:
                cycle = [self._by_id[each] for each in reversed(trail[trail.index(at) :])]
                first = min(range(len(cycle)), key=lambda index: self.spans.index(cycle[index]))
                yield (*cycle[first:], *cycle[:first])
            told.update(trail)


def drawn(
    tops: Sequence[T], below: Callable[[T], Sequence[T]], label: Callable[[T], str]
) -> list[str]:
    """A line for each thing, once, indented below that to which it belongs."""
    lines: list[str] = []
    seen: set[int] = set()
    stack = [(top, "", "") for top in reversed(tops)]
    while stack:
        each, edge, indent = stack.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        lines.append(edge + label(each))
        children = [child for child in below(each) if id(child) not in seen]
        for child in reversed(children):
            last = child is children[-1]
            stack.append(
                (child, indent + (_LAST if last else _EDGE), indent + (_BLANK if last else _BAR))
            )
    return lines


def _skew_s(span: Span, parent: Span) -> float:
    """By how much it begins too early; 0 within one service, where there is one clock."""
    if span.start_s is None or parent.start_s is None or span.service == parent.service:
        return 0.0
    return parent.start_s - span.start_s


def _name(span: Span) -> str:
    return f"{span.name} of {span.service}"
