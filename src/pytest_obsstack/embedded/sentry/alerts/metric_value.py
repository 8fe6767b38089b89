"""What a metric rule's aggregate is now, and which of its triggers that makes active."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_obsstack.embedded.sentry.alerts.model import Level, MetricRule
from pytest_obsstack.embedded.sentry.api.http import bad_request, unsupported
from pytest_obsstack.embedded.sentry.discover.aggregates import parse_aggregate
from pytest_obsstack.embedded.sentry.discover.datasets import Dataset, dataset
from pytest_obsstack.embedded.sentry.discover.query import Query, run_query
from pytest_obsstack.embedded.sentry.search.fields import UnsupportedField
from pytest_obsstack.embedded.sentry.search.syntax import InvalidSearch
from pytest_obsstack.embedded.sentry.state.store import SentryStore
from pytest_obsstack.embedded.sentry.times import NS
from pytest_obsstack.embedded.sentry.window import Window

_NUMBERS = ("integer", "number", "duration")


@dataclass(frozen=True)
class Reading:
    """An aggregate over a rule's window."""

    value: float
    """0 where there is nothing to aggregate, as Sentry takes it."""
    next_change_ns: int | None
    """When the oldest record leaves the window; ``None`` where it is empty."""


def check_aggregate(rule: MetricRule, store: SentryStore) -> None:
    """Raises ``ApiError`` for an aggregate or a query that could never be evaluated."""
    source = dataset(rule.source, store)
    try:
        aggregate = parse_aggregate(rule.aggregate, source.duration_field)
        if aggregate is None:
            raise unsupported(f"aggregate {rule.aggregate!r} of metric alert rules")
        # A percentile of text would be nothing for ever: the rule would never fire.
        if aggregate.argument is not None and not aggregate.function.startswith("count"):
            kind = source.fields.kind_of(aggregate.argument)
            if kind not in _NUMBERS and not aggregate.argument.startswith("measurements."):
                raise bad_request(f"{rule.aggregate}: {aggregate.argument} is not a number.")
        read_metric(rule, store, 0)
    except UnsupportedField as error:
        raise unsupported(f"{error.name!r} in metric alert rules on {rule.dataset!r}") from error
    except InvalidSearch as error:
        raise bad_request(str(error)) from error


def read_metric(rule: MetricRule, store: SentryStore, now_ns: int) -> Reading:
    """The rule's aggregate over its window, which ends now."""
    length_ns = rule.window_min * 60 * NS
    source = dataset(rule.source, store)
    recent = _recent(source.everything, rule.project_id, now_ns - length_ns)
    environments = None if rule.environment is None else frozenset({rule.environment})
    window = Window(frozenset({rule.project_id}), environments, now_ns - length_ns)
    if rule.source == "errors":
        recent = [event for event in recent if event.type in rule.event_types]
    result = run_query(
        Query((rule.aggregate,), rule.query, None, window, now_ns), _only(source, recent)
    )
    value = result.rows[0][rule.aggregate]
    times = [time_ns for time_ns in map(source.time_ns, recent) if time_ns >= now_ns - length_ns]
    return Reading(value or 0, min(times) + length_ns if times else None)


def level_of(rule: MetricRule, value: float, current: Level | None) -> Level | None:
    """The highest trigger that is active at ``value``, when ``current`` was so before.

    A trigger is active beyond its threshold, and an active one stays so until the value is back
    at its own threshold, or has passed the rule's ``resolveThreshold`` where there is one.
    """
    sign = 1 if rule.above else -1
    was_active = {"critical": ("critical", "warning"), "warning": ("warning",), None: ()}[current]
    for trigger in rule.triggers:
        if sign * value > sign * trigger.threshold:
            return trigger.label
        lingers = rule.resolve_threshold is not None and trigger.label in was_active
        if lingers and sign * value >= sign * (rule.resolve_threshold or 0):
            return trigger.label
    return None


def _recent(records: Sequence[Any], project_id: int, start_ns: int) -> list[Any]:
    """The project's records that arrived since then, so that no evaluation walks through all.

    What happened within the window arrived within it, or its sender's clock runs ahead.
    """
    found = []
    for record in reversed(records):
        if record.received_ns < start_ns:
            break
        if record.project_id == project_id:
            found.append(record)
    return found


def _only(source: Dataset, records: list[Any]) -> Dataset:
    return replace(source, everything=records)
