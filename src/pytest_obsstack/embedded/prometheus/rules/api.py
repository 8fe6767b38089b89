"""``/rules``, ``/alerts`` and ``/alertmanagers`` of API v1.

https://prometheus.io/docs/prometheus/latest/querying/api/#rules
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pytest_obsstack.embedded.go_quote import quote
from pytest_obsstack.embedded.prometheus.answers import (
    ApiError,
    invalid_parameter,
    success,
    unsupported,
)
from pytest_obsstack.embedded.prometheus.api import answering
from pytest_obsstack.embedded.prometheus.format import rfc3339_nano, scientific
from pytest_obsstack.embedded.prometheus.params import Params
from pytest_obsstack.embedded.prometheus.rules.alerting import Alert, AlertingRule
from pytest_obsstack.embedded.prometheus.rules.files import AlertingConfig, RuleConfig
from pytest_obsstack.embedded.prometheus.rules.group import Group, RunningRule
from pytest_obsstack.embedded.prometheus.rules.manager import RuleManager

_TYPES = {"": None, "alert": "alerting", "record": "recording"}
_ZERO_TIME = "0001-01-01T00:00:00Z"
"""Go's zero time stands for "never"."""


@dataclass(frozen=True)
class RuleApi:
    manager: RuleManager

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/rules", answering(self.rules), methods=["GET"]),
            Route("/api/v1/alerts", answering(self.alerts), methods=["GET"]),
            Route("/api/v1/alertmanagers", answering(self.alertmanagers), methods=["GET"]),
        ]

    def rules(self, _: Request, params: Params) -> Response:
        wanted = _Wanted.of(params)
        groups = []
        for group in self.manager.groups:
            if not wanted.takes_group(group):
                continue
            rules = [running for running in group.rules if wanted.takes_rule(running)]
            if rules or not wanted.narrows_rules:
                groups.append(_group_json(group, rules, with_alerts=wanted.with_alerts))
        return success({"groups": groups})

    def alerts(self, _: Request, __: Params) -> Response:
        shown = [
            _alert_json(alert)
            for group in self.manager.groups
            for running in group.rules
            if isinstance(running.rule, AlertingRule)
            for alert in running.rule.shown()
        ]
        return success({"alerts": shown})

    def alertmanagers(self, _: Request, __: Params) -> Response:
        active = [{"url": queue.url} for queue in self.manager.notifier.queues]
        return success({"activeAlertmanagers": active, "droppedAlertmanagers": []})


@dataclass(frozen=True)
class _Wanted:
    """Which rules a request asks for."""

    type: str | None
    names: frozenset[str]
    groups: frozenset[str]
    files: frozenset[str]
    with_alerts: bool

    @classmethod
    def of(cls, params: Params) -> _Wanted:
        for name in ("match[]", "group_limit", "group_next_token"):
            if params.all(name):
                raise unsupported(f"the parameter {name} of /api/v1/rules")
        kind = params.get("type").lower()
        if kind not in _TYPES:
            raise invalid_parameter("type", f"not supported value {quote(kind)}")
        exclude = params.get("exclude_alerts")
        if exclude not in ("", "1", "t", "T", "true", "TRUE", "True", "0", "f", "false", "False"):
            raise ApiError("bad_data", f"error converting exclude_alerts: {quote(exclude)}")
        return cls(
            type=_TYPES[kind],
            names=frozenset(params.all("rule_name[]")),
            groups=frozenset(params.all("rule_group[]")),
            files=frozenset(params.all("file[]")),
            with_alerts=exclude[:1].lower() not in ("1", "t"),
        )

    @property
    def narrows_rules(self) -> bool:
        return self.type is not None or bool(self.names)

    def takes_group(self, group: Group) -> bool:
        in_group = not self.groups or group.config.name in self.groups
        return in_group and (not self.files or group.config.file in self.files)

    def takes_rule(self, running: RunningRule) -> bool:
        config = running.rule.config
        return self.type in (None, _type_of(config)) and (
            not self.names or config.name in self.names
        )


def _type_of(config: RuleConfig) -> str:
    return "alerting" if isinstance(config, AlertingConfig) else "recording"


def _group_json(group: Group, rules: Sequence[RunningRule], *, with_alerts: bool) -> dict[str, Any]:
    return {
        "name": group.config.name,
        "file": group.config.file,
        "rules": [_rule_json(running, with_alerts=with_alerts) for running in rules],
        "interval": _seconds(group.interval_ms),
        "limit": group.config.limit,
        "evaluationTime": group.took_s,
        "lastEvaluation": _time(group.began_ns),
    }


def _rule_json(running: RunningRule, *, with_alerts: bool) -> dict[str, Any]:
    rule, config = running.rule, running.rule.config
    document: dict[str, Any] = {"name": config.name, "query": config.expr}
    if isinstance(rule, AlertingRule):
        document |= {
            "state": rule.state,
            "duration": _seconds(rule.config.for_ms),
            "keepFiringFor": _seconds(rule.config.keep_firing_for_ms),
            "labels": {name: text.source for name, text in rule.config.labels},
            "annotations": {name: text.source for name, text in rule.config.annotations},
            "alerts": [_alert_json(alert) for alert in rule.shown()] if with_alerts else [],
        }
    elif rule.config.labels:
        document["labels"] = dict(rule.config.labels)
    document["health"] = running.health
    if running.last_error:
        document["lastError"] = running.last_error
    return document | {
        "evaluationTime": running.took_s,
        "lastEvaluation": _time(running.began_ns),
        "type": _type_of(config),
    }


def _alert_json(alert: Alert) -> dict[str, Any]:
    document: dict[str, Any] = {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "state": alert.state,
        "activeAt": rfc3339_nano(alert.active_at_ms * 10**6),
    }
    if alert.keep_firing_since_ms is not None:
        document["keepFiringSince"] = rfc3339_nano(alert.keep_firing_since_ms * 10**6)
    return {**document, "value": scientific(alert.value)}


def _seconds(milliseconds: int) -> float:
    """A whole number where it is one, as Go writes it."""
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000


def _time(at_ns: int | None) -> str:
    return _ZERO_TIME if at_ns is None else rfc3339_nano(at_ns)
