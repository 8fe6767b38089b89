"""Two values that differ: whole, cut around the difference, or line by line."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from pytest_obsstack.expect.diff import WIDTH, compared, shortened
from pytest_obsstack.expect.matching import ABSENT, Between, Containing, differences


def test_short_values_stand_side_by_side() -> None:
    assert compared("a" * 100, "b") == ["expected '" + "a" * 100 + "'   got 'b'"]
    assert compared(1, ABSENT) == ["expected 1   got (absent)"]
    assert compared(None, "x") == ["expected (absent)   got 'x'"]
    assert compared(re.compile("^a+$"), "b") == ["expected /^a+$/   got 'b'"]
    assert compared(Between(None, 5, " ms"), 7.5) == ["expected at most 5 ms   got 7.5"]


def test_long_values_are_cut_at_the_same_place_around_the_first_difference() -> None:
    same, rest = "a" * 1000, "b" * 1000
    assert compared(same + "X" + rest, same + "Y" + rest) == [
        "expected …'" + "a" * 40 + "X" + "b" * 79 + "'…",
        "got      …'" + "a" * 40 + "Y" + "b" * 79 + "'…",
    ]


def test_values_that_differ_at_their_start_are_cut_behind() -> None:
    assert compared("X" + "a" * 500, "Y" + "a" * 500) == [
        "expected 'X" + "a" * 119 + "'…",
        "got      'Y" + "a" * 119 + "'…",
    ]


def test_a_value_that_is_the_beginning_of_the_other_is_cut_around_its_end() -> None:
    assert compared("a" * 300, "a" * 300 + "b") == [
        "expected …'" + "a" * 40 + "'",
        "got      …'" + "a" * 40 + "b'",
    ]


def test_quotes_in_one_of_them_do_not_hide_where_they_differ() -> None:
    same = "a" * 200
    assert compared(same + "it's", same + 'its "x"') == [
        "expected …'" + "a" * 38 + r"it\'s'",
        "got      …'" + "a" * 38 + 'its "x"\'',
    ]


def test_long_mappings_are_cut_around_the_first_difference_too() -> None:
    lines = compared({"k": "a" * 300 + "X"}, {"k": "a" * 300 + "Y"})
    # A mapping that is expected is written without quotes around its keys.
    assert [len(line) <= WIDTH + 12 for line in lines] == [True, True]


def test_a_text_that_is_looked_for_in_a_long_one_is_compared_where_it_fits_longest() -> None:
    line = "x" * 300 + "payment of 12 EUR refused" + "y" * 300
    assert compared(Containing("payment of 12 USD"), line) == [
        "expected 'payment of 12 USD'",
        "got      …'" + "x" * 26 + "payment of 12 EUR refused" + "y" * 69 + "'…",
    ]


def test_texts_of_several_lines_are_compared_line_by_line() -> None:
    assert compared("one\ntwo\nthree", "one\n2\nthree\nfour") == [
        "expected 3 lines, got 4 lines, which differ from line 2 on",
        "  line 1  both     'one'",
        "  line 2  expected 'two'",
        "  line 2  got      '2'",
    ]


def test_a_line_that_only_one_has_is_told() -> None:
    assert compared("one", "one\ntwo") == [
        "expected 1 line, got 2 lines, which differ from line 2 on",
        "  line 1  both     'one'",
        "  line 2  expected (no such line)",
        "  line 2  got      'two'",
    ]


def test_long_lines_are_cut_around_their_difference() -> None:
    same = "a" * 300
    assert compared(f"{same}X\n", f"{same}Y\n") == [
        "expected 1 line, got 1 line, which differ from line 1 on",
        "  line 1  expected …'" + "a" * 40 + "X'",
        "  line 1  got      …'" + "a" * 40 + "Y'",
    ]


def test_lines_that_differ_only_in_what_ends_them_are_shown_with_it() -> None:
    assert compared("one\n", "one\r\n") == [r"expected 'one\n'", r"got      'one\r\n'"]


@for_all(st.text("ab'\n", max_size=400), st.text("ab'\n", max_size=400))
def test_different_texts_are_never_shown_alike(expected: str, actual: str) -> None:
    lines = compared(expected, actual)
    if len(lines) == 1:
        left, right = lines[0].removeprefix("expected ").rsplit("   got ", 1)
    else:
        left = lines[-2].replace("expected", "").strip()
        right = lines[-1].replace("got     ", "").strip()
    if expected != actual:
        assert left != right
    assert max(map(len, lines)) <= 2 * WIDTH + 20


@pytest.mark.parametrize(
    ("text", "shown"),
    [("x" * 120, "x" * 120), ("x" * 121, "x" * 120 + "… (121 characters)")],
)
def test_a_text_that_is_too_long_tells_its_length(text: str, shown: str) -> None:
    assert shortened(text) == shown


@pytest.mark.parametrize(
    ("bounds", "actual", "matches"),
    [
        ((1, 5), 1, True),
        ((1, 5), 5.1, False),
        ((1, None), 0.9, False),
        ((None, 5), 4, True),
        ((None, 5), None, False),
        ((None, 5), True, False),
    ],
)
def test_bounds(bounds: tuple[Any, Any], actual: Any, matches: bool) -> None:
    assert (Between(*bounds).differences_of(actual, "f") == []) is matches


def test_lists_of_another_length_are_shown_with_what_they_have() -> None:
    (difference,) = differences({"way": ("a", re.compile("^b"))}, {"way": ["a"]})
    assert compared(difference.expected, difference.actual) == ["expected ['a', /^b/]   got ['a']"]
