"""Claims: every test names those it proves, every claim has a test, the table is generated.

A claims file is TOML: ``[[claim]]`` with ``id``, ``quote``, ``proof``, ``needs`` (capabilities) and
``disposition`` (``proven`` or ``modernised``); where its needs do not tell which ``components`` of
the stack have to be the real ones, it names them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_obsstack.providers.capabilities import MEANINGS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_DISPOSITIONS = ("proven", "modernised")
COMPONENTS = (
    *("sentry", "collector", "prometheus", "loki", "tempo", "grafana"),
    *("postgres", "redis"),
)
"""What a claim may name as ``components``."""


@dataclass(frozen=True)
class Claim:
    """One claim of a document."""

    id: str
    quote: str
    proof: str
    needs: frozenset[str]
    disposition: str
    components: tuple[str, ...] = ()
    """Which must be no stand-ins, or it is not proven on the product; empty: as its needs say."""


def load_claims(path: Path) -> dict[str, Claim]:
    """The claims by id; raises ``pytest.UsageError`` that names what is wrong in the file."""
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    # TOMLDecodeError and UnicodeDecodeError are ValueErrors.
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"obs_claims: {path} cannot be read: {error}") from error
    entries = data.get("claim", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise pytest.UsageError(
            f"obs_claims: {path}: claim is {entries!r}, expected tables [[claim]]"
        )
    claims: dict[str, Claim] = {}
    for entry in entries:
        claim = _claim(path, entry)
        if claim.id in claims:
            raise pytest.UsageError(f"obs_claims: {path} has the id {claim.id!r} twice")
        claims[claim.id] = claim
    return claims


def check_collection(config: pytest.Config, items: Sequence[pytest.Item], path: Path) -> None:
    """Fail the run for an unknown id; for a claim without a test where the whole suite is run."""
    claims = load_claims(path)
    named: dict[str, list[str]] = {}
    for item in items:
        for claim_id in claims_of(item):
            named.setdefault(claim_id, []).append(item.nodeid)
    unknown = {claim_id: ids for claim_id, ids in named.items() if claim_id not in claims}
    if unknown:
        lines = [f"  {claim_id!r} in {', '.join(ids)}" for claim_id, ids in unknown.items()]
        raise pytest.UsageError(
            f"Tests name claims that {path.name} does not have:\n" + "\n".join(lines)
        )
    if not _whole_suite(config, path):
        return
    without = [c.id for c in claims.values() if c.id not in named]
    if without:
        raise pytest.UsageError(
            f"Claims of {path.name} without a test: {', '.join(without)}\n"
            "  mark the test that proves it with @pytest.mark.claim(id)"
        )


def claims_of(item: pytest.Item) -> list[str]:
    """The ids that a test names."""
    return [claim_id for mark in item.iter_markers("claim") for claim_id in mark.args]


def _whole_suite(config: pytest.Config, path: Path) -> bool:
    """True if some argument is the claims file's folder or one above it."""
    folder = path.parent.resolve()
    for argument in config.args:
        if "::" in str(argument):
            continue
        given = (config.invocation_params.dir / str(argument)).resolve()
        if given == folder or given in folder.parents:
            return True
    return False


def _claim(path: Path, entry: Mapping[str, Any]) -> Claim:
    missing = [key for key in ("id", "quote", "proof", "needs", "disposition") if key not in entry]
    name = entry.get("id", "(without id)")
    if missing:
        raise pytest.UsageError(f"obs_claims: {path}: claim {name} lacks {', '.join(missing)}")
    if not isinstance(entry["needs"], list):
        raise pytest.UsageError(
            f"obs_claims: {path}: claim {name}: needs is {entry['needs']!r}, expected a list"
        )
    wrong = [str(need) for need in entry["needs"] if need not in MEANINGS]
    if wrong:
        raise pytest.UsageError(
            f"obs_claims: {path}: claim {name} needs {', '.join(wrong)}, "
            f"which is no capability; there are {', '.join(MEANINGS)}"
        )
    components = entry.get("components", [])
    if not isinstance(components, list) or any(name not in COMPONENTS for name in components):
        raise pytest.UsageError(
            f"obs_claims: {path}: claim {name} has components {components!r}, "
            f"expected a list of {', '.join(COMPONENTS)}"
        )
    if entry["disposition"] not in _DISPOSITIONS:
        raise pytest.UsageError(
            f"obs_claims: {path}: claim {name} has disposition {entry['disposition']!r}, "
            f"expected one of {', '.join(_DISPOSITIONS)}"
        )
    return Claim(
        id=entry["id"],
        quote=entry["quote"],
        proof=entry["proof"],
        needs=frozenset(entry["needs"]),
        disposition=entry["disposition"],
        components=tuple(components),
    )
