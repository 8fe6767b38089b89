"""``obs.soft()``: every mismatch of a block, and what ends one early; where tracebacks end."""

# ruff: noqa: PT012 - blocks are what is tested

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from pytest_obsstack.errors import CannotTell, ObsstackError
from pytest_obsstack.expect.mismatch import Mismatch, fail
from pytest_obsstack.expect.probe import Probe
from pytest_obsstack.expect.sentry import SentryExpectations
from pytest_obsstack.expect.soft import Expectations, SoftBlock, Unmet, UnmetUsed
from tests.unit.expect.fakes import bench
from tests.unit.expect.models import event, issue

HERE = Path(__file__).name


class Shop(Expectations):
    """Expectations without a backend."""

    def expect_number(self, found: int, *, wanted: int = 1) -> int:
        if found != wanted:
            fail(Mismatch("Not the number.", str(wanted), str(found)))
        return found

    def expect_none(self, found: int) -> None:
        self.expect_number(found, wanted=0)

    def expect_called(self, function: Callable[[], Any]) -> Any:
        return function()

    def expect_knowledge(self) -> None:
        raise CannotTell("Nobody knows.", found="nothing")


@pytest.fixture
def shop() -> Shop:
    return Shop()


def numbered(text: str) -> str:
    """The text without the numbers of this file's lines."""
    return re.sub(rf"{HERE}:\d+", "FILE:N", text)


@pytest.mark.proves("obs.soft", "green")
def test_a_block_that_is_met_says_nothing(shop: Shop) -> None:
    with SoftBlock():
        assert shop.expect_number(1) == 1


def test_every_mismatch_is_told_with_its_line(shop: Shop) -> None:
    with pytest.raises(AssertionError) as caught, SoftBlock():
        shop.expect_number(2)
        shop.expect_number(1)
        shop.expect_none(3)
    assert numbered(str(caught.value)) == (
        "2 of 3 expectations of the block were not met.\n\n"
        "1) FILE:N  shop.expect_number(2)\n"
        "   Not the number.\n"
        "     expected  1\n"
        "     found     2\n\n"
        "2) FILE:N  shop.expect_none(3)\n"
        "   Not the number.\n"
        "     expected  0\n"
        "     found     3"
    )
    assert caught.type is AssertionError


@pytest.mark.proves("obs.soft", "other trace")
def test_what_another_trace_has_sent_satisfies_nothing_in_a_block_either() -> None:
    given = bench()
    given.sentry.events = [event()]
    given.make_foreign(settled=True)
    obs = Probe(given.context, httpx.Client())
    with pytest.raises(AssertionError) as caught, obs.soft():
        obs.sentry.expect_event(type="ValueError")
        obs.sentry.expect_no_event()
    assert str(caught.value).startswith("1 of 2 expectations of the block was not met.\n\n1) ")
    assert "     found     0 events of trace aaaaaaaa…\n" in str(caught.value)


def test_one_mismatch_is_told_alike(shop: Shop) -> None:
    with pytest.raises(AssertionError) as caught, SoftBlock():
        shop.expect_number(2)
    assert str(caught.value).startswith("1 of 1 expectation of the block was not met.\n\n1) ")


def check(shop: Shop) -> None:
    shop.expect_number(5)


def test_a_helper_is_told_behind_the_tests_own_line(shop: Shop) -> None:
    with pytest.raises(AssertionError) as caught, SoftBlock():
        check(shop)
    assert "1) FILE:N  check(shop)\n   in FILE:N  shop.expect_number(5)\n" in numbered(
        str(caught.value)
    )


def test_inner_blocks_report_with_the_outermost(shop: Shop) -> None:
    with pytest.raises(AssertionError) as caught, SoftBlock():
        shop.expect_number(2)
        with SoftBlock():
            shop.expect_number(3)
        shop.expect_number(4)
    assert re.findall(r"found +(\d)", str(caught.value)) == ["2", "3", "4"]
    with pytest.raises(AssertionError, match="Not the number"):
        shop.expect_number(6)


def test_cannot_tell_ends_the_block_with_what_was_collected(shop: Shop) -> None:
    with pytest.raises(CannotTell) as caught, SoftBlock():
        shop.expect_number(2)
        shop.expect_knowledge()
        shop.expect_number(3)
    assert numbered(shown_of(caught.value)) == (
        "Nobody knows.\n"
        "  found     nothing\n"
        "Before that: 1 of 2 expectations of the block was not met.\n\n"
        "1) FILE:N  shop.expect_number(2)\n"
        "   Not the number.\n"
        "     expected  1\n"
        "     found     2"
    )


def test_a_plain_assert_is_left_as_it_is(shop: Shop) -> None:
    with pytest.raises(AssertionError) as caught, SoftBlock():
        assert shop.expect_number(1) == 2
    assert "Before that" not in shown_of(caught.value)
    with pytest.raises(AssertionError) as caught, SoftBlock():
        shop.expect_number(2)
        raise AssertionError("plain")
    assert shown_of(caught.value).startswith("plain\nBefore that: 1 of 1 expectation ")


def test_another_error_ends_the_block_as_itself(shop: Shop) -> None:
    with pytest.raises(LookupError) as caught, SoftBlock():
        shop.expect_number(2)
        raise LookupError("no such key")
    assert "Before that: 1 of 1 expectation " in shown_of(caught.value)


