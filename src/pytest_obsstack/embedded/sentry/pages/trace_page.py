"""A trace as a waterfall: each span under its parent, as wide as it took long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.embedded.sentry.api.http import Api, Call
from pytest_obsstack.embedded.sentry.api.traces import get_trace

_MIN_WIDTH = 0.4
_MAX_INDENT = 12


@dataclass(frozen=True)
class Row:
    """A span or an error; ``left`` and ``width`` are per cent of the whole trace."""

    node: Mapping[str, Any]
    depth: int
    is_error: bool
    duration_ms: float
    left: float
    width: float


@dataclass(frozen=True)
class TracePage:
    """What the page shows."""

    trace_id: str
    rows: Sequence[Row]
    duration_ms: float
    spans: int
    errors: int


def trace_page(api: Api, organization: str, trace_id: str) -> TracePage:
    """Raises ``ApiError`` 404 for what is no trace id; an unknown trace is empty."""
    params = {"organization": organization, "trace_id": trace_id}
    roots = get_trace(api, Call("", params, ())).body
    nodes = list(_walk(roots, 0))
    start_s = min((node["start_timestamp"] for node, _ in nodes), default=0.0)
    end_s = max((node["end_timestamp"] for node, _ in nodes), default=0.0)
    whole_s = max(end_s - start_s, 1e-9)
    rows = [_row(node, depth, start_s, whole_s) for node, depth in nodes]
    errors = sum(row.is_error for row in rows)
    return TracePage(
        trace_id, rows, (end_s - start_s) * 1000, spans=len(rows) - errors, errors=errors
    )


def _walk(
    nodes: Sequence[Mapping[str, Any]], depth: int
) -> Iterator[tuple[Mapping[str, Any], int]]:
    """Depth first, without recursion: a trace may be deeper than Python's stack."""
    stack = [(node, depth) for node in reversed(nodes)]
    while stack:
        node, level = stack.pop()
        yield node, level
        below = [*node.get("errors", ()), *node.get("children", ())]
        stack.extend((child, level + 1) for child in reversed(below))


def _row(node: Mapping[str, Any], depth: int, start_s: float, whole_s: float) -> Row:
    duration_s = node["end_timestamp"] - node["start_timestamp"]
    left = (node["start_timestamp"] - start_s) / whole_s * 100
    width = max(duration_s / whole_s * 100, _MIN_WIDTH)
    return Row(
        node=node,
        depth=min(depth, _MAX_INDENT),
        is_error=node["event_type"] == "error",
        duration_ms=duration_s * 1000,
        left=round(min(left, 100 - _MIN_WIDTH), 3),
        width=round(min(width, 100), 3),
    )
