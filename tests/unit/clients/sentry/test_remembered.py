from __future__ import annotations

import pytest

from pytest_obsstack.clients.sentry.remembered import MOST, Remembered


def test_what_is_known_is_not_asked_for_again() -> None:
    answers = iter(["first", "second"])
    known: Remembered[int, str] = Remembered()
    assert known.get(1, lambda: next(answers)) == known.get(1, lambda: next(answers)) == "first"
    assert known.get(2, lambda: next(answers)) == "second"


def test_an_error_is_asked_for_again() -> None:
    known: Remembered[int, float] = Remembered()
    with pytest.raises(ZeroDivisionError):
        known.get(1, lambda: 1 / 0)
    assert known.get(1, lambda: 2.0) == 2.0


def test_the_oldest_answers_go_where_there_are_too_many() -> None:
    known: Remembered[int, int] = Remembered()
    for number in range(MOST + 1):
        known.put(number, number)
    assert known.get(0, lambda: -1) == -1
    assert known.get(MOST, lambda: -1) == MOST
