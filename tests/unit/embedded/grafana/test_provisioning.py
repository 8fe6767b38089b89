"""The provisioning folder: variables, JSON and other YAML, what is wrong with a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_obsstack.embedded.grafana.expansion import expanded, expanded_text
from pytest_obsstack.embedded.grafana.provisioning import ProvisioningError, load, seconds
from tests.unit.embedded.grafana.support import provision, write

STACK = Path(__file__).parents[4] / "stack/grafana/provisioning"
ENVIRONMENT = {"HOST": "loki", "EMPTY": "", "PORT": "3100"}
RULE: dict[str, Any] = {
    "uid": "r",
    "title": "Rule",
    "condition": "A",
    "for": "1m",
    "annotations": {"summary": "{{ $$labels.job }} on $HOST"},
    "labels": {"severity": "page"},
    "data": [{"refId": "A", "datasourceUid": "prometheus", "model": {"expr": "rate(x[$__range])"}}],
}


def group(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"name": "g", "folder": "f", "interval": "10s", "rules": list(rules)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://$HOST:${PORT}/", "http://loki:3100/"),
        ("$NOTHING-${NOTHING}", "-"),
        ("[$EMPTY]", "[]"),
        ("mY,Passwo$$rd", "mY,Passwo$rd"),
        ("$$", "$"),
        ("$$$$", "$$"),
        ("$$HOST and $HOST", "$HOST and loki"),
        ("${$${__value.raw}", "${${__value.raw}"),
        ("$1 $* x", "  x"),
        ("100$ and $", "100$ and $"),
        ("${}", ""),
        ("$__env{HOST}:$__env{NOTHING}", "loki:"),
    ],
)
def test_variables_are_expanded_as_grafana_does(text: str, expected: str) -> None:
    assert expanded_text(text, ENVIRONMENT) == expected


def test_a_file_can_be_named_instead_of_a_value(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hello, world\n")
    assert expanded_text(f"$__file{{{tmp_path}/secret}}", {}) == "hello, world"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("$__file{/nothing}", "No such file"),
        ("$__vault{x}", "no expander 'vault'"),
    ],
)
def test_an_expander_that_fails_ends_the_start(tmp_path: Path, text: str, complaint: str) -> None:
    source = {"name": text, "type": "loki"}
    with pytest.raises(ProvisioningError, match=complaint) as refusal:
        load(provision(tmp_path, sources=[source]), {})
    assert "failed to interpolate value" in str(refusal.value)


def test_values_below_are_expanded_and_keys_are_not() -> None:
    value = {"$HOST": ["$HOST", {"a": "$PORT"}, 1, None, True]}
    assert expanded(value, ENVIRONMENT) == {"$HOST": ["loki", {"a": "3100"}, 1, None, True]}


def test_other_yaml_is_read_with_the_library(tmp_path: Path) -> None:
    content = (
        b"datasources:\n  - name: Loki  # with a comment\n    type: loki\n    url: http://$HOST\n"
    )
    write(tmp_path, "datasources/a.yml", content)
    (source,) = load(tmp_path, ENVIRONMENT).data_sources
    assert (source.url, source.uid) == ("http://loki", "P0000000000000001")


def test_other_yaml_without_the_library_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "datasources/a.yaml", b"datasources: []\n")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ProvisioningError) as refusal:
        load(tmp_path, {})
    assert str(refusal.value) == (
        f"{tmp_path}/datasources/a.yaml: expected JSON, found other YAML, which needs the package "
        "PyYAML: install it, or write the file as JSON"
    )


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("datasources/a.yaml", b"a: [", "a.yaml: not YAML: "),
        ("datasources/a.yaml", b"[]", "a.yaml: expected a mapping, found list"),
        (
            "datasources/a.yaml",
            b'{"datasources": {}, "x": 1, "datasources": "no"}',
            "a.yaml: expected datasources as a list of mappings",
        ),
        (
            "datasources/a.yaml",
            b'{"datasources": [{"name": "x"}]}',
            "a data source: expected a name and a type, found {'name': 'x'}",
        ),
        (
            "dashboards/a.yaml",
            b'{"providers": [{"options": {"path": "/nowhere"}}]}',
            "a.yaml: expected a folder of dashboards, found none: /nowhere",
        ),
    ],
)
def test_a_file_that_is_wrong_is_named(
    tmp_path: Path, name: str, content: bytes, complaint: str
) -> None:
    write(tmp_path, name, content)
    with pytest.raises(ProvisioningError) as refusal:
        load(tmp_path, {})
    assert complaint in str(refusal.value)


def test_a_dashboard_without_a_title_is_named(tmp_path: Path) -> None:
    provision(tmp_path, dashboards={"broken": {"uid": "x"}})
    with pytest.raises(ProvisioningError, match=r"broken\.json: expected a dashboard's JSON with"):
        load(tmp_path, {})


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProvisioningError, match="expected a folder, found none at '"):
        load(tmp_path / "none", {})


def test_an_empty_folder_provisions_nothing(tmp_path: Path) -> None:
    found = load(tmp_path, {})
    assert (found.data_sources, found.dashboards, found.alert_rules) == ((), (), ())


def test_a_rules_queries_are_not_expanded_and_its_texts_are(tmp_path: Path) -> None:
    (rule,) = load(provision(tmp_path, groups=[group(RULE)]), ENVIRONMENT).alert_rules
    assert rule.data[0]["model"]["expr"] == "rate(x[$__range])"
    assert rule.annotations == {"summary": "{{ $labels.job }} on loki"}
    assert (rule.for_s, rule.interval_s, rule.no_data_state, rule.exec_err_state) == (
        60.0,
        10.0,
        "NoData",
        "Alerting",
    )


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"title": ""}, "rule 1 failed to parse: no title set"),
        ({"uid": ""}, "rule 'Rule' failed to parse: no uid set"),
        ({"condition": ""}, "rule 'Rule' failed to parse: no condition set"),
        ({"data": []}, "rule 'Rule' failed to parse: no data set"),
        ({"for": "soon"}, "rule 'Rule' failed to parse: not a valid duration string: 'soon'"),
    ],
)
def test_a_rule_that_is_wrong_is_named(
    tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    provision(tmp_path, groups=[group({**RULE, **change})])
    with pytest.raises(ProvisioningError) as refusal:
        load(tmp_path, {})
    assert str(refusal.value) == f"{tmp_path}/alerting/all.yaml: {complaint}"


@pytest.mark.parametrize(
    ("text", "expected"), [("0s", 0), ("1m30s", 90), ("200ms", 0.2), ("1h", 3600), ("1d", 86400)]
)
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


def test_the_stacks_own_folder_is_read() -> None:
    found = load(STACK, {"ALERT_WEBHOOK_URL": "http://hook"})
    assert {source.uid for source in found.data_sources} == {"prometheus", "loki", "tempo"}
    assert [dashboard.uid for dashboard in found.dashboards] == ["simple-app"]
    assert [rule.uid for rule in found.alert_rules] == ["simple-app-error-rate"]
    loki = found.data_source("loki")
    assert loki is not None
    assert loki.json_data["derivedFields"][0]["url"] == "${__value.raw}"
