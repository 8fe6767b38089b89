"""A group of rules: evaluated in order at one time, results stored, vanished series ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pytest_obsstack.embedded.prometheus.engine.query import (
    QueryOptions,
    ScalarResult,
    VectorResult,
    instant_query,
)
from pytest_obsstack.embedded.prometheus.engine.values import QueryError, Vector
from pytest_obsstack.embedded.prometheus.model import METRIC_NAME, STALE_NAN, Labels, with_labels
from pytest_obsstack.embedded.prometheus.rules.alerting import Alert, AlertingRule, RuleError
from pytest_obsstack.embedded.prometheus.rules.files import (
    AlertingConfig,
    GroupConfig,
    RecordingConfig,
)
from pytest_obsstack.embedded.prometheus.store import AppendError, SeriesStore

Health = Literal["unknown", "ok", "err"]
Notify = Callable[[str, Sequence[Alert]], None]
"""Takes a rule's expression and its alerts that an Alertmanager is to be told of."""


@dataclass(frozen=True)
class Environment:
    """What all rules share: where they look and write, and what they tell."""

    store: SeriesStore
    options: QueryOptions
    external_labels: dict[str, str]
    external_url: str
    resend_delay_ms: int


@dataclass
class RecordingRule:
    config: RecordingConfig

    def evaluate(self, vector: Vector, limit: int) -> Vector:
        """The series to store; raises ``RuleError``."""
        changes = {**self.config.labels, METRIC_NAME: self.config.name}
        samples = [(with_labels(labels, changes), value) for labels, value in vector]
        if len({labels for labels, _ in samples}) < len(samples):
            raise RuleError(
                "vector contains metrics with the same labelset after applying rule labels"
            )
        if 0 < limit < len(samples):
            raise RuleError(f"exceeded limit of {limit} with {len(samples)} series")
        return samples


@dataclass
class RunningRule:
    """A rule with what is known of its last evaluation."""

    rule: AlertingRule | RecordingRule
    health: Health = "unknown"
    last_error: str = ""
    began_ns: int | None = None
    took_s: float = 0.0
    series: set[Labels] = field(default_factory=set)
    """What the last evaluation that succeeded has written."""


class Group:
    """One group; ``interval_ms`` is its own or the server's."""

    def __init__(
        self, config: GroupConfig, environment: Environment, default_interval_ms: int
    ) -> None:
        self.config = config
        self.environment = environment
        self.interval_ms = config.interval_ms or default_interval_ms
        self.rules = [RunningRule(_rule(rule, environment)) for rule in config.rules]
        self.began_ns: int | None = None
        self.took_s = 0.0

    def same_as(self, other: Group) -> bool:
        """Whether nothing has changed between the two but their state."""
        mine = (self.config, self.interval_ms, self.environment)
        return mine == (other.config, other.interval_ms, other.environment)

    def take_over(self, earlier: Group) -> None:
        """Go on where the same group of earlier settings was, as far as rules are the same."""
        known = [(_identity(running), running) for running in earlier.rules]
        for running in self.rules:
            for index, (identity, old) in enumerate(known):
                if identity == _identity(running):
                    running.series = old.series
                    if isinstance(running.rule, AlertingRule) and isinstance(
                        old.rule, AlertingRule
                    ):
                        running.rule.take_over(old.rule)
                    del known[index]
                    break

    def evaluate(self, now_ns: int, notify: Notify) -> None:
        """Evaluate all rules as of ``now_ns``."""
        began = time.monotonic()
        at_ms = now_ns // 10**6
        for running in self.rules:
            self._evaluate(running, now_ns, at_ms, notify)
        self.began_ns, self.took_s = now_ns, time.monotonic() - began

    @property
    def series(self) -> set[Labels]:
        """What the group's last evaluation has written."""
        return {series for running in self.rules for series in running.series}

    def end(self, now_ns: int, replacement: Group | None = None) -> None:
        """Mark what the group has written as ended, but for what ``replacement`` goes on with."""
        kept = set() if replacement is None else replacement.series
        self._end(self.series - kept, now_ns // 10**6)

    def _evaluate(self, running: RunningRule, now_ns: int, at_ms: int, notify: Notify) -> None:
        began = time.monotonic()
        rule = running.rule
        try:
            vector = self._asked(rule.config.expr, at_ms)
            if isinstance(rule, AlertingRule):
                samples = rule.evaluate(vector, at_ms, self.config.limit)
                due = rule.to_send(
                    at_ms,
                    resend_delay_ms=self.environment.resend_delay_ms,
                    interval_ms=self.interval_ms,
                )
                if due:
                    notify(rule.config.expr, due)
            else:
                samples = rule.evaluate(vector, self.config.limit)
            for labels, value in samples:
                self.environment.store.append(labels, at_ms, value)
        except (QueryError, RuleError, AppendError) as error:
            running.health, running.last_error = "err", str(error)
        else:
            running.health, running.last_error = "ok", ""
            written = {labels for labels, _ in samples}
            self._end(running.series - written, at_ms)
            running.series = written
        running.began_ns, running.took_s = now_ns, time.monotonic() - began

    def _asked(self, expr: str, at_ms: int) -> Vector:
        result = instant_query(self.environment.store, expr, at_ms, self.environment.options).result
        if isinstance(result, VectorResult):
            return result.vector
        if isinstance(result, ScalarResult):
            return [((), result.value)]
        raise RuleError("rule result is not a vector or scalar")

    def _end(self, series: set[Labels], at_ms: int) -> None:
        for labels in series:
            if self.environment.store.get(labels) is not None:
                self.environment.store.append(labels, at_ms, STALE_NAN)


def _rule(
    config: AlertingConfig | RecordingConfig, environment: Environment
) -> AlertingRule | RecordingRule:
    if isinstance(config, RecordingConfig):
        return RecordingRule(config)
    return AlertingRule(config, environment.external_labels, environment.external_url)


def _identity(running: RunningRule) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """By this Prometheus tells which rule of a changed group is the same as before."""
    config = running.rule.config
    if isinstance(config, AlertingConfig):
        return "alert", config.name, tuple((name, text.source) for name, text in config.labels)
    return "record", config.name, tuple(sorted(config.labels.items()))
