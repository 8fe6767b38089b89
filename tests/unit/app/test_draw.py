"""Which requests to / fail."""

from __future__ import annotations

import pytest

from app import draw
from pytest_obsstack.wire.trace_context import TraceContext
from tests.unit.app.in_process import InProcess

TRACE = TraceContext("1" * 32, "2" * 16, sampled=True)


def drawn(
    app: InProcess, numbers: range, *, context: TraceContext = TRACE, seed: str | None = "seed"
) -> list[float]:
    """What the requests of these numbers draw."""
    values = []
    for number in numbers:
        headers = {**context.headers(), "X-Request-Number": str(number)}
        with app.app.test_request_context("/", headers=headers):
            values.append(draw(seed))
    return values


def test_the_same_seed_trace_and_number_draw_the_same(simple_app: InProcess) -> None:
    first = drawn(simple_app, range(20))
    assert drawn(simple_app, range(19, -1, -1)) == first[::-1]
    assert len(set(first)) == 20
    assert all(0 <= value < 1 for value in first)


def test_another_seed_or_trace_draws_differently(simple_app: InProcess) -> None:
    first = set(drawn(simple_app, range(20)))
    other = TraceContext("3" * 32, "2" * 16, sampled=True)
    assert not first & set(drawn(simple_app, range(20), seed="other"))
    assert not first & set(drawn(simple_app, range(20), context=other))


def test_an_undecided_trace_draws_as_a_decided_one(simple_app: InProcess) -> None:
    undecided = TraceContext(TRACE.trace_id, TRACE.span_id, sampled=None)
    assert drawn(simple_app, range(20), context=undecided) == drawn(simple_app, range(20))


def test_draws_are_spread_evenly(simple_app: InProcess) -> None:
    # A binomial of n = 2000, p = 0.1: its standard deviation is 13.4.
    below = sum(value < 0.1 for value in drawn(simple_app, range(2000)))
    assert 140 <= below <= 260


def test_without_seed_trace_or_number_the_draw_is_random(simple_app: InProcess) -> None:
    assert drawn(simple_app, range(3), seed=None) != drawn(simple_app, range(3), seed=None)
    for headers in ({"X-Request-Number": "1"}, TRACE.headers()):
        with simple_app.app.test_request_context("/", headers=headers):
            assert draw("seed") != draw("seed")


@pytest.mark.parametrize("seed", [None, "seed"])
@pytest.mark.parametrize(("rate", "status"), [(0.0, 200), (1.0, 500)])
def test_at_the_extremes_of_the_rate_the_answer_is_certain(
    simple_app: InProcess, seed: str | None, rate: float, status: int
) -> None:
    with simple_app.reporting(error_rate=rate, random_seed=seed):
        answers = [
            simple_app.request("/", headers={"X-Request-Number": str(number)}).response
            for number in range(3)
        ]
    assert {answer.status_code for answer in answers} == {status}


def test_the_seeded_draw_decides_the_answer(simple_app: InProcess) -> None:
    expected = [500 if value < 0.5 else 200 for value in drawn(simple_app, range(10))]
    with simple_app.reporting(error_rate=0.5, random_seed="seed"):
        statuses = [
            simple_app.request(
                "/", headers={"X-Request-Number": str(number)}, context=TRACE
            ).response.status_code
            for number in range(10)
        ]
    assert statuses == expected
    assert set(expected) == {200, 500}


def test_a_number_that_is_none_is_a_400(simple_app: InProcess) -> None:
    with simple_app.reporting(random_seed="seed"):
        seen = simple_app.request("/", headers={"X-Request-Number": "-1"})
    assert (seen.response.status_code, seen.response.json) == (
        400,
        {"error": "X-Request-Number: expected a whole number, found '-1'"},
    )
