"""Sequences: what is in an order, and both side by side where it is not."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from pytest_obsstack.expect.matching import ABSENT, differences
from pytest_obsstack.expect.sequence import InOrder, align


def crumbs(*names: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"name": name, "level": "info", **fields} for name in names]


def lines_of(wanted: list[dict[str, Any]], found: Any, *, exactly: bool = False) -> list[str]:
    """What is shown of the one difference; nothing where there is none."""
    order = InOrder(tuple(wanted), exactly)
    return [line for each in order.differences_of(found, "crumbs") for line in each.lines]


def test_others_may_be_between() -> None:
    assert lines_of(crumbs("a", "c"), crumbs("x", "a", "b", "c", "d")) == []


def test_exactly_allows_no_others() -> None:
    assert lines_of(crumbs("a", "b"), crumbs("a", "b"), exactly=True) == []
    assert lines_of(crumbs("a", "c"), crumbs("a", "b", "c"), exactly=True) == [
        "2 expected in this order, 3 found",
        "  expected      found",
        "= 1 'a' 'info'  1 'a' 'info'",
        "+               2 'b' 'info'",
        "= 2 'c' 'info'  3 'c' 'info'",
    ]


def test_what_is_missing_is_marked() -> None:
    assert lines_of(crumbs("a", "b", "c"), crumbs("a", "c")) == [
        "3 expected in this order, 2 found",
        "  expected      found",
        "= 1 'a' 'info'  1 'a' 'info'",
        "- 2 'b' 'info'",
        "= 3 'c' 'info'  2 'c' 'info'",
    ]


def test_the_first_that_differs_shows_its_fields() -> None:
    found = [*crumbs("a"), {"name": "b", "level": "warning"}, *crumbs("c")]
    assert lines_of(crumbs("a", "b", "c"), found) == [
        "3 expected in this order, 3 found",
        "  expected      found",
        "= 1 'a' 'info'  1 'a' 'info'",
        "≠ 2 'b' 'info'  2 'b' 'warning'",
        "    level  expected 'info'   got 'warning'",
        "= 3 'c' 'info'  3 'c' 'info'",
    ]


def test_another_order_is_named() -> None:
    assert lines_of(crumbs("b", "a"), crumbs("a", "b")) == [
        "2 expected in this order, 2 found",
        "  expected      found",
        "                1 'a' 'info'",
        "= 1 'b' 'info'  2 'b' 'info'",
        "- 2 'a' 'info'",
        "    it is there as number 1: the order is another",
    ]


def test_one_thing_is_not_two() -> None:
    assert lines_of(crumbs("a", "a"), crumbs("a"))[-2:] == [
        "- 2 'a' 'info'",
        "    it is there as number 1: the order is another",
    ]


def test_only_what_is_around_the_first_difference_is_shown() -> None:
    names = [f"n{number}" for number in range(30)]
    lines = lines_of(crumbs(*names), crumbs(*names[:10], "other", *names[11:]))
    assert lines[2] == "  … 7 before these"
    assert lines[6].startswith("≠ 11 'n10'")
    assert lines[-1] == "  … 11 behind these"


def test_nothing_is_expected_and_nothing_is_there() -> None:
    assert lines_of([], [], exactly=True) == []
    assert lines_of([], crumbs("a"), exactly=True)[0] == "0 expected in this order, 1 found"


def test_what_is_no_sequence_is_no_order() -> None:
    (difference,) = InOrder(()).differences_of(ABSENT, "crumbs")
    assert difference.actual is ABSENT


@pytest.mark.parametrize(
    ("order", "text"),
    [
        (InOrder(({"name": "a"}, {"name": re.compile("^b")})), "'a' → /^b/"),
        (InOrder(({"name": "a", "level": "info"},), exactly=True), "exactly 'a' 'info'"),
        (InOrder((), exactly=True), "exactly none"),
    ],
)
def test_an_order_is_described_in_one_line(order: InOrder, text: str) -> None:
    assert order.describe() == text


def test_an_order_is_a_value_as_others_are() -> None:
    wanted = {"trail": InOrder(({"name": "a"},))}
    assert differences(wanted, {"trail": crumbs("a")}) == []
    assert [d.path for d in differences(wanted, {"trail": crumbs("b")})] == ["trail"]


def test_the_places_of_what_was_expected() -> None:
    assert InOrder(tuple(crumbs("a", "c"))).places(crumbs("x", "a", "b", "c")) == [1, 3]


@for_all(st.lists(st.sampled_from("abc"), max_size=6), st.lists(st.sampled_from("abc"), max_size=8))
def test_an_order_is_found_where_there_is_one(wanted: list[str], found: list[str]) -> None:
    rest = iter(found)
    is_there = all(any(one == other for other in rest) for one in wanted)
    assert (lines_of(crumbs(*wanted), crumbs(*found)) == []) is is_there
    exact = lines_of(crumbs(*wanted), crumbs(*found), exactly=True) == []
    assert exact is (wanted == found)


@for_all(st.lists(st.sampled_from("abc"), max_size=6), st.lists(st.sampled_from("abc"), max_size=8))
def test_every_thing_has_one_row_in_its_order(wanted: list[str], found: list[str]) -> None:
    rows = align(crumbs(*wanted), crumbs(*found))
    assert [row.wanted for row in rows if row.wanted is not None] == list(range(len(wanted)))
    assert [row.found for row in rows if row.found is not None] == list(range(len(found)))
