"""The summary of a pull request: what JUnit's report and the proof record tell, for a reader."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.evidence.proofs import (
    ClaimProof,
    Product,
    Ran,
    Record,
    TestProof,
    write_record,
)
from pytest_obsstack.evidence.pull_request import (
    MESSAGE_LINES,
    SHOWN,
    Failure,
    Report,
    main,
    read_report,
    report_lines,
    summary,
)

JUNIT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest" tests="5" time="12.4">
<testcase classname="tests.test_a" name="test_passes" />
<testcase classname="tests.test_a" name="test_fails">
<failure message="No Sentry event matched.&#10;  expected  `x|y`">long</failure></testcase>
<testcase classname="tests.test_a" name="test_errs"><error>only text</error></testcase>
<testcase classname="tests.test_a" name="test_skips"><skipped message="no browser" /></testcase>
<testcase classname="tests.test_b" name="test_skips"><skipped message="no browser" /></testcase>
</testsuite></testsuites>
"""


def test_a_report_is_read_with_failures_and_reasons() -> None:
    report = read_report(JUNIT)
    assert (report.tests, report.passed, report.time_s) == (5, 1, 12.4)
    assert report.skipped == {"no browser": 2}
    assert report.failures == (
        Failure("tests.test_a::test_fails", "No Sentry event matched.\n  expected  `x|y`"),
        Failure("tests.test_a::test_errs", "only text"),
    )


def test_what_is_no_report_is_refused() -> None:
    with pytest.raises(ObsstackError) as caught:
        read_report("<testsuites>")
    assert "expected  JUnit's XML, as pytest --junitxml writes it" in str(caught.value)


def test_a_red_report_shows_each_message_as_it_is() -> None:
    lines = list(report_lines("glitchtip", read_report(JUNIT)))
    assert lines[0] == "### ❌ glitchtip: 1 passed, 2 failed, 2 skipped in 12 s"
    at = lines.index("`tests.test_a::test_fails`")
    assert lines[at + 2 : at + 6] == [
        "``````text",
        "No Sentry event matched.",
        "  expected  `x|y`",
        "``````",
    ]
    assert "| 2 | no browser |" in lines


def test_a_green_report_is_one_line() -> None:
    report = Report(3, {}, (), 1.0)
    assert list(report_lines("lite", report)) == ["### ✅ lite: 3 passed in 1 s"]


def test_long_reports_are_cut_and_say_so() -> None:
    long = Failure("t::x", "\n".join(map(str, range(MESSAGE_LINES + 3))))
    lines = list(report_lines("n", Report(SHOWN + 2, {}, (long,) * (SHOWN + 2), 1.0)))
    assert lines.count("… 3 more lines in the report") == SHOWN
    assert lines[-1] == "… and 2 more"
    assert str(MESSAGE_LINES) not in lines


@pytest.fixture
def record(tmp_path: Path) -> Path:
    stack = Ran(
        "compose",
        {
            "redis": Product("Redis", "7.0.15", stand_in=False),
            "sentry": Product("GlitchTip", "0.1.0", stand_in=True),
        },
        "tempo",
    )
    passed = TestProof("t::a", "passed", None, (), on_stack=True)
    skipped = TestProof("t::b", "skipped", "lacks a|b", (), on_stack=True)
    claims = {
        "cache": ClaimProof(("redis",), (passed,)),
        "errors": ClaimProof(("sentry",), (passed, skipped)),
        "alerts": ClaimProof(("sentry",), (skipped,)),
    }
    path = tmp_path / "proofs.json"
    write_record(path, Record("2026-01-02", stack, claims))
    return path


def test_a_record_tells_what_stood_in_and_what_was_proven_on_what(record: Path) -> None:
    lines = summary([record]).splitlines()
    assert lines[0] == (
        "### Claims on `compose` (proofs): 1 proven on the product, 1 proven on a stand-in, "
        "1 skipped"
    )
    for row in (
        "| redis | Redis 7.0.15 |",
        "| sentry | a stand-in for GlitchTip |",
        "| `cache` | proven on the product | Redis 7.0.15 |",
        "| `errors` | proven on a stand-in | a stand-in for GlitchTip; 1 of 2 tests; lacks a\\|b |",
        "| `alerts` | skipped | lacks a\\|b |",
    ):
        assert row in lines


def test_a_file_that_was_not_written_is_told_and_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "report.xml")]) == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        "### ❌ report.xml: the run ended before it was written"
    )


def test_a_file_that_cannot_be_read_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "proofs.json").write_text("{}")
    assert main([str(tmp_path / "proofs.json")]) == 1
    said = capsys.readouterr()
    assert (said.out, "cannot be read." in said.err) == ("", True)


def test_without_files_it_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "python -m pytest_obsstack.evidence.pull_request" in capsys.readouterr().err


def test_every_claim_has_to_be_proven_by_some_run(
    record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--every-claim", str(record)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["### ❌ Claims: 1 of 3 are proven by no run", "", "- `alerts`"]
    # The other one's summary follows.
    assert any(line.startswith("### Claims on `compose` (proofs)") for line in lines)

    passed = TestProof("t::b", "passed", None, (), on_stack=True)
    other = tmp_path / "other.json"
    stack = Ran("embedded", {}, "sentry")
    claims = {"alerts": ClaimProof(("sentry",), (passed,)), "cache": ClaimProof((), ())}
    write_record(other, Record("2026-01-02", stack, claims))
    assert main(["--every-claim", str(record), str(other)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        "### ✅ Claims: each of the 3 is proven by one of the runs at least"
    )


def test_without_any_record_no_claim_is_proven(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--every-claim", str(tmp_path / "proofs.json")]) == 1
    first = capsys.readouterr().out.splitlines()[0]
    assert first == "### ❌ Claims: no run has written what it proved"
