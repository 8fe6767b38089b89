"""Metric alert rules, read from Sentry's JSON.

https://docs.sentry.io/api/alerts/create-a-metric-alert-rule-for-an-organization/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from pytest_obsstack.embedded.sentry.alerts.model import Level, MetricAction, MetricRule, Trigger
from pytest_obsstack.embedded.sentry.api.http import invalid_field, unsupported

FIELDS: Mapping[str, type[Any] | tuple[type[Any], ...]] = {
    "name": str,
    "aggregate": str,
    "timeWindow": (int, float),
    "projects": list,
    "query": str,
    "thresholdType": int,
    "triggers": list,
    "environment": str,
    "dataset": str,
    "queryType": int,
    "eventTypes": list,
    "comparisonDelta": int,
    "resolveThreshold": (int, float),
    "owner": str,
    "thresholdPeriod": int,
}
"""The members of a rule's JSON, as ``Call.fields`` checks them."""
WINDOWS_MIN = (1, 5, 10, 15, 30, 60, 120, 240, 1440)
# Sentry's dataset: (what it is read from here, query type, the event types it can have).
_DATASETS: Mapping[str, tuple[str, int, tuple[str, ...]]] = {
    "events": ("errors", 0, ("error", "default")),
    "transactions": ("transactions", 1, ("transaction",)),
    "generic_metrics": ("transactions", 1, ("transaction",)),
    "events_analytics_platform": ("spans", 1, ("trace_item_span",)),
}
_ONLY_SENTRY = ("comparisonDelta", "owner")
_LABELS = ("critical", "warning")


def query_type_of(dataset: str) -> int:
    """Sentry's number for what the dataset holds: 0 errors, 1 performance."""
    return _DATASETS[dataset][1]


def parse_metric_rule(
    body: Mapping[str, Any],
    *,
    organization_id: int,
    project_id: int,
    next_id: Callable[[str], int],
    created_ns: int,
) -> MetricRule:
    """From members of the types of ``FIELDS``; ``projects`` has been looked up already.

    Raises ``ApiError`` as Sentry answers, and by name for what only Sentry itself has.
    """
    for name in _ONLY_SENTRY:
        if body.get(name) is not None:
            raise unsupported(f"field {name!r} of metric alert rules")
    if body.get("thresholdPeriod") not in (None, 1):
        raise unsupported(f"thresholdPeriod {body['thresholdPeriod']!r} of metric alert rules")
    dataset = body.get("dataset") or "events"
    if dataset not in _DATASETS:
        raise unsupported(f"dataset {dataset!r} of metric alert rules")
    source, query_type, known_types = _DATASETS[dataset]
    if body.get("queryType") not in (None, query_type):
        raise invalid_field("queryType", f"Invalid query type for dataset {dataset}.")
    above = _above(body)
    triggers = _triggers(_required(body, "triggers"), next_id)
    resolve_threshold = body.get("resolveThreshold")
    _check_thresholds(triggers, resolve_threshold, above=above)
    return MetricRule(
        id=next_id("metric_rule"),
        organization_id=organization_id,
        project_id=project_id,
        name=_text(body, "name"),
        dataset=dataset,
        source=source,
        event_types=_event_types(body.get("eventTypes"), known_types),
        aggregate=_text(body, "aggregate"),
        query=str(_required(body, "query")),
        environment=body.get("environment"),
        window_min=_window(_required(body, "timeWindow")),
        above=above,
        resolve_threshold=resolve_threshold,
        triggers=triggers,
        created_ns=created_ns,
    )


