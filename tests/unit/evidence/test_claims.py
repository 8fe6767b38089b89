"""Claims: what is wrong in the file, which tests name them, which are left without a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_obsstack.evidence.claims import load_claims

CLAIM = """
[[claim]]
id = "{id}"
quote = "It sends errors."
proof = "An issue."
needs = [{needs}]
disposition = "proven"
"""


def claims_file(path: Path, *ids: str, needs: str = '"issues"') -> Path:
    path.write_text("".join(CLAIM.format(id=name, needs=needs) for name in ids))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "claims.toml"


# ---- the file


def test_claims_are_read_by_id(path: Path) -> None:
    claims = load_claims(claims_file(path, "errors", "traces"))
    assert list(claims) == ["errors", "traces"]
    claim = claims["errors"]
    assert (claim.quote, claim.proof) == ("It sends errors.", "An issue.")
    assert (claim.needs, claim.disposition) == (frozenset({"issues"}), "proven")


def test_a_claim_names_components_where_its_needs_do_not_tell(path: Path) -> None:
    claims_file(path, "x", "y")
    first, second = path.read_text().split("[[claim]]")[1:]
    path.write_text(f'[[claim]]{first}components = ["postgres", "redis"]\n[[claim]]{second}')
    claims = load_claims(path)
    assert (claims["x"].components, claims["y"].components) == (("postgres", "redis"), ())


def test_a_file_without_claims_has_none(path: Path) -> None:
    path.write_text("")
    assert load_claims(path) == {}


ENTRY = CLAIM.format(id="x", needs='"issues"')
COMPONENTS_TEXT = "sentry, collector, prometheus, loki, tempo, grafana, postgres, redis"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[claim]]\nid = 'x'\n", ": claim x lacks quote, proof, needs, disposition"),
        (ENTRY.replace('id = "x"', ""), ": claim (without id) lacks id"),
        (ENTRY + ENTRY, " has the id 'x' twice"),
        (
            ENTRY.replace("proven", "maybe"),
            ": claim x has disposition 'maybe', expected one of proven, modernised",
        ),
        (ENTRY.replace('["issues"]', '"issues"'), ": claim x: needs is 'issues', expected a list"),
        (
            ENTRY + "components = ['postgress']\n",
            f": claim x has components ['postgress'], expected a list of {COMPONENTS_TEXT}",
        ),
        (
            ENTRY + "components = 'redis'\n",
            f": claim x has components 'redis', expected a list of {COMPONENTS_TEXT}",
        ),
        ("claim = 'x'", ": claim is 'x', expected tables [[claim]]"),
        ("claim = ['x']", ": claim is ['x'], expected tables [[claim]]"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(path: Path, text: str, problem: str) -> None:
    path.write_text(text)
    with pytest.raises(pytest.UsageError) as caught:
        load_claims(path)
    assert str(caught.value) == f"obs_claims: {path}{problem}"


def test_a_need_that_is_no_capability_is_named_with_those_that_there_are(path: Path) -> None:
    claims_file(path, "x", needs='"issues", "isues"')
    with pytest.raises(pytest.UsageError) as caught:
        load_claims(path)
    text = str(caught.value)
    start = (
        f"obs_claims: {path}: claim x needs isues, which is no capability; there are issues, tags"
    )
    assert text.startswith(start)
    assert text.endswith("compose, tracker_workers, grafana")


@pytest.mark.parametrize("content", [None, b"[[claim", b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(pytest.UsageError) as caught:
        load_claims(path)
    assert str(caught.value).startswith(f"obs_claims: {path} cannot be read: ")


# ---- the tests


def suite(pytester: pytest.Pytester, *named: str) -> None:
    """A suite with the claims ``errors`` and ``traces``, and a test for each of ``named``."""
    folder = pytester.mkdir("suite")
    claims_file(folder / "claims.toml", "errors", "traces")
    tests = ["import pytest\n"]
    for number, name in enumerate(named):
        tests.append(f"@pytest.mark.claim({name!r})\ndef test_{number}(): pass\n")
    (folder / "test_claims.py").write_text("".join(tests))
    (folder / "test_other.py").write_text("def test_other(): pass\n")
    pytester.makeini("[pytest]\nobs_claims = suite/claims.toml\n")


def test_a_suite_that_proves_every_claim_passes(pytester: pytest.Pytester) -> None:
    suite(pytester, "errors", "traces", "errors")
    pytester.runpytest().assert_outcomes(passed=4)


def test_an_unknown_id_fails_the_run(pytester: pytest.Pytester) -> None:
    suite(pytester, "errors", "traces", "erors")
    result = pytester.runpytest()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: Tests name claims that claims.toml does not have:",
            "  'erors' in suite/test_claims.py::test_2",
        ]
    )


def test_a_claim_without_a_test_fails_the_whole_suite(pytester: pytest.Pytester) -> None:
    suite(pytester, "errors")
    result = pytester.runpytest()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: Claims of claims.toml without a test: traces",
            "  mark the test that proves it with @pytest.mark.claim(id)",
        ]
    )


@pytest.mark.parametrize(
    "arguments",
    [["suite/test_other.py"], ["suite/test_claims.py::test_0"], ["suite/test_claims.py"]],
)
def test_a_part_of_the_suite_need_not_prove_everything(
    pytester: pytest.Pytester, arguments: list[str]
) -> None:
    suite(pytester, "errors")
    assert pytester.runpytest(*arguments).ret == pytest.ExitCode.OK


def test_a_selection_of_the_suite_does_not_hide_the_tests_of_claims(
    pytester: pytest.Pytester,
) -> None:
    suite(pytester, "errors", "traces")
    pytester.runpytest("-k", "test_other").assert_outcomes(passed=1, deselected=2)


def test_a_claim_whose_needs_this_stack_lacks_needs_its_test_all_the_same(
    pytester: pytest.Pytester,
) -> None:
    suite(pytester, "errors")
    claims = pytester.path / "suite" / "claims.toml"
    claims.write_text(
        CLAIM.format(id="errors", needs="") + CLAIM.format(id="charts", needs='"grafana"')
    )
    result = pytester.runpytest()
    result.stderr.fnmatch_lines(["ERROR: Claims of claims.toml without a test: charts"])


def test_a_test_may_prove_several_claims(pytester: pytest.Pytester) -> None:
    suite(pytester)
    (pytester.path / "suite" / "test_claims.py").write_text(
        "import pytest\npytestmark = pytest.mark.claim('errors')\n"
        "@pytest.mark.claim('traces', 'errors')\ndef test_both(): pass\n"
    )
    pytester.runpytest().assert_outcomes(passed=2)
