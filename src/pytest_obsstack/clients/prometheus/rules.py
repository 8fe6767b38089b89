"""Rules and alerts as Prometheus' HTTP API tells them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw


@dataclass(frozen=True)
class ActiveAlert:
    """An alert that is pending or firing."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    state: str
    """``pending`` or ``firing``."""
    active_at: datetime | None
    """Since when its condition holds."""
    value: str
    raw: Raw = field(repr=False, compare=False)


@dataclass(frozen=True)
class Rule:
    """One rule of a group, with what its last evaluation gave."""

    name: str
    group: str
    file: str
    interval_s: float
    """Seconds between two evaluations of its group."""
    type: str
    """``alerting`` or ``recording``."""
    query: str
    state: str | None
    """``inactive``, ``pending`` or ``firing``; ``None`` for a recording rule."""
    for_s: float
    labels: Mapping[str, str]
    health: str
    """``ok``, ``err`` or ``unknown`` (not evaluated yet)."""
    last_error: str | None
    last_evaluation: datetime | None
    """When its last evaluation began; ``None`` before the first."""
    alerts: tuple[ActiveAlert, ...]
    raw: Raw = field(repr=False, compare=False)


def parse_rules(raw: Any) -> tuple[Rule, ...]:
    """The rules of all groups of ``/api/v1/rules``, in the server's order."""
    raw = fields.mapping(raw, "field 'data'")
    return tuple(
        _parse_rule(group, rule)
        for group in fields.optional_mappings(raw, "groups", "a rule group")
        for rule in fields.optional_mappings(group, "rules", "a rule")
    )


def parse_alert(raw: Any) -> ActiveAlert:
    raw = fields.mapping(raw, "an alert")
    return ActiveAlert(
        labels=fields.string_map(fields.optional_mapping(raw, "labels")),
        annotations=fields.string_map(fields.optional_mapping(raw, "annotations")),
        state=fields.text(raw, "state"),
        active_at=fields.optional_go_time(raw, "activeAt"),
        value=fields.optional_text(raw, "value") or "",
        raw=raw,
    )


def _parse_rule(group: Raw, raw: Raw) -> Rule:
    return Rule(
        name=fields.text(raw, "name"),
        group=fields.text(group, "name"),
        file=fields.optional_text(group, "file") or "",
        interval_s=fields.number(group, "interval"),
        type=fields.text(raw, "type"),
        query=fields.text(raw, "query"),
        state=fields.optional_text(raw, "state"),
        for_s=fields.optional_number(raw, "duration") or 0.0,
        labels=fields.string_map(fields.optional_mapping(raw, "labels")),
        health=fields.text(raw, "health"),
        last_error=fields.optional_text(raw, "lastError"),
        last_evaluation=fields.optional_go_time(raw, "lastEvaluation"),
        alerts=tuple(map(parse_alert, fields.optional_items(raw, "alerts"))),
        raw=raw,
    )
