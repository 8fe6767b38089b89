"""Proof records: which tests showed a claim, how they ended, and on which products.

A record is what one run on one stack tells, as JSON. ``record_of`` makes it of values alone; the
hooks that collect them are in ``recorder``. A claim counts as proven on the product only where none
of the components that it needs was a stand-in: see ``verdict``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.evidence.claims import Claim

FORMAT = 1

Outcome = Literal["passed", "skipped", "failed"]
Kind = Literal["product", "stand-in", "apart", "skipped", "failed", "not run"]

_TRACKER = frozenset({"sentry"})
_SHOWN_BY: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        ("issues", "tags", "breadcrumbs", "transactions", "releases", "accounts"), _TRACKER
    ),
    **dict.fromkeys(("alerts", "ui", "settled_errors", "tracker_spans", "issue_status"), _TRACKER),
    "otlp_traces": frozenset({"collector", "sentry"}),
    **dict.fromkeys(
        ("metrics", "exemplars", "exact_metrics"), frozenset({"collector", "prometheus"})
    ),
    "logs": frozenset({"collector", "loki"}),
    "grafana": frozenset({"grafana"}),
    "tracker_workers": frozenset({"sentry", "postgres", "redis"}),
}
"""The components that have to work for a capability to be seen; spans depend on the stack, and the
others (``faults``, ``writes``, …) are of no component of their own."""


@dataclass(frozen=True)
class Product:
    """What played a component of the stack."""

    name: str
    """``GlitchTip``; of a stand-in the product that it stands in for."""
    version: str
    stand_in: bool
    """True where it only stood in that product's place; ``version`` is then the stand-in's own."""

    def __str__(self) -> str:
        return f"a stand-in for {self.name}" if self.stand_in else f"{self.name} {self.version}"


@dataclass(frozen=True)
class Ran:
    """The stack of a run."""

    kind: str
    """``embedded``, ``compose`` or ``attach``."""
    products: Mapping[str, Product]
    """By component, or by service of the compose file where it is no component."""
    spans_from: str
    """The component in which spans are looked up by trace: ``sentry`` or ``tempo``."""


@dataclass(frozen=True)
class TestProof:
    """One test that names a claim, and how it ended."""

    __test__ = False

    test: str
    """Node id."""
    outcome: Outcome
    reason: str | None
    """Of a skip."""
    needs: tuple[str, ...]
    """What it asks of a stack."""
    on_stack: bool
    """False for a test that starts a stack of its own, or needs none."""


@dataclass(frozen=True)
class ClaimProof:
    """All that a run tells of one claim."""

    components: tuple[str, ...]
    """Those that it needs, on this stack."""
    tests: tuple[TestProof, ...]


@dataclass(frozen=True)
class Record:
    """One run on one stack."""

    date: str
    """Day, ISO 8601."""
    stack: Ran
    claims: Mapping[str, ClaimProof]
    """By id; every claim of the file, those without a test that was run too."""


@dataclass(frozen=True)
class Verdict:
    """What a record proves of a claim."""

    kind: Kind
    on: tuple[Product, ...] = ()
    """The products of the components that it needs; of ``stand-in`` those that stood in."""
    beside: tuple[Product, ...] = ()
    """Of ``stand-in``: those that were the products themselves."""
    passed: int = 0
    ran: int = 0
    """Tests that were asked, those that were skipped too."""
    reasons: tuple[str, ...] = ()
    """Why tests were skipped."""

    @property
    def proven(self) -> bool:
        return self.kind in ("product", "stand-in", "apart")


def components_of(needs: Iterable[str], spans_from: str) -> frozenset[str]:
    """The components that show these capabilities."""
    shown = {**_SHOWN_BY, "spans": frozenset({"collector", spans_from})}
    return frozenset().union(*(shown.get(need, frozenset()) for need in needs))


def record_of(
    claims: Mapping[str, Claim],
    tests: Mapping[str, Sequence[TestProof]],
    stack: Ran,
    *,
    date: str,
) -> Record:
    """The record of a run; ``tests`` are those that were run, by claim."""
    return Record(
        date,
        stack,
        {
            claim.id: ClaimProof(
                _components(claim, tests.get(claim.id, ()), stack),
                tuple(sorted(tests.get(claim.id, ()), key=lambda test: test.test)),
            )
            for claim in claims.values()
        },
    )


def _components(claim: Claim, tests: Sequence[TestProof], stack: Ran) -> tuple[str, ...]:
    """What the claim says; else what its needs involve; of the tests that passed; everything."""
    found = frozenset(claim.components) or components_of(claim.needs, stack.spans_from)
    if not found:
        passed = [test for test in tests if test.on_stack and test.outcome == "passed"]
        needs = {need for test in passed or tests for need in test.needs}
        found = components_of(needs, stack.spans_from)
    return tuple(sorted(found or stack.products))


def verdict(proof: ClaimProof, stack: Ran) -> Verdict:
    """What the tests of a claim prove, taken together.

    A failed test outweighs all others. Tests that were skipped beside others that passed leave the
    claim proven, by fewer tests.
    """
    tests = proof.tests
    if not tests:
        return Verdict("not run")
    passed = [test for test in tests if test.outcome == "passed"]
    reasons = tuple(dict.fromkeys(test.reason or "no reason given" for test in _skipped(tests)))
    counts = (len(passed), len(tests))
    if any(test.outcome == "failed" for test in tests):
        return Verdict("failed", (), (), *counts, reasons)
    if not passed:
        return Verdict("skipped", (), (), *counts, reasons)
    if not any(test.on_stack for test in passed):
        return Verdict("apart", (), (), *counts, reasons)
    missing = Product("a product that is not known", "unknown", stand_in=True)
    products = tuple(stack.products.get(name, missing) for name in proof.components)
    stood_in = tuple(product for product in products if product.stand_in)
    if stood_in or not products:
        beside = tuple(product for product in products if not product.stand_in)
        return Verdict("stand-in", stood_in or (missing,), beside, *counts, reasons)
    return Verdict("product", products, (), *counts, reasons)


def _skipped(tests: Iterable[TestProof]) -> Iterable[TestProof]:
    return (test for test in tests if test.outcome == "skipped")


# ---- as a file


def to_json(record: Record) -> str:
    """The record as text, the same for equal records."""
    return json.dumps({"format": FORMAT, **asdict(record)}, indent=1, sort_keys=True) + "\n"


def write_record(path: Path, record: Record) -> None:
    """Write it in one step; its folder is made where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(to_json(record), "utf-8")
    partial.replace(path)


def read_record(path: Path) -> Record:
    """Raises ``ObsstackError`` for a file that is no record of this version."""
    try:
        return _record(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ObsstackError(
            f"{path} cannot be read.",
            expected=f"a proof record of format {FORMAT}, as --obs-proofs writes it",
            found=f"{type(error).__name__}: {error}",
            advice=f"make it anew: pytest --obs-claims FILE --obs-proofs {path}",
        ) from error


def _record(data: Any) -> Record:
    if data["format"] != FORMAT:
        raise ValueError(f"format {data['format']!r}")
    stack = data["stack"]
    products = {name: Product(**product) for name, product in stack["products"].items()}
    return Record(
        data["date"],
        Ran(stack["kind"], products, stack["spans_from"]),
        {
            claim_id: ClaimProof(
                tuple(proof["components"]),
                tuple(TestProof(**{**t, "needs": tuple(t["needs"])}) for t in proof["tests"]),
            )
            for claim_id, proof in data["claims"].items()
        },
    )
