"""The text of a failed expectation: labels, cut values, the broken hop, what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from pytest_obsstack.expect.matching import ABSENT, Candidate, FieldDifference
from pytest_obsstack.expect.mismatch import Mismatch, fail, plural, render
from pytest_obsstack.record.hops import Hop


def test_every_part_has_its_label_and_order() -> None:
    text = render(
        Mismatch(
            summary="No Sentry event matched within 10.0 s (47 polls).",
            expected="ValueError, tags {endpoint: '/error'}",
            found="1 event of trace 4bf92f35…",
            nearest=Candidate(
                'ValueError "boom"',
                (
                    FieldDifference("tags.endpoint", "/error", "/eror"),
                    FieldDifference("level", "error", ABSENT),
                ),
            ),
            others=("another one",),
            hops=(Hop("a → b", "app 1 request (500)"), Hop("b → c", "Sentry accepted 1 event")),
            advice="look at the tag",
            look=("http://127.0.0.1:9000/issues/1/", "keep the stack: --obs-keep-stack"),
        )
    )
    assert text == (
        "No Sentry event matched within 10.0 s (47 polls).\n"
        "  expected  ValueError, tags {endpoint: '/error'}\n"
        "  found     1 event of trace 4bf92f35…\n"
        '  nearest   ValueError "boom"\n'
        "              tags.endpoint  expected '/error'   got '/eror'\n"
        "              level          expected 'error'   got (absent)\n"
        "  also      another one\n"
        "  pipeline  app 1 request (500) → Sentry accepted 1 event\n"
        "  do        look at the tag\n"
        "  look      http://127.0.0.1:9000/issues/1/  ·  keep the stack: --obs-keep-stack"
    )


def test_parts_that_are_not_there_have_no_label() -> None:
    assert render(Mismatch("Nothing came.", "something", "nothing")) == (
        "Nothing came.\n  expected  something\n  found     nothing"
    )


def test_the_first_broken_hop_is_named_and_gives_the_advice() -> None:
    text = render(
        Mismatch(
            "Nothing came.",
            "a span",
            "none",
            hops=(
                Hop("test → app", "app 1 request (200)"),
                Hop("app → collector", "nothing accepted", broken=True, cause="set the endpoint"),
                Hop("collector → Sentry", "nothing sent", broken=True, cause="a consequence"),
            ),
        )
    )
    assert text == (
        "Nothing came.\n"
        "  expected  a span\n"
        "  found     none\n"
        "  pipeline  app 1 request (200) → nothing accepted → nothing sent\n"
        "  stopped   at app → collector\n"
        "  do        set the endpoint"
    )


def test_advice_of_the_expectation_goes_before_that_of_the_hop() -> None:
    hop = Hop("a", "b", broken=True, cause="the hop's")
    text = render(Mismatch("s", "e", "f", hops=(hop,), advice="the expectation's"))
    assert text.splitlines()[-1] == "  do        the expectation's"


def test_lines_of_a_part_stand_below_each_other() -> None:
    text = render(Mismatch("s", "one\ntwo", ""))
    assert text == "s\n  expected  one\n            two\n  found     "


def test_at_most_eight_fields_are_shown_and_the_rest_counted() -> None:
    differences = tuple(FieldDifference(f"field_{index:02}", 1, 2) for index in range(11))
    lines = render(Mismatch("s", "e", "f", nearest=Candidate("t", differences))).splitlines()
    assert [line.strip() for line in lines[4:]] == [
        *(f"field_{index:02}  expected 1   got 2" for index in range(8)),
        "… and 3 more fields",
    ]


def test_short_values_are_shown_whole() -> None:
    assert shown("a" * 100, "b" * 100) == ("'" + "a" * 100 + "'", "'" + "b" * 100 + "'")


def test_long_values_are_cut_around_the_first_difference() -> None:
    expected, got = shown("a" * 1000 + "X" + "b" * 1000, "a" * 1000 + "Y" + "b" * 1000)
    assert expected == "…" + "a" * 40 + "X" + "b" * 79 + "…"
    assert got == "…" + "a" * 40 + "Y" + "b" * 79 + "…"


def test_values_that_differ_at_their_start_are_cut_behind() -> None:
    expected, got = shown("X" + "a" * 500, "Y" + "a" * 500)
    assert expected == "'X" + "a" * 118 + "…"
    assert got == "'Y" + "a" * 118 + "…"


def test_a_value_that_is_the_beginning_of_the_other_is_cut_around_its_end() -> None:
    expected, got = shown("a" * 300, "a" * 300 + "b")
    assert expected == "…" + "a" * 40 + "'"
    assert got == "…" + "a" * 40 + "b'"


@for_all(st.text("ab", min_size=100, max_size=400), st.text("ab", min_size=100, max_size=400))
def test_different_values_are_never_shown_alike(expected: str, actual: str) -> None:
    left, right = shown(expected, actual)
    assert (left == right) == (expected == actual)
    assert max(len(left), len(right)) <= 122


def test_a_pattern_is_shown_as_one() -> None:
    assert shown(re.compile("^a+$"), "b") == ("/^a+$/", "'b'")


def test_a_title_of_several_lines_keeps_the_columns() -> None:
    text = render(Mismatch("s", "e", "f", nearest=Candidate("one\ntwo", ())))
    assert text.splitlines()[-2:] == ["  nearest   one", "            two"]


def test_fail_raises_the_text_as_an_assertion() -> None:
    with pytest.raises(AssertionError) as caught:
        fail(Mismatch("s", "e", "f"))
    assert str(caught.value) == "s\n  expected  e\n  found     f"


@pytest.mark.parametrize(("count", "text"), [(0, "0 events"), (1, "1 event"), (2, "2 events")])
def test_plural(count: int, text: str) -> None:
    assert plural(count, "event") == text


def shown(expected: Any, actual: Any) -> tuple[str, str]:
    """The two values as the message shows them."""
    nearest = Candidate("title", (FieldDifference("f", expected, actual),))
    line = render(Mismatch("s", "e", "f", nearest=nearest)).splitlines()[-1]
    match = re.fullmatch(r" {14}f  expected (.*)   got (.*)", line)
    assert match is not None
    return match[1], match[2]
