"""The texts of errors: expected, found, what to do, the last log lines."""

from __future__ import annotations

import pytest

from pytest_obsstack.errors import (
    BackendRefused,
    BackendUnavailable,
    CannotTell,
    ObsstackError,
    StackUnavailable,
)


def test_every_part_has_its_label_and_order() -> None:
    error = StackUnavailable(
        "The app ended while it was starting.",
        expected="GET /health answers 2xx",
        found="exit status 1",
        advice="check the command",
        log_lines=["one", "two"],
    )
    assert str(error) == (
        "The app ended while it was starting.\n"
        "  expected  GET /health answers 2xx\n"
        "  found     exit status 1\n"
        "  do        check the command\n"
        "  last 2 log lines:\n"
        "    | one\n"
        "    | two"
    )


def test_a_summary_alone_is_the_whole_text() -> None:
    assert str(ObsstackError("Nothing runs.")) == "Nothing runs."


def test_an_empty_part_is_shown_because_it_was_found_so() -> None:
    assert str(ObsstackError("s", found="")) == "s\n  found     "


def test_lines_of_a_part_stand_below_each_other() -> None:
    assert str(ObsstackError("s", found="one\ntwo")) == "s\n  found     one\n            two"


def test_only_the_last_fifty_log_lines_are_shown_but_all_are_kept() -> None:
    lines = [f"line {number}" for number in range(60)]
    error = ObsstackError("s", log_lines=lines)
    shown = str(error).splitlines()
    assert shown[1] == "  last 50 log lines:"
    assert shown[2:] == [f"    | line {number}" for number in range(10, 60)]
    assert error.log_lines == tuple(lines)


def test_a_refusal_carries_the_status() -> None:
    error = BackendRefused("Loki refused.", status=400, expected="2xx", found="no", advice="fix")
    assert error.status == 400
    assert str(error) == ("Loki refused.\n  expected  2xx\n  found     no\n  do        fix")


@pytest.mark.parametrize("kind", [StackUnavailable, BackendUnavailable, BackendRefused, CannotTell])
def test_no_error_of_the_stack_is_one_about_the_telemetry(kind: type) -> None:
    assert issubclass(kind, ObsstackError)
    assert not issubclass(kind, AssertionError)
