"""Rule files: what is read, and what is refused in Prometheus' own words (promtool 2.42)."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_obsstack.embedded.prometheus.rules.files import (
    AlertingConfig,
    RecordingConfig,
    parse_files,
)
from pytest_obsstack.embedded.prometheus.settings import PrometheusSettings


def test_a_file_in_prometheus_own_format_is_read() -> None:
    (group,) = parse_files(
        {
            "rules.yml": {
                "groups": [
                    {
                        "name": "app",
                        "interval": "1m30s",
                        "limit": 5,
                        "rules": [
                            {"record": "job:up:sum", "expr": "sum(up)by(job)", "labels": {"a": 1}},
                            {
                                "alert": "Down",
                                "expr": "up == 0",
                                "for": "5m",
                                "keep_firing_for": "10m",
                                "labels": {"severity": "page", "loud": True},
                                "annotations": {"summary": "{{ $labels.job }} is down"},
                            },
                        ],
                    }
                ]
            }
        }
    )
    assert (group.file, group.name, group.interval_ms, group.limit) == (
        "rules.yml",
        "app",
        90_000,
        5,
    )
    recording, alerting = group.rules
    assert recording == RecordingConfig("job:up:sum", "sum by (job) (up)", {"a": "1"})
    assert isinstance(alerting, AlertingConfig)
    assert (alerting.expr, alerting.for_ms, alerting.keep_firing_for_ms) == (
        "up == 0",
        300_000,
        600_000,
    )
    assert {name: text.source for name, text in alerting.labels} == {
        "severity": "page",
        "loud": "true",
    }
    assert [name for name, _ in alerting.annotations] == ["summary"]


def rule(**fields: Any) -> dict[str, Any]:
    return {"groups": [{"name": "a", "rules": [fields]}]}


X_RULE = 'group "a", rule 1, "x": '


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"groups": [{"name": "", "rules": []}]}, "Groupname must not be empty"),
        (
            {"groups": [{"name": "a"}, {"name": "a"}]},
            'groupname: "a" is repeated in the same file',
        ),
        (
            rule(record="x", alert="y", expr="1"),
            "group \"a\", rule 1, \"y\": only one of 'record' and 'alert' must be set",
        ),
        (rule(expr="1"), "group \"a\", rule 1, \"\": one of 'record' or 'alert' must be set"),
        (rule(record="x"), f"{X_RULE}field 'expr' must be set in rule"),
        (
            rule(record="x", expr="sum("),
            f"{X_RULE}could not parse expression: 1:5: parse error: unclosed left parenthesis",
        ),
        (
            rule(record="x", expr="1", **{"for": "1m"}),
            f"{X_RULE}invalid field 'for' in recording rule",
        ),
        (
            rule(record="x", expr="1", keep_firing_for="1m"),
            f"{X_RULE}invalid field 'keep_firing_for' in recording rule",
        ),
        (
            rule(record="x", expr="1", annotations={"a": "b"}),
            f"{X_RULE}invalid field 'annotations' in recording rule",
        ),
        (
            rule(record="s{a}", expr="1"),
            'group "a", rule 1, "s{a}": invalid recording rule name: s{a}',
        ),
        (
            rule(alert="x", expr="1", labels={"__name__": "y"}),
            f"{X_RULE}invalid label name: __name__",
        ),
        (rule(alert="x", expr="1", labels={"a-b": "y"}), f"{X_RULE}invalid label name: a-b"),
        (
            rule(alert="x", expr="1", annotations={"a-b": "y"}),
            f"{X_RULE}invalid annotation name: a-b",
        ),
        (
            rule(alert="x", expr="1", annotations={"ab": "{{ $labels.x "}),
            f'{X_RULE}annotation "ab": template: __alert_x: unclosed action',
        ),
        (
            rule(alert="x", expr="1", annotations={"ab": "{{ $foo }}"}),
            f'{X_RULE}annotation "ab": template: __alert_x: undefined variable "$foo"',
        ),
        (
            rule(alert="x", expr="1", labels={"ab": '{{ query "up" }}'}),
            (
                f'{X_RULE}label "ab": template: __alert_x: not supported by the embedded '
                'Prometheus: the template action {{ query "up" }}; use --obs-stack=compose, or '
                "--obs-use prometheus=URL"
            ),
        ),
        (rule(alert="x", expr="1", color="r"), "field color not found in type rulefmt.RuleNode"),
        ({"group": []}, "field group not found in type rulefmt.RuleGroups"),
        ({"groups": [{"name": "a", "interval": "x"}]}, 'not a valid duration string: "x"'),
        (
            {"groups": [{"name": "a", "query_offset": "1m"}]},
            (
                "not supported by the embedded Prometheus: query_offset of a rule group; use "
                "--obs-stack=compose, or --obs-use prometheus=URL"
            ),
        ),
        ({"groups": {}}, "cannot unmarshal dict into groups"),
        ({"groups": ["a"]}, "cannot unmarshal str into rulefmt.RuleGroup"),
    ],
)
def test_a_file_that_cannot_be_loaded_says_why(document: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole text is compared
        parse_files({"rules.yml": document})
    assert str(raised.value) == reason


def test_settings_hold_rules_and_alertmanagers() -> None:
    settings = PrometheusSettings.from_json(
        {"rule_files": {"r.yml": rule(record="x", expr="1")}, "alertmanagers": ["http://a:1"]}
    )
    assert [group.name for group in settings.rule_groups] == ["a"]
    assert settings.alertmanagers == ("http://a:1",)
    with pytest.raises(ValueError, match="alertmanager 'a:1', expected http://host:port"):
        PrometheusSettings.from_json({"alertmanagers": ["a:1"]})
    with pytest.raises(ValueError, match="evaluation_interval_s 0, expected more than 0"):
        PrometheusSettings.from_json({"evaluation_interval_s": 0})
