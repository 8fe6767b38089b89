"""Rule files: groups of rules in Prometheus' own format, read and checked.

https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/ and ``alerting_rules``.
The errors are those of Prometheus' ``rulefmt``, without the places in a YAML text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_obsstack.embedded.go_quote import quote
from pytest_obsstack.embedded.prometheus.format import parse_duration_ms
from pytest_obsstack.embedded.prometheus.model import METRIC_NAME
from pytest_obsstack.embedded.prometheus.promql.errors import PromqlParseError
from pytest_obsstack.embedded.prometheus.promql.parser import parse
from pytest_obsstack.embedded.prometheus.promql.printer import text
from pytest_obsstack.embedded.prometheus.refusal import unsupported_text
from pytest_obsstack.embedded.prometheus.rules.template import Template, TemplateError

_GROUP_KEYS = frozenset({"name", "interval", "limit", "rules"})
_GROUP_KEYS_REFUSED = frozenset({"query_offset", "labels"})
_RULE_KEYS = frozenset(
    {"record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"}
)
_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

Texts = tuple[tuple[str, Template], ...]
"""Names with their templates, sorted by name."""


@dataclass(frozen=True)
class RecordingConfig:
    """``record``: the result of an expression as a series of its own."""

    name: str
    expr: str
    """As Prometheus formats it, which is how its API shows it."""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AlertingConfig:
    """``alert``: each series of an expression's result is an alert."""

    name: str
    expr: str
    for_ms: int = 0
    keep_firing_for_ms: int = 0
    labels: Texts = ()
    annotations: Texts = ()


RuleConfig = RecordingConfig | AlertingConfig


@dataclass(frozen=True)
class GroupConfig:
    """Rules that are evaluated one after another, each with what those before it recorded."""

    file: str
    name: str
    interval_ms: int | None
    """``None`` is the server's ``evaluation_interval``."""
    limit: int
    """Most series or alerts of a rule; 0 is no limit."""
    rules: tuple[RuleConfig, ...]


def parse_files(documents: Mapping[str, Any]) -> tuple[GroupConfig, ...]:
    """The groups of all files, by their names; raises ``ValueError``."""
    return tuple(
        group
        for name in sorted(documents)
        for group in _parse_file(name, _mapping(documents[name], "RuleGroups"))
    )


def _parse_file(file: str, document: Mapping[str, Any]) -> list[GroupConfig]:
    _only(document, frozenset({"groups"}), "RuleGroups")
    groups: list[GroupConfig] = []
    for raw in _sequence(document.get("groups"), "groups"):
        group = _parse_group(file, _mapping(raw, "RuleGroup"))
        if group.name in {other.name for other in groups}:
            raise ValueError(f"groupname: {quote(group.name)} is repeated in the same file")
        groups.append(group)
    return groups


def _parse_group(file: str, raw: Mapping[str, Any]) -> GroupConfig:
    for key in sorted(_GROUP_KEYS_REFUSED & raw.keys()):
        raise ValueError(unsupported_text(f"{key} of a rule group"))
    _only(raw, _GROUP_KEYS, "RuleGroup")
    name = str(raw.get("name", ""))
    if not name:
        raise ValueError("Groupname must not be empty")
    interval = raw.get("interval")
    rules = enumerate(_sequence(raw.get("rules"), "rules"), 1)
    return GroupConfig(
        file=file,
        name=name,
        interval_ms=None if interval is None else _duration_ms(interval),
        limit=int(raw.get("limit", 0)),
        rules=tuple(_parse_rule(name, number, _mapping(rule, "Rule")) for number, rule in rules),
    )


def _parse_rule(group: str, number: int, raw: Mapping[str, Any]) -> RuleConfig:
    _only(raw, _RULE_KEYS, "RuleNode")
    record, alert = str(raw.get("record") or ""), str(raw.get("alert") or "")
    where = f"group {quote(group)}, rule {number}, {quote(alert or record)}: "
    try:
        return _checked_rule(record, alert, raw)
    except ValueError as error:
        raise ValueError(where + str(error)) from None


def _checked_rule(record: str, alert: str, raw: Mapping[str, Any]) -> RuleConfig:
    if record and alert:
        raise ValueError("only one of 'record' and 'alert' must be set")
    if not record and not alert:
        raise ValueError("one of 'record' or 'alert' must be set")
    if not raw.get("expr") and raw.get("expr") != 0:
        raise ValueError("field 'expr' must be set in rule")
    expr = _expression(str(raw["expr"]))
    labels, annotations = _texts(raw, "labels"), _texts(raw, "annotations")
    for name in labels:
        if not _LABEL_NAME.fullmatch(name) or name == METRIC_NAME:
            raise ValueError(f"invalid label name: {name}")
    for name in annotations:
        if not _LABEL_NAME.fullmatch(name):
            raise ValueError(f"invalid annotation name: {name}")
    if record:
        for key in ("annotations", "for", "keep_firing_for"):
            if raw.get(key):
                raise ValueError(f"invalid field {key!r} in recording rule")
        if not _METRIC_NAME.fullmatch(record):
            raise ValueError(f"invalid recording rule name: {record}")
        return RecordingConfig(record, expr, labels)
    return AlertingConfig(
        name=alert,
        expr=expr,
        for_ms=_duration_ms(raw.get("for") or "0"),
        keep_firing_for_ms=_duration_ms(raw.get("keep_firing_for") or "0"),
        labels=_templates(labels, "label", alert),
        annotations=_templates(annotations, "annotation", alert),
    )


def _expression(source: str) -> str:
    try:
        return text(parse(source))
    except PromqlParseError as error:
        raise ValueError(f"could not parse expression: {error}") from None


def _templates(texts: Mapping[str, str], kind: str, alert: str) -> Texts:
    found = []
    for name, source in sorted(texts.items()):
        try:
            found.append((name, Template(source)))
        except TemplateError as error:
            where = f"{kind} {quote(name)}: template: __alert_{alert}: "
            raise ValueError(where + str(error)) from None
    return tuple(found)


def _duration_ms(value: Any) -> int:
    return parse_duration_ms(str(value))


def _texts(raw: Mapping[str, Any], key: str) -> dict[str, str]:
    # A number or a truth value of a YAML text is a text for Prometheus.
    return {
        str(name): value if isinstance(value, str) else _scalar(value)
        for name, value in _mapping(raw.get(key) or {}, key).items()
    }


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _only(raw: Mapping[str, Any], known: frozenset[str], kind: str) -> None:
    for key in raw:
        if key not in known:
            raise ValueError(f"field {key} not found in type rulefmt.{kind}")


def _mapping(value: Any, kind: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(  # noqa: TRY004 - as all that is wrong in a file
            f"cannot unmarshal {type(value).__name__} into rulefmt.{kind}"
        )
    return value


def _sequence(value: Any, key: str) -> Sequence[Any]:
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise ValueError(  # noqa: TRY004 - as all that is wrong in a file
            f"cannot unmarshal {type(value).__name__} into {key}"
        )
    return value
