from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_obsstack.errors import BackendRefused, BackendUnavailable
from pytest_obsstack.waiting import DELAY_FACTOR, FIRST_DELAY_S, MAX_DELAY_S, Waited, until


class FakeClock:
    """Stands still but for ``sleep`` and for polls that take time."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now_s += seconds


def unavailable(found: str | None = "ConnectError: refused") -> BackendUnavailable:
    return BackendUnavailable("Loki did not answer.", expected="an answer", found=found)


def test_first_answer_is_returned_without_any_sleep() -> None:
    clock = FakeClock()
    waited = until(lambda: "there", timeout_s=10, clock=clock, sleep=clock.sleep)
    assert (waited.value, waited.polls, waited.waited_s) == ("there", 1, 0.0)
    assert clock.sleeps == []


def test_zero_timeout_still_polls_once() -> None:
    clock = FakeClock()
    waited: Waited[str] = until(lambda: None, timeout_s=0, clock=clock, sleep=clock.sleep)
    assert (waited.value, waited.polls) == (None, 1)
    assert clock.sleeps == []


def test_falsy_values_other_than_none_are_answers() -> None:
    clock = FakeClock()
    waited = until(lambda: 0, timeout_s=10, clock=clock, sleep=clock.sleep)
    assert waited.value == 0
    assert waited.polls == 1


def test_delays_begin_small_grow_by_half_and_end_at_a_tenth_of_a_second() -> None:
    clock = FakeClock()
    until(lambda: None, timeout_s=5, clock=clock, sleep=clock.sleep)
    assert clock.sleeps[0] == FIRST_DELAY_S == 0.003
    assert clock.sleeps[1] == pytest.approx(FIRST_DELAY_S * DELAY_FACTOR)
    assert clock.sleeps[2] == pytest.approx(FIRST_DELAY_S * 1.5**2)
    assert max(clock.sleeps) == MAX_DELAY_S == 0.1
    assert sum(clock.sleeps) == pytest.approx(5)


def test_the_last_poll_begins_at_the_deadline() -> None:
    clock = FakeClock()
    polled_at: list[float] = []

    def poll() -> None:
        polled_at.append(clock.now_s)

    until(poll, timeout_s=0.5, clock=clock, sleep=clock.sleep)
    assert polled_at[-1] == pytest.approx(1000.5)
    assert len([at for at in polled_at if at >= 1000.5]) == 1


def test_what_arrives_in_the_last_sleep_is_found() -> None:
    clock = FakeClock()
    waited = until(
        lambda: "there" if clock.now_s >= 1000.4999 else None,
        timeout_s=0.5,
        clock=clock,
        sleep=clock.sleep,
    )
    assert waited.value == "there"
    assert waited.waited_s == pytest.approx(0.5)


def test_after_a_slow_poll_over_the_deadline_one_more_begins_after_it() -> None:
    clock = FakeClock()
    polled_at: list[float] = []

    def poll() -> None:
        polled_at.append(clock.now_s)
        clock.now_s += 0.4

    waited: Waited[str] = until(poll, timeout_s=0.5, clock=clock, sleep=clock.sleep)
    assert polled_at[-2] < 1000.5 <= polled_at[-1]
    assert waited.polls == len(polled_at)


def test_a_transient_outage_is_waited_out() -> None:
    clock = FakeClock()
    answers = iter([unavailable(), unavailable(), None, "there"])

    def poll() -> str | None:
        answer = next(answers)
        if isinstance(answer, BackendUnavailable):
            raise answer
        return answer

    waited = until(poll, timeout_s=10, clock=clock, sleep=clock.sleep)
    assert (waited.value, waited.polls, waited.unanswered_polls) == ("there", 4, 2)


def test_an_outage_that_lasts_is_raised_and_never_reads_as_not_found() -> None:
    clock = FakeClock()

    def poll() -> str:
        raise unavailable()

    with pytest.raises(BackendUnavailable) as caught:
        until(poll, timeout_s=0.01, clock=clock, sleep=clock.sleep)
    assert str(caught.value) == (
        "Loki did not answer.\n"
        "  expected  an answer\n"
        "  found     ConnectError: refused\n"
        "            4 of 4 polls in 0.0 s got no answer"
    )


def test_an_outage_at_the_end_is_raised_even_after_good_polls_without_a_find() -> None:
    clock = FakeClock()

    def poll() -> None:
        if clock.now_s > 1000.2:
            raise unavailable(found=None)

    with pytest.raises(BackendUnavailable, match=r"\d+ of \d+ polls in 1\.0 s got no answer"):
        until(poll, timeout_s=1, clock=clock, sleep=clock.sleep)


def test_a_good_last_poll_forgives_an_outage_before_it() -> None:
    clock = FakeClock()

    def poll() -> None:
        if clock.now_s < 1000.9999:
            raise unavailable()

    waited: Waited[str] = until(poll, timeout_s=1, clock=clock, sleep=clock.sleep)
    assert waited.value is None
    assert waited.unanswered_polls == waited.polls - 1


def test_a_hanging_backend_is_not_asked_again_after_the_deadline() -> None:
    clock = FakeClock()
    polls = 0

    def poll() -> str:
        nonlocal polls
        polls += 1
        clock.now_s += 10
        raise unavailable()

    with pytest.raises(BackendUnavailable):
        until(poll, timeout_s=5, clock=clock, sleep=clock.sleep)
    assert polls == 1


@pytest.mark.parametrize(
    "error", [BackendRefused("refused", status=400), KeyError("bug"), KeyboardInterrupt()]
)
def test_any_other_exception_ends_the_wait_at_once(error: BaseException) -> None:
    clock = FakeClock()
    polls = 0

    def poll() -> str:
        nonlocal polls
        polls += 1
        raise error

    with pytest.raises(type(error)) as caught:
        until(poll, timeout_s=5, clock=clock, sleep=clock.sleep)
    assert caught.value is error
    assert polls == 1


@given(
    timeout_s=st.floats(min_value=0, max_value=3),
    poll_s=st.floats(min_value=0, max_value=1),
    appears_s=st.floats(min_value=0, max_value=4),
)
def test_never_sleeps_past_the_deadline_and_finds_what_is_there_in_time(
    timeout_s: float, poll_s: float, appears_s: float
) -> None:
    clock = FakeClock()
    deadline = clock.now_s + timeout_s

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        assert seconds == 0 or clock.now_s <= deadline + 1e-9

    def poll() -> bool | None:
        there = clock.now_s >= 1000 + appears_s
        clock.now_s += poll_s
        return there or None

    waited = until(poll, timeout_s=timeout_s, clock=clock, sleep=sleep)
    if appears_s <= timeout_s:
        assert waited.value is True
    assert waited.waited_s <= timeout_s + 2 * poll_s + 1e-9
