"""Shapes and trees of any form: what a shape was made of fits it, and every span is drawn once."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given as for_all
from hypothesis import strategies as st

from pytest_obsstack.clients.sentry.explore import SpanRow
from pytest_obsstack.expect.shape import SpanShape, span
from pytest_obsstack.expect.shape_report import fit_of, shortfall_of
from pytest_obsstack.expect.shape_tree import SpanTree
from tests.unit.expect.models import SPAN, otlp_span

parents_of_a_tree = st.lists(st.integers(0, 7), max_size=7).map(
    lambda wishes: [wish % (index + 1) for index, wish in enumerate(wishes)]
)
"""For each span but the first the index of one before it."""
names = st.lists(st.sampled_from("ab"), min_size=8, max_size=8)


def spans_of(parents: Sequence[int], named: Sequence[str]) -> list[SpanRow]:
    """The first span answers the test's request; ids are indexes."""
    ids = [f"{index:016x}" for index in range(len(parents) + 1)]
    return [
        otlp_span(
            named[index],
            parent=SPAN if index == 0 else ids[parents[index - 1]],
            id=ids[index],
        )
        for index in range(len(ids))
    ]


def shape_of(parents: Sequence[int], named: Sequence[str], at: int = 0) -> SpanShape:
    """The shape of that tree, with the children the other way round."""
    below = [index + 1 for index, parent in enumerate(parents) if parent == at]
    return span(named[at], children=[shape_of(parents, named, child) for child in reversed(below)])


def fits(shape: SpanShape, spans: Sequence[SpanRow], *, exactly: bool) -> bool:
    found, tree = fit_of([shape], spans, {SPAN}, exactly=exactly)
    return shortfall_of(found, tree, "…", exactly=exactly) is None


@for_all(parents_of_a_tree, names)
def test_a_tree_has_exactly_its_own_shape(parents: list[int], named: list[str]) -> None:
    spans = spans_of(parents, named)
    found, tree = fit_of([shape_of(parents, named)], spans, {SPAN}, exactly=True)
    assert shortfall_of(found, tree, "…", exactly=True) is None
    taken = [fit.span.span_id for top in found for fit in top.walk() if fit.span is not None]
    assert sorted(taken) == [each.span_id for each in spans]


@for_all(parents_of_a_tree, names, st.integers(0, 7))
def test_one_span_more_is_a_part_but_not_exactly(
    parents: list[int], named: list[str], below: int
) -> None:
    shape = shape_of(parents, named)
    more = otlp_span("c", parent=f"{below % (len(parents) + 1):016x}", id="f" * 16)
    spans = [*spans_of(parents, named), more]
    assert fits(shape, spans, exactly=False)
    assert not fits(shape, spans, exactly=True)


@for_all(parents_of_a_tree, names)
def test_one_span_less_is_told_where_it_is_missing(parents: list[int], named: list[str]) -> None:
    spans = spans_of(parents, named)[:-1]
    shape = shape_of(parents, named)
    found, tree = fit_of([shape], spans, {SPAN}, exactly=False)
    shortfall = shortfall_of(found, tree, "…", exactly=False)
    assert shortfall is not None
    assert "←" in shortfall.expected
    assert len(shortfall.expected.splitlines()) == len(parents) + 1


@for_all(st.lists(st.integers(0, 9), min_size=1, max_size=10))
def test_every_span_is_drawn_once_whatever_the_parents(parents: list[int]) -> None:
    ids = [f"{index:016x}" for index in range(len(parents))]
    spans = [
        otlp_span(each, parent=f"{parent:016x}", id=each)
        for each, parent in zip(ids, parents, strict=True)
    ]
    tree = SpanTree(spans)
    drawn = [line.split()[-1] for line in tree.draw(lambda span: str(span.name))]
    assert sorted(drawn) == ids
    in_cycles = [span.span_id for cycle in tree.cycles for span in cycle]
    assert len(in_cycles) == len(set(in_cycles))
    # Whoever follows the parents comes to an orphan or into a cycle.
    assert tree.orphans or tree.cycles
