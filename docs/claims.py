"""The table of claims: each claim of the guide with the tests that name it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from docs.sections import codes, table
from docs.tables import attached_capabilities
from pytest_obsstack.evidence.claims import Claim, load_claims
from pytest_obsstack.providers.capabilities import EMBEDDED

CLAIMS_FILE = "tests/e2e/claims.toml"
FOLDERS = ("tests/e2e", "tests/browser")


@dataclass(frozen=True)
class MarkedTest:
    """A test and its markers, those of its module included."""

    file: str
    name: str
    claims: tuple[str, ...]
    needs: frozenset[str]


def claims_table(root: Path) -> str:
    """The body of ``docs/claims.md``."""
    claims = load_claims(root / CLAIMS_FILE)
    tests = list(marked_tests(root))
    rows = [_row(claim, [t for t in tests if claim.id in t.claims]) for claim in claims.values()]
    proven = [claim for claim in claims.values() if claim.provable]
    waiting = len(claims) - len(proven)
    modernised = sum(claim.disposition == "modernised" for claim in claims.values())
    counts = (
        f"{len(claims)} claims: {len(proven)} are proven by this version, {waiting} need "
        f"containers. {modernised} are modernised."
    )
    header = ("claim", "the guide says", "what proves it", "tests", "where")
    return f"{counts}\n\n{table(header, rows)}"


def _row(claim: Claim, tests: Sequence[MarkedTest]) -> tuple[str, ...]:
    modernised = "<br>*modernised*" if claim.disposition == "modernised" else ""
    needs = f"<br>needs {codes(sorted(claim.needs))}" if claim.needs else ""
    names = "<br>".join(f"[{t.name}](../{t.file})" for t in tests)
    return (
        f"`{claim.id}`{modernised}",
        f"“{claim.quote}”",
        claim.proof + needs,
        names or "–",
        where(claim, tests),
    )


def where(claim: Claim, tests: Sequence[MarkedTest]) -> str:
    """The kinds of stack on which at least one of the tests can prove the claim."""
    if not claim.provable:
        return "**needs containers: not proven by this version**"
    kinds = []
    if any(test.needs <= EMBEDDED for test in tests):
        kinds.append("embedded")
    if any(test.needs | claim.needs <= attached_capabilities(allow_writes=True) for test in tests):
        kinds.append("attach")
    return ", ".join(kinds) or "**without a test**"


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
                if isinstance(argument, ast.Starred):
                    yield from ast.literal_eval(constants[ast.unparse(argument.value)])
                else:
                    yield str(ast.literal_eval(argument))
