"""Template variables: https://grafana.com/docs/grafana/latest/dashboards/variables/."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_obsstack.clients.grafana.variables import parse_variable, replaced, with_values
from pytest_obsstack.errors import ObsstackError


def variable(name: str = "service", kind: str = "query", **more: Any) -> Any:
    return parse_variable({"name": name, "type": kind, **more})


def shown(text: str, *variables: Any, **given: Any) -> Any:
    return replaced(text, with_values(variables, given))


SELECTED = variable(current={"text": "a", "value": "a.b"})
SEVERAL = variable(multi=True, current={"value": ["a.b", "c"]})
ALL = {"value": ["$__all"]}


@pytest.mark.parametrize(
    "reference", ["$service", "${service}", "[[service]]", "${service:raw}", "[[service:raw]]"]
)
def test_every_way_to_name_a_variable_is_replaced(reference: str) -> None:
    assert shown(f'up{{job="{reference}"}}', SELECTED) == 'up{job="a.b"}'


def test_texts_are_replaced_wherever_they_are() -> None:
    node = {"expr": "$service", "list": ["x $service", 1, None], "on": True}
    expected = {"expr": "a.b", "list": ["x a.b", 1, None], "on": True}
    assert shown(node, SELECTED) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["$__rate_interval", "${__range}", "$__interval_ms", "$1", "a$", "$serviceable", "$$"]
)
def test_what_is_no_variable_of_the_dashboard_is_left_alone(text: str) -> None:
    assert shown(text, SELECTED) == text


def test_a_given_value_wins_over_the_selected_one() -> None:
    assert shown("$service", SELECTED, service="mine") == "mine"


def test_several_values_are_a_pattern_in_a_quoted_text() -> None:
    assert shown('{job=~"$service"}', SEVERAL) == '{job=~"(a\\\\.b|c)"}'
    assert shown('{job=~"$service"}', SEVERAL, service="a.b") == '{job=~"a\\\\.b"}'
    assert shown("$service", SEVERAL, service=["x", "y"]) == "(x|y)"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("regex", "(a\\.b|c)"), ("pipe", "a.b|c"), ("csv", "a.b,c"), ("raw", "a.b,c")],
)
def test_the_format_says_how_several_values_are_joined(kind: str, expected: str) -> None:
    assert shown(f"${{service:{kind}}}", SEVERAL) == expected


def test_a_format_that_is_not_known_is_refused() -> None:
    with pytest.raises(ObsstackError) as caught:
        shown("${service:sqlstring}", SEVERAL)
    assert str(caught.value) == (
        "The format of ${service:sqlstring} is not supported here.\n"
        "  expected  one of raw, csv, pipe, regex\n"
        "  found     'sqlstring'"
    )


@pytest.mark.parametrize("reference", ["$service", "${service:regex}"])
def test_all_is_the_dashboards_own_pattern_as_it_is(reference: str) -> None:
    own = variable(multi=True, includeAll=True, allValue=".+", current=ALL)
    assert shown(reference, own) == ".+"
    assert shown(reference, own, service="a.b") != "a.b"


def test_all_without_a_pattern_is_every_option() -> None:
    options = [{"value": "$__all"}, {"value": "a"}, {"value": "b"}]
    assert shown("$service", variable(includeAll=True, current=ALL, options=options)) == "(a|b)"


@pytest.mark.parametrize(
    ("kind", "query", "expected"),
    [
        ("constant", "c", "c"),
        ("textbox", "", ""),
        ("custom", "one, two", "one"),
        ("interval", "1m,5m", "1m"),
    ],
)
def test_a_variable_without_a_selection_begins_with_its_own_first_value(
    kind: str, query: str, expected: str
) -> None:
    assert shown("$v", variable("v", kind, query=query, current={})) == expected


def test_a_variable_that_only_the_browser_can_fill_must_be_given() -> None:
    unknown = variable(query="label_values(up, job)", current={})
    with pytest.raises(ObsstackError) as caught:
        shown("$service", unknown)
    assert str(caught.value) == (
        "The dashboard's variable 'service' has no value.\n"
        "  expected  a value that is saved with the dashboard, or given\n"
        "  found     a variable whose values the browser asks for when it loads the dashboard\n"
        "  do        give it: variables={'service': …}"
    )
    assert shown("$service", unknown, service="x") == "x"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [([SELECTED], "one of 'service'"), ([], "no value: it has no variables")],
)
def test_a_value_for_a_variable_that_is_not_there_is_told(
    variables: list[Any], expected: str
) -> None:
    with pytest.raises(ObsstackError) as caught:
        with_values(variables, {"servcie": "x"})
    assert caught.value.summary == "The dashboard has no variable 'servcie'."
    assert (caught.value.expected, caught.value.found) == (
        expected,
        "variables={'servcie': 'x'}",
    )
