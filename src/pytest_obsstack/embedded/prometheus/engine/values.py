"""What expressions evaluate to, and what can go wrong on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pytest_obsstack.embedded.prometheus.model import Labels

Sample: TypeAlias = tuple[Labels, float]
Vector: TypeAlias = list[Sample]


@dataclass(frozen=True)
class RangeSeries:
    """The samples of one series in a window; times in milliseconds, ascending."""

    labels: Labels
    timestamps: Sequence[int]
    values: Sequence[float]


@dataclass(frozen=True)
class Window:
    """A range vector at one time: the samples of (start_ms, end_ms]."""

    start_ms: int
    end_ms: int
    series: list[RangeSeries]


class QueryError(Exception):
    """An evaluation that failed; ``str()`` is Prometheus' text."""


class QueryTimeout(QueryError):
    def __init__(self) -> None:
        super().__init__("query timed out in expression evaluation")


class TooManySamples(QueryError):
    def __init__(self) -> None:
        super().__init__(
            "query processing would load too many samples into memory in query execution"
        )


class SameLabelset(QueryError):
    def __init__(self) -> None:
        super().__init__("vector cannot contain metrics with the same labelset")
