"""Proof records: what the tests of a claim prove on a stack, and the file that tells it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.evidence.claims import Claim
from pytest_obsstack.evidence.proofs import (
    ClaimProof,
    Outcome,
    Product,
    Ran,
    TestProof,
    components_of,
    read_record,
    record_of,
    to_json,
    verdict,
    write_record,
)
from pytest_obsstack.providers.capabilities import MEANINGS

REDIS = Product("Redis", "7.0.15", stand_in=False)
PROMETHEUS = Product("Prometheus", "3.5.0", stand_in=False)
SENTRY = Product("GlitchTip", "0.1.0", stand_in=True)
COLLECTOR = Product("OpenTelemetry Collector", "0.1.0", stand_in=True)
STACK = Ran(
    "compose",
    {"sentry": SENTRY, "collector": COLLECTOR, "prometheus": PROMETHEUS, "redis": REDIS},
    "tempo",
)


def a_test(
    outcome: Outcome = "passed",
    *needs: str,
    name: str = "t.py::test_it",
    reason: str | None = None,
    on_stack: bool = True,
) -> TestProof:
    return TestProof(name, outcome, reason, needs, on_stack)


def claim(name: str = "x", *needs: str, components: tuple[str, ...] = ()) -> Claim:
    return Claim(name, "q", "p", frozenset(needs), "proven", components)


def components(*tests: TestProof, claimed: Claim) -> tuple[str, ...]:
    record = record_of({claimed.id: claimed}, {claimed.id: tests}, STACK, date="2026-01-02")
    return record.claims[claimed.id].components


# ---- which components a claim needs


def test_an_issue_needs_the_error_tracker_alone() -> None:
    assert components(claimed=claim("x", "issues", "tags")) == ("sentry",)


def test_a_metric_needs_the_collector_and_prometheus() -> None:
    assert components(claimed=claim("x", "metrics")) == ("collector", "prometheus")


@pytest.mark.parametrize("store", ["tempo", "sentry"])
def test_a_span_needs_the_store_that_this_stack_is_asked_for_it(store: str) -> None:
    assert components_of(["spans"], store) == {"collector", store}


def test_a_claim_that_names_its_components_needs_these() -> None:
    claimed = claim("x", "compose", components=("redis", "postgres"))
    assert components(a_test("passed", "issues"), claimed=claimed) == ("postgres", "redis")


def test_where_the_claims_needs_involve_none_those_of_its_tests_that_passed_do() -> None:
    tests = [
        a_test("passed", "faults", "issues", name="t.py::test_a"),
        a_test("skipped", "metrics", name="t.py::test_b"),
        a_test("passed", "logs", name="t.py::test_c", on_stack=False),
    ]
    assert components(*tests, claimed=claim("x", "faults")) == ("sentry",)


def test_where_nothing_tells_everything_is_needed() -> None:
    every = ("collector", "prometheus", "redis", "sentry")
    assert components(a_test(), claimed=claim("x", "compose")) == every


def test_every_capability_that_names_a_signal_involves_a_component() -> None:
    without = {need for need in MEANINGS if not components_of([need], "tempo")}
    assert without == {"faults", "injection", "app_control", "writes", "compose"}


# ---- what is proven


def proof(*tests: TestProof, on: tuple[str, ...] = ("redis",)) -> ClaimProof:
    return ClaimProof(on, tests)


def test_a_claim_is_proven_on_the_product_where_no_component_was_a_stand_in() -> None:
    found = verdict(proof(a_test(), on=("prometheus", "redis")), STACK)
    assert (found.kind, found.proven, found.on) == ("product", True, (PROMETHEUS, REDIS))
    assert [str(product) for product in found.on] == ["Prometheus 3.5.0", "Redis 7.0.15"]


def test_one_stand_in_is_enough_and_is_named() -> None:
    found = verdict(proof(a_test(), on=("prometheus", "collector")), STACK)
    assert (found.kind, found.proven, found.on) == ("stand-in", True, (COLLECTOR,))
    assert found.beside == (PROMETHEUS,)
    assert str(found.on[0]) == "a stand-in for OpenTelemetry Collector"


def test_a_component_that_nobody_knows_is_not_taken_for_the_product() -> None:
    for stack, on in ((STACK, ("loki",)), (replace(STACK, products={}), ())):
        assert verdict(proof(a_test(), on=on), stack).kind == "stand-in"


def test_a_test_that_failed_outweighs_those_that_passed() -> None:
    found = verdict(proof(a_test(), a_test("failed")), STACK)
    assert (found.kind, found.proven, found.passed, found.ran) == ("failed", False, 1, 2)


def test_tests_that_were_skipped_beside_others_are_told() -> None:
    found = verdict(
        proof(a_test(), a_test("skipped", reason="no browser"), a_test("skipped")), STACK
    )
    assert (found.kind, found.passed, found.ran) == ("product", 1, 3)
    assert found.reasons == ("no browser", "no reason given")


def test_a_claim_whose_tests_were_all_skipped_has_each_reason_once() -> None:
    skipped = a_test("skipped", reason="this stack lacks alerts")
    found = verdict(proof(skipped, skipped), STACK)
    assert (found.kind, found.proven) == ("skipped", False)
    assert found.reasons == ("this stack lacks alerts",)


def test_a_test_that_does_not_use_the_stack_proves_nothing_of_it() -> None:
    assert verdict(proof(a_test(on_stack=False)), STACK).kind == "apart"
    assert verdict(proof(a_test(on_stack=False), a_test()), STACK).kind == "product"


def test_a_claim_of_which_no_test_was_run_is_not_proven() -> None:
    found = verdict(proof(), STACK)
    assert (found.kind, found.proven) == ("not run", False)


# ---- the record


def test_a_record_has_every_claim_and_its_tests_by_name() -> None:
    claims = {name: claim(name, "issues") for name in ("a", "b")}
    tests = {"a": [a_test(name="t.py::test_z"), a_test(name="t.py::test_a")]}
    record = record_of(claims, tests, STACK, date="2026-01-02")
    assert [test.test for test in record.claims["a"].tests] == ["t.py::test_a", "t.py::test_z"]
    assert record.claims["b"] == ClaimProof(("sentry",), ())


def test_a_record_that_is_written_is_read_as_it_was(tmp_path: Path) -> None:
    tests = {"a": [a_test("skipped", "alerts", "writes", reason="lacks alerts")]}
    record = record_of({"a": claim("a", "alerts")}, tests, STACK, date="2026-01-02")
    path = tmp_path / "new" / "proofs.json"
    write_record(path, record)
    assert read_record(path) == record
    assert path.read_text("utf-8") == to_json(record)
    assert [file.name for file in path.parent.iterdir()] == ["proofs.json"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{", "JSONDecodeError: "),
        ("{}", "KeyError: 'format'"),
        ('{"format": 99}', "ValueError: format 99"),
        ("[]", "TypeError: "),
        (json.dumps({"format": 1, "stack": {"products": []}}), "AttributeError: "),
        (None, "FileNotFoundError: "),
    ],
)
def test_a_file_that_is_no_record_is_named(tmp_path: Path, text: str | None, found: str) -> None:
    path = tmp_path / "proofs.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ObsstackError) as caught:
        read_record(path)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{path} cannot be read."
    assert lines[1] == "  expected  a proof record of format 1, as --obs-proofs writes it"
    assert lines[2].startswith(f"  found     {found}")
    assert lines[-1] == (f"  do        make it anew: pytest --obs-claims FILE --obs-proofs {path}")
