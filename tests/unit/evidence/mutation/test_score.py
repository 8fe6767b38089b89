"""What reruns mean, and what is told of a whole run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_obsstack.errors import BackendUnavailable, CannotTell, ObsstackError
from pytest_obsstack.evidence.mutation.outcome import (
    Checked,
    Outcome,
    Verdict,
    kinds_of,
    verdict_of,
)
from pytest_obsstack.evidence.mutation.score import score_of, to_json
from pytest_obsstack.evidence.mutation.summary import summary_lines

TAG, USER, SPAN = "tag removed (errors)", "user removed (errors)", "span dropped (spans)"


def outcome(fault: str, verdict: Verdict, *, named: bool = True, detail: str = "") -> Outcome:
    return Outcome(fault, fault, verdict, named, detail, f"assert {fault}", 0.5)


def checked(test: str, *outcomes: Outcome) -> Checked:
    return Checked(test, outcomes, seconds=len(outcomes) * 0.5)


@pytest.mark.parametrize(
    "error",
    [
        AssertionError("no event"),
        CannotTell("not settled"),
        pytest.fail.Exception("DID NOT RAISE"),
        IndexError("list index out of range"),
        KeyError("endpoint"),
        AttributeError("'NoneType' object has no attribute 'id'"),
        TypeError("'NoneType' object is not subscriptable"),
        ValueError("not enough values to unpack (expected 1, got 0)"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_test_that_is_red_for_the_telemetry_has_noticed(error: BaseException) -> None:
    told = f"{type(error).__name__}: {error}"
    assert verdict_of(error, ["event: user"]) == ("killed", told)
    assert verdict_of(error, []) == ("error", f"failed without any change: {told}")


@pytest.mark.parametrize(
    "error",
    [
        BackendUnavailable("Loki does not answer."),
        ObsstackError("This stack has no grafana."),
        pytest.skip.Exception("not today"),
        OSError("disk full"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_stack_that_fails_says_nothing_about_the_test(error: BaseException) -> None:
    assert verdict_of(error, ["event: user"]) == ("error", f"{type(error).__name__}: {error}")


def test_a_test_that_passes_has_not_noticed_unless_nothing_was_changed() -> None:
    changed = ["event: user", "event: user", "event: tags"]
    assert verdict_of(None, changed) == ("survived", "event: user; event: tags")
    assert verdict_of(None, []) == ("not applicable", "nothing arrived that it could change")


def test_only_the_first_line_of_a_failure_is_told() -> None:
    assert verdict_of(AssertionError("one\ntwo"), ["x"])[1] == "AssertionError: one"
    assert verdict_of(AssertionError(), ["x"])[1] == "AssertionError: "


def test_what_a_test_names_it_has_to_notice_itself() -> None:
    score = score_of([checked("a", outcome(TAG, "killed")), checked("b", outcome(TAG, "survived"))])
    assert (score.killed, score.applicable, score.percent) == (1, 2, 50.0)
    assert [(each.test, each.outcome.fault) for each in score.survivors] == [("b", TAG)]


def test_what_no_test_names_one_test_of_the_run_has_to_notice() -> None:
    noticed = score_of(
        [
            checked("a", outcome(USER, "survived", named=False)),
            checked("b", outcome(USER, "killed", named=False)),
            checked("c", outcome(USER, "killed", named=False)),
        ]
    )
    assert (noticed.killed, noticed.applicable, noticed.elsewhere) == (1, 1, 1)
    unnoticed = score_of(
        [
            checked("b", outcome(USER, "survived", named=False)),
            checked("a", outcome(USER, "survived", named=False)),
        ]
    )
    assert (unnoticed.killed, unnoticed.applicable) == (0, 1)
    (survivor,) = unnoticed.survivors
    assert (survivor.test, survivor.also_in) == ("a", 1)


def test_it_has_to_be_noticed_for_each_kind_of_event() -> None:
    def of(verdict: Verdict, *kinds: str) -> Outcome:
        return replace(outcome(USER, verdict, named=False), kinds=kinds)

    score = score_of(
        [
            checked("a", of("killed", "event A")),
            checked("b", of("survived", "event A")),
            checked("c", of("survived", "event A", "event B")),
            checked("d", of("survived", "event B")),
        ]
    )
    assert (score.killed, score.applicable, score.elsewhere) == (1, 2, 1)
    (survivor,) = score.survivors
    assert (survivor.test, survivor.kind, survivor.also_in) == ("c", "event B", 1)
    assert "    user removed (errors) of event B" in summary_lines(score, None, None)


def test_kinds_of_events_are_read_from_what_was_changed() -> None:
    changed = ["event B: user", "event A: user", "event A", "transaction /x: trace id", "span y"]
    assert kinds_of(changed) == ("event A", "event B")


def test_errors_count_against_the_score_and_what_met_nothing_does_not() -> None:
    score = score_of(
        [
            checked(
                "a", outcome(TAG, "killed"), outcome(USER, "error"), outcome(SPAN, "not applicable")
            )
        ]
    )
    assert (score.percent, score.not_applicable, len(score.errors)) == (50.0, 1, 1)


def test_a_run_without_faults_has_no_score_and_reaches_none() -> None:
    score = score_of([Checked("a", left_out="reason")])
    assert score.percent is None
    assert not score.reaches(0)


@pytest.mark.parametrize(("minimum", "reached"), [(49.9, True), (50.0, True), (50.1, False)])
def test_the_minimum_itself_is_enough(minimum: float, reached: bool) -> None:
    score = score_of([checked("a", outcome(TAG, "killed"), outcome(USER, "survived"))])
    assert score.reaches(minimum) is reached


def test_the_order_of_tests_makes_no_difference() -> None:
    tests = [
        checked("a", outcome(TAG, "survived"), outcome(USER, "survived", named=False)),
        checked("b", outcome(SPAN, "killed"), outcome(USER, "survived", named=False)),
        Checked("c", left_out="reason"),
    ]
    assert score_of(tests) == score_of(reversed(tests))


def test_workers_tell_everything() -> None:
    told = Checked("a", (outcome(TAG, "killed", detail="x"),), None, 1.5, ("alert High: why",))
    assert Checked.from_json(json.loads(json.dumps(told.to_json()))) == told


RUN = [
    checked(
        "test_a.py::test_one",
        outcome(TAG, "survived"),
        outcome(SPAN, "error", detail="BackendUnavailable: Loki does not answer."),
    ),
    checked("test_a.py::test_two", outcome(USER, "survived", named=False)),
    checked(
        "test_b.py::test_three",
        outcome(USER, "survived", named=False),
        outcome(SPAN, "killed"),
        outcome(TAG, "not applicable"),
    ),
    checked("test_b.py::test_four", outcome(SPAN, "survived", named=False)),
    Checked("test_c.py::test_five", left_out="they run alone", unmutated=("no alert High: why",)),
    Checked("test_c.py::test_six", left_out="they run alone"),
]


def test_the_summary_tells_score_survivors_and_what_to_assert() -> None:
    text = "\n".join(summary_lines(score_of(RUN), 95.0, Path("run/mutations.json")))
    assert (
        text
        == """\
