"""The shape of a trace as a test writes it, and whether, or how nearly, a tree of spans has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_obsstack.expect.matching import (
    NOT_GIVEN,
    Between,
    FieldDifference,
    describe_value,
    differences,
    given,
)
from pytest_obsstack.expect.shape_tree import SpanTree
from pytest_obsstack.expect.span_fields import span_fields

if TYPE_CHECKING:
    from pytest_obsstack.clients.spans import Span


@dataclass(frozen=True, eq=False)
class SpanShape:
    """A span that is expected, with those below it; made by ``span``."""

    fields: Mapping[str, Any]
    children: tuple[SpanShape, ...] = ()

    def walk(self) -> Iterator[SpanShape]:
        """This one, then all below it, each before its own children."""
        yield self
        for child in self.children:
            yield from child.walk()

    def describe(self) -> str:
        """``GET /chain (simple-app, kind 'server')``."""
        rest = [
            value if name == "service" and isinstance(value, str) else _field(name, value)
            for name, value in self.fields.items()
            if name != "name"
        ]
        name = self.fields.get("name", "any span")
        return (name if isinstance(name, str) else describe_value(name)) + (
            f" ({', '.join(rest)})" if rest else ""
        )


def span(
    name: Any = NOT_GIVEN,
    *,
    service: Any = NOT_GIVEN,
    kind: Any = NOT_GIVEN,
    status: Any = NOT_GIVEN,
    environment: Any = NOT_GIVEN,
    attributes: Any = NOT_GIVEN,
    min_ms: float | None = None,
    max_ms: float | None = None,
    children: Sequence[SpanShape] = (),
) -> SpanShape:
    """A span of ``obs.traces.expect_trace``, with the spans whose parent it is.

    Fields as in ``expect_span``; ``min_ms`` and ``max_ms`` bound its duration in milliseconds, both
    included. The order of ``children`` is of no importance.
    """
    bounds = NOT_GIVEN if min_ms is None and max_ms is None else Between(min_ms, max_ms, " ms")
    fields = given(
        name=name,
        service=service,
        kind=kind,
        status=status,
        environment=environment,
        duration_ms=bounds,
        attributes=attributes,
    )
    return SpanShape(fields, tuple(children))


@dataclass(frozen=True)
class Fit:
    """How well a span, with what is below it, has a shape; ``span`` is None where there is none."""

    shape: SpanShape
    span: Span | None
    differences: tuple[FieldDifference, ...] = ()
    children: tuple[Fit, ...] = ()
    extra: tuple[Span, ...] = ()
    """Children of the span that the shape has not, where those are a fault."""

    @property
    def cost(self) -> int:
        """0 for a fit; the more, the less it is one."""
        own = 1 + len(self.shape.fields) if self.span is None else len(self.differences)
        return own + len(self.extra) + sum(fit.cost for fit in self.children)

    def walk(self) -> Iterator[Fit]:
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass
class Fitting:
    """Lays shapes over one tree of spans."""

    tree: SpanTree
    exactly: bool
    _known: dict[tuple[int, str], Fit] = field(default_factory=dict)

    def fits(self, shapes: Sequence[SpanShape]) -> list[Fit]:
        """The best fit of each shape, on different spans: roots alone where ``exactly``."""
        spans = self.tree.roots if self.exactly else self.tree.spans
        return self._assigned(shapes, spans)

    def fit(self, shape: SpanShape, span: Span) -> Fit:
        """The shape on this span."""
        key = (id(shape), span.span_id)
        if key not in self._known:
            below = self.tree.children(span)
            children = self._assigned(shape.children, below)
            taken = {fit.span.span_id for fit in children if fit.span is not None}
            self._known[key] = Fit(
                shape,
                span,
                tuple(differences(dict(shape.fields), span_fields(span))),
                tuple(children),
                tuple(each for each in below if each.span_id not in taken) if self.exactly else (),
            )
        return self._known[key]

    def _assigned(self, shapes: Sequence[SpanShape], spans: Sequence[Span]) -> list[Fit]:
        """Each shape on a span of its own, so that all that can fit do; then the nearest."""
        options = [[self.fit(shape, span) for span in spans] for shape in shapes]
        taken = _matching([[fit.cost == 0 for fit in fits] for fits in options])
        used = set(taken.values())
        rest = sorted(
            (fit.cost, at, other)
            for at, fits in enumerate(options)
            if at not in taken
            for other, fit in enumerate(fits)
            if other not in used and _is_alike(fit)
        )
        for _, at, other in rest:
            if at not in taken and other not in used:
                taken[at] = other
                used.add(other)
        return [
            options[at][taken[at]] if at in taken else _missing(shape)
            for at, shape in enumerate(shapes)
        ]


def _missing(shape: SpanShape) -> Fit:
    return Fit(shape, None, children=tuple(map(_missing, shape.children)))


def _matching(possible: Sequence[Sequence[bool]]) -> dict[int, int]:
    """As many pairs as there can be (augmenting paths): left index → right index."""
    owner: dict[int, int] = {}

    def place(left: int, seen: set[int]) -> bool:
        for right, can in enumerate(possible[left]):
            if can and right not in seen:
                seen.add(right)
                if right not in owner or place(owner[right], seen):
                    owner[right] = left
                    return True
        return False

    for left in range(len(possible)):
        place(left, set())
    return {left: right for right, left in owner.items()}


def _is_alike(fit: Fit) -> bool:
    """Whether it is worth being told as the nearest: a span that is alike in nothing is another."""
    wanted = sum(len(each.fields) for each in fit.shape.walk())
    return len(fit.differences) < len(fit.shape.fields) or fit.cost < wanted or wanted == 0


def _field(name: str, value: Any) -> str:
    if name == "duration_ms":
        return describe_value(value)
    return f"{name} {describe_value(value)}"
