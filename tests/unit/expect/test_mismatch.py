"""The text of a failed expectation: labels, cut values, the broken hop, what to do."""

from __future__ import annotations

import pytest

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


def test_a_difference_of_several_lines_keeps_the_columns() -> None:
    nearest = Candidate(
        "title", (FieldDifference("a", 1, 2), FieldDifference("long", "x" * 300, "y"))
    )
    text = render(Mismatch("s", "e", "f", nearest=nearest))
    assert text.splitlines()[-3:] == [
        "              a     expected 1   got 2",
        "              long  expected '" + "x" * 120 + "'…",
        "                    got      'y'",
    ]


def test_a_difference_may_say_itself_how_it_is_shown() -> None:
    nearest = Candidate("title", (FieldDifference("a", 1, 2, ("one", "two")),))
    text = render(Mismatch("s", "e", "f", nearest=nearest))
    assert text.splitlines()[-2:] == ["              a  one", "                 two"]


def test_long_lines_of_what_was_expected_and_found_are_cut() -> None:
    text = render(Mismatch("s", "e" * 700 + "\nshort", "f" * 601))
    assert text.splitlines() == [
        "s",
        "  expected  " + "e" * 600 + "… (700 characters)",
        "            short",
        "  found     " + "f" * 600 + "… (601 characters)",
    ]


def test_a_long_title_is_cut() -> None:
    text = render(Mismatch("s", "e", "f", nearest=Candidate("x" * 400, ()), others=("y" * 400,)))
    assert text.splitlines()[-2:] == [
        "  nearest   " + "x" * 300 + "… (400 characters)",
        "  also      " + "y" * 300 + "… (400 characters)",
    ]
