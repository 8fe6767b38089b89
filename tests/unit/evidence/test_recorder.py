"""``--obs-proofs``: how tests ended, as the record of a run tells it, with workers and without."""

from __future__ import annotations

import json
from typing import Any

# Loaded here, or each run inside this process would load another one beside the first.
import httpcore  # noqa: F401
import httpx  # noqa: F401
import pytest

from pytest_obsstack.evidence.recorder import CLAIM, NEEDS, STACK, ended, proofs_by_claim

CLAIMS = """
[[claim]]
id = "errors"
quote = "q"
proof = "p"
needs = ["issues"]
disposition = "proven"

[[claim]]
id = "charts"
quote = "q"
proof = "p"
needs = ["grafana"]
disposition = "proven"
"""
SUITE = """
import pytest

@pytest.mark.claim("errors", "charts")
@pytest.mark.obs_requires("metrics")
def test_passes(obs_needs): pass

@pytest.mark.claim("errors")
def test_fails(): assert False, "no"

@pytest.fixture
def broken(): raise RuntimeError("no")

@pytest.mark.claim("errors")
def test_is_broken_before(broken): pass

@pytest.fixture
def breaking():
    yield
    raise RuntimeError("no")

@pytest.mark.claim("errors")
def test_is_broken_after(breaking): pass

@pytest.mark.claim("errors")
@pytest.mark.obs_requires("alerts", "metrics")
def test_lacks_something(obs_needs): pass

@pytest.mark.claim("errors")
def test_skips_itself(): pytest.skip("no browser")

@pytest.mark.claim("errors")
@pytest.mark.skipif("True", reason="never here")
def test_is_skipped(): pass

@pytest.mark.claim("errors")
@pytest.mark.xfail(reason="a bug", strict=True)
def test_is_expected_to_fail(): assert False

@pytest.mark.claim("errors")
@pytest.mark.parametrize("n", [1, 2])
def test_twice(n): assert n == 1

def test_of_no_claim(): assert False
"""
# Attached to a Prometheus that is never asked, so that nothing has to be started.
ATTACHED = ("--obs-stack=attach", "--obs-use=prometheus=http://127.0.0.1:1")
LACKS = "this stack lacks alerts (alert rules notify a webhook)"


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makefile(".toml", claims=CLAIMS)
    pytester.makepyfile(test_it=SUITE)
    pytester.makeini("[pytest]\nobs_claims = claims.toml\n")
    return pytester


def record(pytester: pytest.Pytester, *arguments: str) -> dict[str, Any]:
    result = pytester.runpytest(*ATTACHED, "--obs-proofs=out/proofs.json", *arguments)
    result.stdout.fnmatch_lines(["what was proven: */out/proofs.json"])
    found: dict[str, Any] = json.loads((pytester.path / "out" / "proofs.json").read_text())
    return found


@pytest.mark.parametrize(
    "workers", [(), ("-p", "xdist.plugin", "-n", "2")], ids=["alone", "with workers"]
)
def test_a_record_tells_how_each_test_of_a_claim_ended(
    suite: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    found = record(suite, *workers)
    told = {
        test["test"].removeprefix("test_it.py::test_"): (test["outcome"], test["reason"])
        for test in found["claims"]["errors"]["tests"]
    }
    assert told == {
        "passes": ("passed", None),
        "fails": ("failed", None),
        "is_broken_before": ("failed", None),
        "is_broken_after": ("failed", None),
        "lacks_something": ("skipped", LACKS),
        "skips_itself": ("skipped", "no browser"),
        "is_skipped": ("skipped", "never here"),
        "is_expected_to_fail": ("skipped", "expected to fail: a bug"),
        "twice[1]": ("passed", None),
        "twice[2]": ("failed", None),
    }
    (chart,) = found["claims"]["charts"]["tests"]
    assert chart == {
        "test": "test_it.py::test_passes",
        "outcome": "passed",
        "reason": None,
        "needs": ["metrics"],
        "on_stack": True,
    }
    by_name = {test["test"]: test["on_stack"] for test in found["claims"]["errors"]["tests"]}
    assert by_name["test_it.py::test_skips_itself"] is False
    assert found["stack"]["kind"] == "attach"
    assert found["stack"]["products"] == {
        "prometheus": {"name": "Prometheus", "version": "unknown", "stand_in": False}
    }


def test_a_claim_of_which_no_test_was_run_is_in_the_record(suite: pytest.Pytester) -> None:
    found = record(suite, "-k", "test_skips_itself")
    assert found["claims"]["charts"]["tests"] == []
    assert len(found["claims"]["errors"]["tests"]) == 1
    # Nobody has asked for a stack.
    assert found["stack"]["products"] == {}


def test_without_claims_there_is_nothing_to_prove(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest("--obs-proofs=proofs.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    complaint = "expected a file of claims beside it (--obs-claims), found none"
    result.stderr.fnmatch_lines([f"ERROR: --obs-proofs=*/proofs.json: {complaint}"])
    assert not (pytester.path / "proofs.json").exists()


def test_the_junit_report_tells_the_claims(suite: pytest.Pytester) -> None:
    record(suite, "-k", "test_passes", "--junitxml=report.xml")
    report = (suite.path / "report.xml").read_text()
    assert '<property name="obs_claim" value="errors" />' in report
    assert '<property name="obs_claim" value="charts" />' in report


def phase(when: str, outcome: str, **more: Any) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid="t.py::test_it",
        location=("t.py", 1, "test_it"),
        keywords={},
        outcome=outcome,  # type: ignore[arg-type]
        longrepr=more.get("longrepr"),
        when=when,  # type: ignore[arg-type]
        user_properties=more.get("user_properties", ()),
    )


def test_of_a_test_that_was_run_again_the_last_attempt_counts() -> None:
    failed = [phase("setup", "passed"), phase("call", "failed"), phase("teardown", "passed")]
    passed = [phase("setup", "passed"), phase("call", "passed"), phase("teardown", "passed")]
    assert ended([*failed, *passed]) == ("passed", None)
    assert ended([*passed, *failed]) == ("failed", None)


def test_a_test_of_which_only_the_beginning_is_known_has_not_passed() -> None:
    assert ended([phase("setup", "passed")]) == ("failed", None)


def test_a_claim_that_is_named_twice_has_the_test_once() -> None:
    properties = [(CLAIM, "a"), (CLAIM, "a"), (NEEDS, "issues logs"), (STACK, "no")]
    reports = {"t.py::test_it": [phase("call", "passed", user_properties=properties)]}
    (proof,) = proofs_by_claim(reports)["a"]
    assert (proof.needs, proof.on_stack) == (("issues", "logs"), False)
