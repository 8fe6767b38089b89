"""The table of claims: each claim of the guide, its tests, and what each recorded run proves of it.

Runs are recorded in ``docs/proofs``, one file for each stack; see ``MAKE`` for how.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from docs.sections import codes, table
from docs.tables import attached_capabilities
from pytest_obsstack.clients.sentry.traits import BUGSINK, GLITCHTIP, SENTRY, TrackerTraits
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.evidence.claims import Claim, load_claims
from pytest_obsstack.evidence.proofs import Kind, Product, Record, Verdict, read_record, verdict

CLAIMS_FILE = "tests/e2e/claims.toml"
FOLDERS = ("tests/e2e", "tests/browser")
PROOFS = "docs/proofs"
MAKE = f"python -m pytest {' '.join(FOLDERS)} --obs-proofs {PROOFS}/embedded.json"
"""How a record is made; other stacks by ``--obs-stack`` and ``--obs-use``, into other files."""

TRAITS: Mapping[str, TrackerTraits] = {
    traits.product: traits for traits in (SENTRY, GLITCHTIP, BUGSINK)
}
OVERALL: Mapping[Kind, str] = {
    "product": "on the product",
    "stand-in": "only on stand-ins",
    "apart": "apart from a stack",
    "failed": "failed",
    "skipped": "nowhere: every run skipped it",
    "not run": "nowhere: no run has tried it",
}
"""What all runs together prove of a claim, the best first."""


@dataclass(frozen=True)
class MarkedTest:
    """A test and its markers, those of its module included."""

    file: str
    name: str
    claims: tuple[str, ...]
    needs: frozenset[str]


def sections(root: Path) -> dict[str, str]:
    """The bodies of the generated parts, by name."""
    claims = load_claims(root / CLAIMS_FILE)
    records = load_records(root)
    tests = list(marked_tests(root))
    complaints = stale(claims, records, tests)
    if complaints:
        raise ObsstackError(
            f"Records in {PROOFS} are of another suite than this one.",
            expected="claims and tests that there are",
            found="\n".join(complaints),
            advice=f"make them anew: {MAKE}",
        )
    return {
        "proof-stacks": stacks_table(records),
        "proof-counts": counts_table(claims, records),
        "stand-ins-only": only_stand_ins(claims, records),
        "claims": claims_table(claims, records, tests),
    }


def load_records(root: Path) -> dict[str, Record]:
    """By file name without its ending; raises ``ObsstackError`` where there is none."""
    found = {path.stem: read_record(path) for path in sorted((root / PROOFS).glob("*.json"))}
    if not found:
        raise ObsstackError(
            "The table of claims cannot be written.",
            expected=f"the record of a run at least, as {PROOFS}/NAME.json",
            found=f"no such file in {PROOFS}",
            advice=MAKE,
        )
    return found


def stale(
    claims: Mapping[str, Claim], records: Mapping[str, Record], tests: Sequence[MarkedTest]
) -> list[str]:
    """What records name that the suite does not have any more."""
    known = {f"{test.file}::{test.name}" for test in tests}
    found = []
    for name, record in records.items():
        gone = record.claims.keys() - claims.keys()
        found += [f"{name}.json names the claim {claim_id}" for claim_id in sorted(gone)]
        named = {
            test.test.partition("[")[0] for proof in record.claims.values() for test in proof.tests
        }
        found += [f"{name}.json names the test {test}" for test in sorted(named - known)]
    return found


# The stacks that were run


def stacks_table(records: Mapping[str, Record]) -> str:
    """What ran in each run, and what only stood in for it."""
    rows = [
        (
            f"`{name}`",
            f"`{record.stack.kind}`, {record.date}",
            _listed(p for p in record.stack.products.values() if not p.stand_in) or "none",
            _listed(p for p in record.stack.products.values() if p.stand_in) or "none",
        )
        for name, record in records.items()
    ]
    return table(("run", "kind, day", "products", "stood in for"), rows)


def _listed(products: Iterator[Product]) -> str:
    return "<br>".join(p.name if p.stand_in else str(p) for p in products)


def counts_table(claims: Mapping[str, Claim], records: Mapping[str, Record]) -> str:
    """How many claims each run proves, and all runs together."""
    header = ("run", *OVERALL.values())
    rows: list[tuple[str, ...]] = []
    for name, record in records.items():
        counts = Counter(found.kind for found in _verdicts(claims, record).values())
        rows.append((f"`{name}`", *(str(counts[kind]) for kind in OVERALL)))
    together = Counter(best(claim, records) for claim in claims.values())
    rows.append(("**all together**", *(f"**{together[kind]}**" for kind in OVERALL)))
    modernised = sum(claim.disposition == "modernised" for claim in claims.values())
    intro = f"{len(claims)} claims, {modernised} of them modernised."
    return f"{intro}\n\n{table(header, rows)}"


def only_stand_ins(claims: Mapping[str, Claim], records: Mapping[str, Record]) -> str:
    """The claims that no run has proven on the products themselves, by what stood in."""
    by_product: dict[str, list[str]] = {}
    for claim in claims.values():
        if best(claim, records) != "stand-in":
            continue
        # Of the runs that proved it, the one with the fewest stand-ins.
        found = min(
            (v for v in _of_claim(claim, records).values() if v.kind == "stand-in"),
            key=lambda each: len(each.on),
        )
        names = ", ".join(dict.fromkeys(product.name for product in found.on))
        by_product.setdefault(names, []).append(claim.id)
    if not by_product:
        return "None."
    rows = [(names, str(len(ids)), codes(ids)) for names, ids in sorted(by_product.items())]
    return table(("stood in for", "number", "claims"), rows)


# The claims


def claims_table(
    claims: Mapping[str, Claim], records: Mapping[str, Record], tests: Sequence[MarkedTest]
) -> str:
    rows = [
        _row(claim, [t for t in tests if claim.id in t.claims], records)
        for claim in claims.values()
    ]
    return table(("claim", "the guide says", "what proves it", "tests", "proven"), rows)


def _row(
    claim: Claim, tests: Sequence[MarkedTest], records: Mapping[str, Record]
) -> tuple[str, ...]:
    modernised = "<br>*modernised*" if claim.disposition == "modernised" else ""
    needs = f"<br>needs {codes(sorted(claim.needs))}" if claim.needs else ""
    names = "<br>".join(f"[{t.name}](../{t.file})" for t in tests)
    overall = best(claim, records)
    lines = [f"**{OVERALL[overall]}**"]
    lines += [f"{name}: {told(claim, found)}" for name, found in _of_claim(claim, records).items()]
    attached = attached_capabilities(allow_writes=True)
    if overall != "apart" and any(t.needs | claim.needs <= attached for t in tests):
        lines.append("can be asked of attached servers, too")
    return (
        f"`{claim.id}`{modernised}",
        f"“{claim.quote}”",
        claim.proof + needs,
        names or "**without a test**",
        "<br>".join(lines),
    )


def told(claim: Claim, found: Verdict) -> str:
    """What one run proves of a claim, in words."""
    names = ", ".join(dict.fromkeys(p.name if p.stand_in else str(p) for p in found.on))
    reasons = "; ".join(found.reasons)
    match found.kind:
        case "product":
            text = f"proven on {names}"
        case "stand-in":
            beside = ", ".join(map(str, found.beside))
            text = f"proven on a stand-in for {names}" + (f", with {beside}" if beside else "")
            text += _which_shows_more(claim, found.on)
        case "apart":
            text = "proven, by a test that starts a stack of its own, or needs none"
        case "skipped":
            return f"skipped: {reasons}"
        case "failed":
            return "**failed**"
        case _:
            return "not run"
    if found.passed < found.ran:
        text += f" ({found.passed} of {found.ran} tests; skipped: {reasons})"
    return text


def _which_shows_more(claim: Claim, stood_in: Sequence[Product]) -> str:
    """What a stand-in for a tracker shows, but the tracker does not."""
    for product in stood_in:
        traits = TRAITS.get(product.name)
        lacking = claim.needs & SENTRY.capabilities - (traits or SENTRY).capabilities
        if lacking:
            lacks = codes(sorted(lacking))
            return f"; {product.name} itself could not show it, because it lacks {lacks}"
    return ""


def best(claim: Claim, records: Mapping[str, Record]) -> Kind:
    """The best that any run proves of a claim."""
    kinds = {found.kind for found in _of_claim(claim, records).values()}
    return next(kind for kind in OVERALL if kind in kinds)


def _of_claim(claim: Claim, records: Mapping[str, Record]) -> dict[str, Verdict]:
    return {
        name: _verdicts({claim.id: claim}, record)[claim.id] for name, record in records.items()
    }


def _verdicts(claims: Mapping[str, Claim], record: Record) -> dict[str, Verdict]:
    """By claim; one that is newer than the record was not run."""
    return {
        claim_id: verdict(record.claims[claim_id], record.stack)
        if claim_id in record.claims
        else Verdict("not run")
        for claim_id in claims
    }


# The tests


def marked_tests(root: Path) -> Iterator[MarkedTest]:
    """Every test of the end-to-end suite, by file and line."""
    for folder in FOLDERS:
        for path in sorted((root / folder).glob("test_*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            constants = {
                ast.unparse(node.targets[0]): node.value
                for node in tree.body
                if isinstance(node, ast.Assign)
            }
            common = [call for node in tree.body for call in _module_marks(node)]
            for node in tree.body:
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                    calls = [*common, *node.decorator_list]
                    yield MarkedTest(
                        path.relative_to(root).as_posix(),
                        node.name,
                        tuple(_arguments(calls, "claim", constants)),
                        frozenset(_arguments(calls, "obs_requires", constants)),
                    )


def _module_marks(node: ast.stmt) -> list[ast.expr]:
    if not isinstance(node, ast.Assign) or ast.unparse(node.targets[0]) != "pytestmark":
        return []
    return node.value.elts if isinstance(node.value, ast.List) else [node.value]


def _arguments(
    calls: Sequence[ast.expr], marker: str, constants: Mapping[str, ast.expr]
) -> Iterator[str]:
    for call in calls:
        if isinstance(call, ast.Call) and ast.unparse(call.func) == f"pytest.mark.{marker}":
            for argument in call.args:
                yield from _words(argument, constants)


def _words(node: ast.expr, constants: Mapping[str, ast.expr]) -> Iterator[str]:
    """The words of an argument: a text, or a constant of the module with a star before it."""
    if isinstance(node, ast.Starred):
        yield from _words(node.value, constants)
    elif isinstance(node, ast.Name):
        yield from _words(constants[node.id], constants)
    elif isinstance(node, ast.Tuple):
        for part in node.elts:
            yield from _words(part, constants)
    else:
        yield str(ast.literal_eval(node))
