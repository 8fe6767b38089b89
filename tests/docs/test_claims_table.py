"""The table of claims says of each what the recorded runs prove, and no more."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from docs.claims import (
    CLAIMS_FILE,
    FOLDERS,
    MAKE,
    PROOFS,
    MarkedTest,
    best,
    load_records,
    marked_tests,
    only_stand_ins,
    sections,
    stacks_table,
    stale,
    told,
)
from docs.generate import ROOT
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.evidence.claims import Claim, load_claims
from pytest_obsstack.evidence.proofs import (
    ClaimProof,
    Product,
    Ran,
    Record,
    TestProof,
    verdict,
    write_record,
)

REDIS = Product("Redis", "7.0.15", stand_in=False)
GLITCHTIP = Product("GlitchTip", "0.1.0", stand_in=True)
COLLECTOR = Product("OpenTelemetry Collector", "0.1.0", stand_in=True)
PASSED = TestProof("tests/e2e/test_a.py::test_it", "passed", None, (), on_stack=True)
SKIPPED = TestProof("tests/e2e/test_a.py::test_no", "skipped", "no browser", (), on_stack=True)


def claim(name: str, *needs: str) -> Claim:
    return Claim(name, "q", "p", frozenset(needs), "proven")


def record(**proofs: ClaimProof) -> Record:
    products = {"redis": REDIS, "sentry": GLITCHTIP, "collector": COLLECTOR}
    return Record("2026-01-02", Ran("compose", products, "tempo"), proofs)


def words(claimed: Claim, *tests: TestProof, on: tuple[str, ...]) -> str:
    found = record(**{claimed.id: ClaimProof(on, tests)})
    return told(claimed, verdict(found.claims[claimed.id], found.stack))


def test_a_claim_on_a_product_names_it_with_its_version() -> None:
    assert words(claim("x"), PASSED, on=("redis",)) == "proven on Redis 7.0.15"


def test_a_claim_on_a_stand_in_names_what_it_stood_in_for() -> None:
    text = words(claim("x", "issues"), PASSED, on=("sentry", "collector"))
    assert text == "proven on a stand-in for GlitchTip, OpenTelemetry Collector"


def test_products_beside_a_stand_in_are_named() -> None:
    text = words(claim("x"), PASSED, on=("redis", "sentry"))
    assert text == "proven on a stand-in for GlitchTip, with Redis 7.0.15"


def test_a_stand_in_that_shows_more_than_its_product_is_told() -> None:
    text = words(claim("x", "issues", "transactions"), PASSED, on=("sentry",))
    assert text == (
        "proven on a stand-in for GlitchTip; GlitchTip itself could not show it, because it "
        "lacks `transactions`"
    )


def test_tests_that_were_skipped_are_counted_with_their_reasons() -> None:
    assert words(claim("x"), PASSED, SKIPPED, on=("redis",)) == (
        "proven on Redis 7.0.15 (1 of 2 tests; skipped: no browser)"
    )
    assert words(claim("x"), SKIPPED, on=("redis",)) == "skipped: no browser"
    assert words(claim("x"), on=("redis",)) == "not run"


def test_of_all_runs_the_best_counts() -> None:
    records = {
        "a": record(x=ClaimProof(("sentry",), (PASSED,))),
        "b": record(x=ClaimProof(("redis",), (PASSED,))),
        "c": record(x=ClaimProof(("redis",), (SKIPPED,))),
        "d": record(),
    }
    assert best(claim("x"), records) == "product"
    assert best(claim("x"), {"a": records["a"], "c": records["c"]}) == "stand-in"
    assert best(claim("x"), {"c": records["c"], "d": records["d"]}) == "skipped"
    assert best(claim("x"), {"d": records["d"]}) == "not run"


def test_where_only_stand_ins_stood_the_run_that_came_closest_is_named() -> None:
    claims = {name: claim(name) for name in ("x", "y")}
    records = {
        "a": record(
            x=ClaimProof(("collector", "sentry"), (PASSED,)),
            y=ClaimProof(("redis",), (PASSED,)),
        ),
        "b": record(x=ClaimProof(("collector",), (PASSED,))),
    }
    assert only_stand_ins(claims, records).splitlines()[2:] == [
        "| OpenTelemetry Collector | 1 | `x` |"
    ]
    assert only_stand_ins({"y": claims["y"]}, records) == "None."


def test_a_run_is_shown_with_its_products_and_what_stood_in() -> None:
    (row,) = stacks_table({"mine": record()}).splitlines()[2:]
    assert row == (
        "| `mine` | `compose`, 2026-01-02 | Redis 7.0.15 | GlitchTip<br>OpenTelemetry Collector |"
    )


def test_without_records_there_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(ObsstackError) as caught:
        load_records(tmp_path)
    assert str(caught.value) == textwrap.dedent(
        f"""\
        The table of claims cannot be written.
          expected  the record of a run at least, as {PROOFS}/NAME.json
          found     no such file in {PROOFS}
          do        {MAKE}"""
    )


def test_a_record_of_another_suite_is_told() -> None:
    tests = [MarkedTest("tests/e2e/test_a.py", "test_it", ("x",), frozenset())]
    parametrized = TestProof(f"{PASSED.test}[1-a]", "passed", None, (), on_stack=True)
    records = {"a": record(x=ClaimProof((), (PASSED, parametrized, SKIPPED)), z=ClaimProof((), ()))}
    assert stale({"x": claim("x")}, records, tests) == [
        "a.json names the claim z",
        "a.json names the test tests/e2e/test_a.py::test_no",
    ]


def test_a_stale_record_ends_the_generation(tmp_path: Path) -> None:
    (tmp_path / "tests" / "e2e").mkdir(parents=True)
    (tmp_path / CLAIMS_FILE).write_text("")
    write_record(tmp_path / PROOFS / "a.json", record(x=ClaimProof((), ())))
    with pytest.raises(ObsstackError) as caught:
        sections(tmp_path)
    assert "a.json names the claim x" in str(caught.value)


def test_markers_are_read_with_the_constants_that_they_name(tmp_path: Path) -> None:
    for folder in FOLDERS:
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / FOLDERS[0] / "test_a.py").write_text(
        textwrap.dedent(
            """\
            import pytest

            SOME = ("logs", "spans")
            MORE = (*SOME, "metrics")
            pytestmark = [pytest.mark.e2e, pytest.mark.obs_requires("issues")]

            @pytest.mark.claim("x", "y")
            @pytest.mark.obs_requires(*MORE, "writes")
            def test_it(): pass
            """
        )
    )
    (found,) = marked_tests(tmp_path)
    assert found == MarkedTest(
        f"{FOLDERS[0]}/test_a.py",
        "test_it",
        ("x", "y"),
        frozenset({"issues", "logs", "spans", "metrics", "writes"}),
    )


def test_every_claim_of_the_guide_has_a_test() -> None:
    named = {name for test in marked_tests(ROOT) for name in test.claims}
    assert load_claims(ROOT / CLAIMS_FILE).keys() == named


def test_no_claim_is_told_to_be_on_a_product_that_was_a_stand_in() -> None:
    """The records that are there, looked at once more by another way."""
    for name, found in load_records(ROOT).items():
        for claim_id, proof in found.claims.items():
            if verdict(proof, found.stack).kind == "product":
                stood_in = [c for c in proof.components if found.stack.products[c].stand_in]
                assert stood_in == [], f"{name}: {claim_id}"
            assert all(test.outcome != "failed" for test in proof.tests), f"{name}: {claim_id}"
