"""A second opinion on the grammar: the parser of ``promql-parser`` (Rust, for Prometheus 2.45)."""

from __future__ import annotations

import json
from pathlib import Path

import promql_parser
import pytest

from pytest_obsstack.embedded.prometheus.promql.parser import parse
from pytest_obsstack.embedded.prometheus.promql.printer import text

RECORDED = Path(__file__).parents[3] / "shared" / "contract" / "recorded" / "prometheus.json"

# Prometheus 3 takes these, 2.45 and so the other parser does not.
NEWER = {"1_000", "sel_quote{v=`say 'x' \\ y`}"}


def recorded_queries() -> list[str]:
    if not RECORDED.exists():
        return []
    document = json.loads(RECORDED.read_text("utf-8"))
    queries = {
        request.get("params", request.get("form", {})).get("query", "")
        for scenario in document["cases"]
        for request in scenario["requests"]
        if request["status"] == 200
    }
    return sorted(query for query in queries - NEWER if query and "${" not in query)


@pytest.mark.skipif(not RECORDED.exists(), reason=f"{RECORDED} is not there")
def test_both_parsers_read_the_same_expression() -> None:
    """What is written after parsing is, for the other parser, what stood there before."""
    for query in recorded_queries():
        theirs = promql_parser.parse(query).prettify()
        ours = promql_parser.parse(text(parse(query))).prettify()
        assert ours == theirs, query
