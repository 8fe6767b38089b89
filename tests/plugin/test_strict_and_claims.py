"""What a run demands: needs that the stack meets, and claims that have their tests."""

from __future__ import annotations

import pytest

from tests.plugin.inner import Project

# Attached to nothing but a Prometheus that is never asked, so that nothing has to be started.
ATTACHED = ("--obs-stack=attach", "--obs-use=prometheus=http://127.0.0.1:1")
NEEDY = """
import pytest

@pytest.mark.obs_requires("metrics")
def test_met(): pass

@pytest.mark.obs_requires("issues", "metrics", "logs")
def test_not_met(): raise RuntimeError("must not be run")
"""
REASON = (
    "this stack lacks issues (errors are grouped into issues that can be queried); "
    "this stack lacks logs (log lines can be queried with LogQL)"
)

CLAIMS = """
[[claim]]
id = "shop-reports"
quote = "Every failed order is reported."
proof = "fail one"
needs = ["issues"]
disposition = "proven"

[[claim]]
id = "shop-charts"
quote = "Orders are charted in Grafana."
proof = "look at the chart"
needs = ["grafana"]
disposition = "proven"
"""


def test_a_need_that_is_not_met_skips_the_test_with_the_reason(project: Project) -> None:
    project.write("test_it.py", NEEDY)
    run = project.run(*ATTACHED, "-rs")
    assert run.status == 0, run.output
    assert "1 passed, 1 skipped" in run.output
    assert REASON in run.output


def test_with_strict_it_fails_the_test_for_that_reason(project: Project) -> None:
    project.write("test_it.py", NEEDY)
    run = project.run(*ATTACHED, "--obs-strict")
    assert run.status == pytest.ExitCode.TESTS_FAILED, run.output
    assert "1 passed, 1 error" in run.output
    assert f"--obs-strict: {REASON}" in run.lines


@pytest.mark.parametrize(
    ("marked", "complaint"),
    [
        (
            'pytest.mark.claim("shop-reports", "shop-flies")',
            [
                "ERROR: Tests name claims that claims.toml does not have:",
                "  'shop-flies' in test_it.py::test_it",
            ],
        ),
        (
            "pytest.mark.e2e",
            [
                "ERROR: Claims of claims.toml without a test: shop-reports, shop-charts",
                "  mark the test that proves it with @pytest.mark.claim(id)",
            ],
        ),
    ],
    ids=["an unknown id", "a claim without a test"],
)
def test_claims_and_tests_that_do_not_fit_end_the_run(
    marked: str, complaint: list[str], project: Project
) -> None:
    project.write("claims.toml", CLAIMS)
    project.write("pytest.ini", "[pytest]\nobs_claims = claims.toml\n")
    body = "raise RuntimeError('must not be run')"
    project.write("test_it.py", f"import pytest\n\n@{marked}\ndef test_it(): {body}\n")
    for workers in (0, 2):
        run = project.run(workers=workers)
        assert run.status == pytest.ExitCode.USAGE_ERROR, run.output
        at = run.lines.index(complaint[0])
        assert run.lines[at : at + 2] == complaint
        assert "RuntimeError" not in run.output
        assert "INTERNALERROR" not in run.output


def test_claims_that_have_their_tests_do_not_stand_in_the_way(project: Project) -> None:
    project.write("claims.toml", CLAIMS)
    project.write("pytest.ini", "[pytest]\nobs_claims = claims.toml\n")
    marker = '@pytest.mark.claim("shop-reports", "shop-charts")'
    project.write(
        "test_it.py",
        f"import pytest\n\n{marker}\ndef test_it(): pass\n\ndef test_other(): pass\n",
    )
    assert "2 passed" in project.run().output
    # A part of the suite cannot have a test for every claim.
    part = project.run("test_it.py::test_other")
    assert "1 passed" in part.output
