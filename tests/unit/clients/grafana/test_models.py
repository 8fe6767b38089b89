"""Links to traces and alert rules, in the form in which the API has them.

Data sources: https://grafana.com/docs/grafana/latest/developers/http_api/data_source/; rules: the
answer that ``TestPrometheusRules`` of https://github.com/grafana/grafana expects
(``pkg/tests/api/alerting/api_prometheus_test.go``).
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from pytest_obsstack.clients.grafana.models import (
    DataSource,
    parse_data_source,
    parse_rule_group,
)
from pytest_obsstack.errors import ObsstackError

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def source(**settings: Any) -> DataSource:
    raw = {"uid": "u", "name": "n", "type": "loki", "jsonData": settings}
    return parse_data_source(raw)


def derived(**more: Any) -> dict[str, Any]:
    whole = {"name": "Trace", "url": "${__value.raw}", "datasourceUid": "tempo"}
    return {"matcherRegex": "trace_id", **whole, **more}


def test_a_derived_field_finds_the_id_in_a_label() -> None:
    (link,) = source(derivedFields=[derived(matcherType="label")]).trace_links
    assert (link.source_uid, link.target_uid) == ("u", "tempo")
    assert link.query("no id", {"service_name": "app", "trace_id": TRACE}) == TRACE
    assert link.query(f"trace_id={TRACE}", {"service_name": "app"}) is None


@pytest.mark.parametrize("kind", [{}, {"matcherType": "regex"}])
def test_a_derived_field_finds_the_id_in_the_line(kind: dict[str, str]) -> None:
    (link,) = source(derivedFields=[derived(matcherRegex=r"trace_id=(\w+)", **kind)]).trace_links
    assert link.query(f"x trace_id={TRACE} y", {}) == TRACE
    assert link.query("x", {"trace_id": TRACE}) is None


def test_an_expression_without_a_group_gives_no_value_as_in_grafana() -> None:
    (link,) = source(derivedFields=[derived(matcherRegex=r"\w{32}")]).trace_links
    assert link.query(TRACE, {}) is None


def test_a_links_query_may_have_more_than_the_id() -> None:
    field = derived(matcherType="label", url='{ trace:id = "${__value.raw}" }')
    (link,) = source(derivedFields=[field]).trace_links
    assert link.query("", {"trace_id": "abc"}) == '{ trace:id = "abc" }'


def test_a_link_to_another_page_has_no_data_source() -> None:
    field = derived(matcherType="label", url="https://t/${__value.raw}", datasourceUid=None)
    (link,) = source(derivedFields=[field]).trace_links
    assert link.target_uid is None
    assert link.query("", {"trace_id": "abc"}) == "https://t/abc"


def test_a_destination_of_exemplars_finds_the_id_in_exactly_its_label() -> None:
    destination = {"name": "trace_id", "datasourceUid": "tempo"}
    (link,) = source(exemplarTraceIdDestinations=[destination]).trace_links
    assert link.target_uid == "tempo"
    assert link.query("", {"parent_trace_id": "no", "trace_id": TRACE}) == TRACE
    assert link.query("", {"traceID": TRACE}) is None


def test_a_data_source_without_links_has_none() -> None:
    assert source().trace_links == ()


def test_a_matcher_of_an_unknown_type_is_told() -> None:
    with pytest.raises(ObsstackError, match="matcherType 'label' or 'regex'"):
        _ = source(derivedFields=[derived(matcherType="xpath")]).trace_links


def test_an_expression_that_python_cannot_read_is_told() -> None:
    with pytest.raises(ObsstackError) as caught:
        _ = source(derivedFields=[derived(matcherRegex="(")]).trace_links
    assert caught.value.summary == "A derived field's expression is none for Python."
    assert caught.value.found is not None
    assert caught.value.found.startswith("'(': ")


RULE = {
    "state": "firing",
    "name": "High error rate",
    "query": "[]",
    "duration": 10,
    "annotations": {"summary": "it fails"},
    "labels": {"severity": "page"},
    "health": "ok",
    "type": "alerting",
    "lastEvaluation": "2026-11-23T10:00:00.123456789+01:00",
    "evaluationTime": 0.01,
    "uid": "simple-app-error-rate",
}


def group(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"name": "simple-app", "file": "obsstack", "rules": list(rules), "interval": 10}


def test_a_rule_has_its_state_and_its_last_evaluation() -> None:
    (rule,) = parse_rule_group(group(RULE))
    assert (rule.name, rule.group, rule.folder) == ("High error rate", "simple-app", "obsstack")
    assert (rule.state, rule.health, rule.last_error) == ("firing", "ok", None)
    assert rule.last_evaluation == datetime(2026, 11, 23, 9, 0, 0, 123456, timezone.utc)
    assert (rule.interval_s, rule.for_s, rule.uid) == (10.0, 10.0, "simple-app-error-rate")
    assert (rule.labels, rule.annotations) == ({"severity": "page"}, {"summary": "it fails"})


def test_a_rule_that_was_never_evaluated_says_so() -> None:
    never = {**RULE, "state": "inactive", "lastEvaluation": "0001-01-01T00:00:00Z"}
    del never["duration"], never["uid"], never["labels"]
    (rule,) = parse_rule_group(group(never))
    assert rule.last_evaluation is None
    assert (rule.for_s, rule.uid, rule.labels) == (0.0, None, {})


def test_recording_rules_have_no_state_and_are_left_out() -> None:
    assert parse_rule_group(group({"name": "r", "type": "recording", "health": "ok"})) == ()
