"""Deliveries: as servers tell them that count, and nothing of those that answer 404."""

from __future__ import annotations

from typing import Any, cast

import pytest

from pytest_obsstack.clients.deliveries import (
    Deliveries,
    DroppedLine,
    SpanException,
    deliveries_of,
    dropped_lines,
)
from pytest_obsstack.errors import BackendRefused, ObsstackError


class Server:
    """Answers one path, or refuses it."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def get(self, path: str) -> Any:
        self.asked.append(path)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_tracker_that_counts() -> None:
    server = Server(
        {
            "events": {"e1": 2},
            "spans": {"s1": 1},
            "exceptions": [{"span_id": "s1", "type": "ValueError", "message": ""}],
        }
    )
    assert deliveries_of(cast("Any", server), "abc") == Deliveries(
        {"e1": 2}, {"s1": 1}, (SpanException("s1", "ValueError", ""),)
    )
    assert server.asked == ["obsstack/traces/abc/"]


def test_a_loki_that_counts() -> None:
    server = Server({"dropped": [{"timestamp_ns": "17", "line": "x", "stream": {"a": "b"}}]})
    assert dropped_lines(cast("Any", server), "abc") == (DroppedLine(17, "x", {"a": "b"}),)


@pytest.mark.parametrize("status", [404, 405])
def test_a_product_has_no_such_path(status: int) -> None:
    server = Server(BackendRefused("No.", status=status))
    assert deliveries_of(cast("Any", server), "abc") is None
    assert dropped_lines(cast("Any", server), "abc") is None


def test_a_refusal_of_another_kind_is_not_taken_for_that() -> None:
    with pytest.raises(BackendRefused):
        deliveries_of(cast("Any", Server(BackendRefused("No.", status=403))), "abc")


def test_an_answer_of_another_shape_is_an_error() -> None:
    with pytest.raises(ObsstackError):
        deliveries_of(cast("Any", Server(["?"])), "abc")