25.0 %: 1 of 4 faults noticed (4 tests, 7 reruns, 3.5 s)
FAILED: the score is below --obs-mutate-min=95
not counted: 1 not noticed, but by another test, 1 met nothing that they could change

survivors:
  test_a.py::test_one
    tag removed (errors)
      assert tag removed (errors)
  test_a.py::test_two
    user removed (errors)
      assert user removed (errors)
      no test of this run notices it; 1 test more might

reruns that failed for another reason:
  test_a.py::test_one
    span dropped (spans)
      BackendUnavailable: Loki does not answer.

expectations into which no fault was put:
  test_c.py::test_five
    no alert High: why

left out: 2 tests
  2 × they run alone

every rerun: run/mutations.json"""
    )


def test_a_perfect_score_needs_few_words() -> None:
    score = score_of([checked("a", outcome(TAG, "killed"))])
    assert summary_lines(score, 100.0, None) == [
        "100.0 %: 1 of 1 faults noticed (1 test, 1 rerun, 0.5 s)"
    ]


def test_where_no_fault_concerns_a_test_that_is_said() -> None:
    assert summary_lines(score_of([]), None, None) == [
        "no fault concerned what the tests assert (0 tests, 0 reruns, 0.0 s)"
    ]


def test_the_record_has_the_score_and_every_rerun() -> None:
    record = to_json(score_of(RUN), RUN)
    assert record["percent"] == 25.0
    assert record["survivors"][1] == {
        "test": "test_a.py::test_two",
        "fault": USER,
        "kind": "",
        "detail": "",
        "advice": f"assert {USER}",
        "also_in": 1,
    }
    assert record["left_out"] == {"they run alone": 2}
    assert record["not_mutated"] == [{"test": "test_c.py::test_five", "what": "no alert High: why"}]
    assert [each["test"] for each in record["tests"]] == sorted(each.test for each in RUN)
    assert json.loads(json.dumps(record))["tests"][0]["outcomes"][0]["fault"] == TAG