def _triggers(entries: Sequence[Any], next_id: Callable[[str], int]) -> tuple[Trigger, ...]:
    """The critical one first."""
    found: dict[str, Trigger] = {}
    for entry in entries:
        if not isinstance(entry, dict):
            raise invalid_field("triggers", f"Expected an object, found {entry!r}.")
        for name in entry:
            # Sentry's own answers have the last four; sent back to it, they mean nothing.
            if name not in (
                *("label", "alertThreshold", "actions", "resolveThreshold", "thresholdType"),
                *("id", "alertRuleId", "dateCreated"),
            ):
                raise unsupported(f"member {name!r} of triggers of metric alert rules")
        label, threshold = entry.get("label"), entry.get("alertThreshold")
        if label not in _LABELS or label in found:
            raise invalid_field(
                "triggers", 'Trigger 1 must be labeled "critical", trigger 2 "warning".'
            )
        if isinstance(threshold, bool) or not isinstance(threshold, (int, float)):
            raise invalid_field("triggers", "alertThreshold: A valid number is required.")
        actions = tuple(_action(action, next_id) for action in entry.get("actions") or ())
        found[label] = Trigger(next_id("trigger"), cast("Level", label), threshold, actions)
    if "critical" not in found:
        raise invalid_field("triggers", "Must include at least one trigger, labeled critical.")
    return tuple(found[label] for label in _LABELS if label in found)


def _action(entry: Any, next_id: Callable[[str], int]) -> MetricAction:
    if not isinstance(entry, dict):
        raise invalid_field("triggers", f"actions: Expected an object, found {entry!r}.")
    kind, target = entry.get("type"), entry.get("targetType")
    if kind != "sentry_app":
        raise unsupported(f"action type {kind!r} of metric alert rules")
    if target != "sentry_app":
        raise invalid_field(
            "triggers", f"actions: Invalid target type {target!r} for sentry_app: use sentry_app."
        )
    if entry.get("settings"):
        raise unsupported("settings of actions of metric alert rules")
    app_id = entry.get("sentryAppId")
    if isinstance(app_id, str) and app_id.isascii() and app_id.isdigit():
        app_id = int(app_id)
    if isinstance(app_id, bool) or not isinstance(app_id, int):
        raise invalid_field(
            "triggers", "actions: SentryApp must be provided for sentry_app: sentryAppId."
        )
    return MetricAction(next_id("action"), app_id)


def _check_thresholds(
    triggers: Sequence[Trigger], resolve_threshold: float | None, *, above: bool
) -> None:
    critical = triggers[0].threshold
    sign = 1 if above else -1
    if len(triggers) > 1 and sign * triggers[1].threshold > sign * critical:
        raise invalid_field(
            "nonFieldErrors",
            f"Critical threshold must be {'above' if above else 'below'} warning threshold.",
        )
    lowest = triggers[-1].threshold
    if resolve_threshold is not None and sign * resolve_threshold > sign * lowest:
        raise invalid_field(
            "nonFieldErrors",
            f"Alert threshold must be {'above' if above else 'below'} resolution threshold.",
        )


def _event_types(wanted: Sequence[Any] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    if not wanted:
        return known
    for name in wanted:
        if name not in known:
            raise invalid_field(
                "eventTypes",
                f"Invalid event type {name!r} for this dataset, expected {', '.join(known)}.",
            )
    return tuple(dict.fromkeys(wanted))


def _above(body: Mapping[str, Any]) -> bool:
    value = _required(body, "thresholdType")
    if value not in (0, 1):
        raise invalid_field("thresholdType", "Invalid threshold type, valid values are [0, 1].")
    return bool(value == 0)


def _window(value: float) -> int:
    if value not in WINDOWS_MIN:
        raise invalid_field(
            "timeWindow",
            f"Invalid time window {value!r}, valid values are {', '.join(map(str, WINDOWS_MIN))}.",
        )
    return int(value)


def _text(body: Mapping[str, Any], name: str) -> str:
    text = str(_required(body, name)).strip()
    if not text:
        raise invalid_field(name, "This field may not be blank.")
    return text


def _required(body: Mapping[str, Any], name: str) -> Any:
    value = body.get(name)
    if value is None:
        raise invalid_field(name, "This field is required.")
    return value
