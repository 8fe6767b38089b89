"""Rules on a store and a clock of the tests' own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_obsstack.embedded.prometheus.engine.query import (
    QueryOptions,
    VectorResult,
    instant_query,
)
from pytest_obsstack.embedded.prometheus.model import METRIC_NAME, labels_of
from pytest_obsstack.embedded.prometheus.rules.alerting import Alert
from pytest_obsstack.embedded.prometheus.rules.files import parse_files
from pytest_obsstack.embedded.prometheus.rules.group import Environment, Group
from pytest_obsstack.embedded.prometheus.store import SeriesStore

START_S = 1_700_000_000


def groups_of(document: Mapping[str, Any], store: SeriesStore, **given: Any) -> list[Group]:
    environment = Environment(
        store=store,
        options=QueryOptions(),
        external_labels=given.get("external_labels", {}),
        external_url="http://prometheus:9090",
        resend_delay_ms=given.get("resend_delay_ms", 60_000),
    )
    return [Group(c, environment, 1000) for c in parse_files({"rules.yml": document})]


@dataclass
class Bench:
    """One group, evaluated by hand; ``at_s`` counts from the beginning."""

    rules: Sequence[Mapping[str, Any]]
    given: dict[str, Any] = field(default_factory=dict)
    limit: int = 0
    store: SeriesStore = field(default_factory=SeriesStore)
    told: list[Alert] = field(default_factory=list)

    def __post_init__(self) -> None:
        group = {"name": "g", "rules": list(self.rules), "limit": self.limit}
        (self.group,) = groups_of({"groups": [group]}, self.store, **self.given)

    def put(self, at_s: float, name: str, value: float, **labels: str) -> None:
        series = labels_of({METRIC_NAME: name, **labels})
        self.store.append(series, round((START_S + at_s) * 1000), value)

    def evaluate(self, at_s: float) -> list[Alert]:
        """Evaluate once; the alerts that were told of."""
        told: list[Alert] = []
        self.group.evaluate(round((START_S + at_s) * 10**9), lambda _, alerts: told.extend(alerts))
        self.told += told
        return told

    def query(self, expr: str, at_s: float) -> dict[str, float]:
        """The values by the labels, as texts without the name."""
        at_ms = round((START_S + at_s) * 1000)
        result = instant_query(self.store, expr, at_ms, QueryOptions()).result
        assert isinstance(result, VectorResult)
        return {
            ",".join(f"{n}={v}" for n, v in labels if n != METRIC_NAME): value
            for labels, value in result.vector
        }