def test_an_error_without_a_mismatch_before_it_gets_no_note(shop: Shop) -> None:
    with pytest.raises(CannotTell) as caught, SoftBlock():
        shop.expect_knowledge()
    assert shown_of(caught.value) == "Nobody knows.\n  found     nothing"


def test_using_what_was_not_found_ends_the_block_with_the_report(shop: Shop) -> None:
    with pytest.raises(AssertionError) as caught, SoftBlock():
        found = shop.expect_number(2)
        assert found + 1 == 2
    assert numbered(str(caught.value)) == (
        "1 of 1 expectation of the block was not met.\n\n"
        "1) FILE:N  found = shop.expect_number(2)\n"
        "   Not the number.\n"
        "     expected  1\n"
        "     found     2\n\n"
        "The block ended at FILE:N  assert found + 1 == 2\n"
        "This needs what expectation 1) of the block has not found."
    )


def test_an_issue_that_was_not_found_has_no_events() -> None:
    given = bench()
    given.sentry.events, given.sentry.issues = [event("KeyError")], [issue("KeyError")]
    sentry = SentryExpectations(given.context)
    with pytest.raises(AssertionError) as caught, SoftBlock():
        missing = sentry.expect_issue("ValueError")
        sentry.expect_event(missing, type="ValueError")
        assert sentry.expect_event(type="KeyError").event_id == "e" * 32
    assert "2) " in str(caught.value)
    assert str(caught.value).endswith("This needs what expectation 1) of the block has not found.")


def test_an_expectation_on_what_was_not_found_is_unmet_too(shop: Shop) -> None:
    with pytest.raises(AssertionError) as caught, SoftBlock():
        found = shop.expect_number(2)
        shop.expect_number(found, wanted=3)
    assert numbered(str(caught.value)).endswith(
        "2) FILE:N  shop.expect_number(found, wanted=3)\n"
        "   This needs what expectation 1) of the block has not found."
    )


@pytest.mark.parametrize(
    "use",
    [
        lambda it: it.name,
        lambda it: it == 1,
        bool,
        list,
        lambda it: it["key"],
        lambda it: it > 1,
        lambda it: setattr(it, "name", 1),
        lambda it: 1 - it,
        float,
    ],
)
def test_nothing_can_be_taken_from_what_was_not_found(use: Callable[[Any], Any]) -> None:
    with pytest.raises(UnmetUsed, match=r"expectation 7\) of the block"):
        use(Unmet(7))


def test_what_was_not_found_can_be_shown() -> None:
    assert repr(Unmet(7)) == "<what expectation 7) has not found>"
    assert len({Unmet(1)}) == 1


def test_tracebacks_end_at_the_line_of_the_test(shop: Shop) -> None:
    with pytest.raises(AssertionError) as caught:
        shop.expect_none(2)
    assert Path(caught.traceback.filter(caught)[-1].path).name == HERE
    # No frame of an expectation is kept, for those who print them all either.
    assert [Path(entry.path).name for entry in caught.traceback] == [HERE, "soft.py"]


def test_what_a_tests_own_function_has_done_stays_in_the_traceback(shop: Shop) -> None:
    def broken() -> None:
        raise ObsstackError("of the test's own")

    with pytest.raises(ObsstackError) as caught:
        shop.expect_called(broken)
    assert caught.traceback[-1].name == "broken"


def test_the_frames_of_what_has_caused_an_error_are_not_told(shop: Shop) -> None:
    def unavailable() -> None:
        try:
            int("no number")
        except ValueError as error:
            raise ObsstackError("Loki does not answer.", found=str(error)) from error

    with pytest.raises(ObsstackError) as caught:
        shop.expect_called(unavailable)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_every_object_with_expectations_is_at_the_edge() -> None:
    given = bench()
    probe = Probe(given.context, httpx.Client())
    objects = [probe, *(each for each in vars(probe).values() if hasattr(each, "_context"))]
    assert len(objects) >= 5
    for each in objects:
        names = [name for name in dir(type(each)) if name.startswith("expect_")]
        assert names
        for name in names:
            assert hasattr(getattr(type(each), name), "__wrapped__"), f"{type(each)}.{name}"


def test_errors_of_another_kind_keep_their_whole_traceback(shop: Shop) -> None:
    with pytest.raises(TypeError) as caught:
        shop.expect_number()  # type: ignore[call-arg]
    assert caught.traceback[-1].name == "expect"


def test_the_traceback_of_a_block_ends_at_the_block(shop: Shop) -> None:
    block = SoftBlock()
    with pytest.raises(AssertionError) as caught:  # noqa: SIM117 - its own line is looked at
        with block:
            shop.expect_number(2)
    assert str(caught.traceback.filter(caught)[-1].statement).strip() == "with block:"


def test_methods_keep_their_names_and_docs() -> None:
    assert Shop.expect_number.__name__ == "expect_number"


def shown_of(error: BaseException) -> str:
    """Message and notes as a terminal shows them."""
    notes = getattr(error, "__notes__", []) if sys.version_info >= (3, 11) else []
    return "\n".join([str(error), *notes])
