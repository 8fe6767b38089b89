"""What Grafana tells of its data sources, their links to traces, and its alert rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw
from pytest_obsstack.errors import ObsstackError


@dataclass(frozen=True)
class DataSource:
    """A product that Grafana can query.

    https://grafana.com/docs/grafana/latest/developers/http_api/data_source/#get-all-data-sources
    """

    uid: str
    name: str
    type: str
    """The plugin: ``prometheus``, ``loki``, ``tempo``."""
    url: str | None
    """As Grafana's own process reaches it."""
    is_default: bool
    read_only: bool
    """Whether it is provisioned by a file, and cannot be edited."""
    settings: Raw = field(repr=False)
    """``jsonData``: the plugin's own settings, without secrets."""
    raw: Raw = field(repr=False, compare=False)

    @property
    def trace_links(self) -> tuple[TraceLink, ...]:
        """Links to another data source by a trace id: of log lines, and of exemplars."""
        lines = fields.optional_mappings(self.settings, "derivedFields", "a derived field")
        exemplars = fields.optional_mappings(
            self.settings, "exemplarTraceIdDestinations", "a destination of exemplars"
        )
        return tuple(
            [TraceLink(_derived_field(each), self.uid, each) for each in lines]
            + [TraceLink(_exemplar_label(each), self.uid, each) for each in exemplars]
        )


@dataclass(frozen=True)
class Health:
    """What a data source's plugin says after it has asked its product."""

    status: str
    """``OK``, or ``ERROR``."""
    message: str

    @property
    def ok(self) -> bool:
        return self.status == "OK"


@dataclass(frozen=True)
class Matcher:
    """How a link finds its value: in a label, or in the line."""

    kind: Literal["label", "regex"]
    pattern: str
    """Searched in the labels' names (``label``), or in the line, with the value as first group."""

    def value(self, line: str, labels: Mapping[str, str]) -> str | None:
        """The value in a log line or an exemplar; ``None`` where there is no link."""
        if self.kind == "label":
            named = (value for name, value in labels.items() if re.search(self.pattern, name))
            return next(named, None)
        match = re.search(self.pattern, line)
        return match[1] if match is not None and match.re.groups else None


@dataclass(frozen=True)
class TraceLink:
    """A link that Grafana shows beside a log line or an exemplar.

    https://grafana.com/docs/grafana/latest/datasources/loki/configure-loki-data-source/#derived-fields,
    https://grafana.com/docs/grafana/latest/datasources/prometheus/configure/#exemplars
    """

    matcher: Matcher
    source_uid: str
    raw: Raw = field(repr=False, compare=False)

    @property
    def target_uid(self) -> str | None:
        """The data source that is asked; ``None`` for a link to some other page, by its URL."""
        return fields.optional_text(self.raw, "datasourceUid")

    @property
    def url(self) -> str | None:
        """The target's query with ``${__value.raw}`` in it, or the page's address."""
        return fields.optional_text(self.raw, "url")

    def query(self, line: str, labels: Mapping[str, str]) -> str | None:
        """What the target is asked for; ``None`` where this line or exemplar has no such link."""
        value = self.matcher.value(line, labels)
        if value is None or self.url is None:
            # Of an internal link of exemplars only the data source is given.
            return value
        return self.url.replace("${__value.raw}", value)


@dataclass(frozen=True)
class AlertRule:
    """A rule of Grafana's own alerting, with its state.

    ``RuleResponse`` in https://editor.swagger.io/?url=https://raw.githubusercontent.com/grafana/grafana/main/pkg/services/ngalert/api/tooling/post.json
    """

    name: str
    group: str
    folder: str
    state: str
    """``inactive``, ``pending``, ``firing``, ``recovering``."""
    health: str
    """``ok``, ``nodata``, ``error``, or ``unknown`` before the first evaluation."""
    last_error: str | None
    last_evaluation: datetime | None
    """``None`` before the first one."""
    interval_s: float
    """Seconds from one evaluation to the next."""
    for_s: float
    """Seconds for which the condition must hold before the rule fires."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    uid: str | None
    """``None`` in versions that do not tell it here."""
    raw: Raw = field(repr=False, compare=False)


def parse_data_source(raw: Any) -> DataSource:
    raw = fields.mapping(raw, "a data source")
    return DataSource(
        uid=fields.text(raw, "uid"),
        name=fields.text(raw, "name"),
        type=fields.text(raw, "type"),
        url=fields.optional_text(raw, "url"),
        is_default=bool(fields.optional_bool(raw, "isDefault")),
        read_only=bool(fields.optional_bool(raw, "readOnly")),
        settings=fields.optional_mapping(raw, "jsonData"),
        raw=raw,
    )


def parse_health(raw: Any) -> Health:
    raw = fields.mapping(raw, "a data source's health")
    return Health(fields.text(raw, "status"), fields.optional_text(raw, "message") or "")


def parse_rule_group(raw: Any) -> tuple[AlertRule, ...]:
    """The alerting rules of a group; recording rules have no state and are left out."""
    group = fields.mapping(raw, "a group of rules")
    return tuple(
        _alert_rule(rule, group)
        for rule in fields.optional_mappings(group, "rules", "a rule")
        if rule.get("type", "alerting") == "alerting"
    )


def _alert_rule(rule: Raw, group: Raw) -> AlertRule:
    return AlertRule(
        name=fields.text(rule, "name"),
        group=fields.text(group, "name"),
        folder=fields.text(group, "file"),
        state=fields.text(rule, "state"),
        health=fields.text(rule, "health"),
        last_error=fields.optional_text(rule, "lastError"),
        last_evaluation=fields.optional_go_time(rule, "lastEvaluation"),
        interval_s=fields.optional_number(group, "interval") or 0.0,
        for_s=fields.optional_number(rule, "duration") or 0.0,
        labels=fields.string_map(fields.optional_mapping(rule, "labels")),
        annotations=fields.string_map(fields.optional_mapping(rule, "annotations")),
        uid=fields.optional_text(rule, "uid"),
        raw=rule,
    )


def _derived_field(raw: Raw) -> Matcher:
    pattern = fields.text(raw, "matcherRegex")
    kind = fields.optional_text(raw, "matcherType") or "regex"
    if kind == "label":
        return Matcher("label", _compiled(pattern))
    if kind == "regex":
        return Matcher("regex", _compiled(pattern))
    raise fields.unexpected("a derived field", "matcherType 'label' or 'regex'", kind)


def _exemplar_label(raw: Raw) -> Matcher:
    return Matcher("label", f"^{re.escape(fields.text(raw, 'name'))}$")


def _compiled(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ObsstackError(
            "A derived field's expression is none for Python.",
            expected="a regular expression that Python and Grafana both understand",
            found=f"{pattern!r}: {error}",
            advice="write matcherRegex without what only JavaScript knows",
        ) from error
    return pattern
