"""Selectors, narrowed to the instance that a test drives; PromQL's own parser judges them."""

from __future__ import annotations

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from promql_parser import VectorSelector, parse

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.expect.selector import label_names, name_of, own_selector

# With prefixes, so that no name is one of PromQL's own words.
NAMES = st.from_regex(r"(m_|:m:)[a-zA-Z0-9_:]{0,10}", fullmatch=True)
LABELS = st.from_regex(r"l_[a-z0-9_]{0,6}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
INSTANCES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@st.composite
def selectors(draw: st.DrawFn) -> str:
    """A metric name with label matchers, spaces and a trailing comma where they may stand."""
    matchers = [
        label + draw(st.sampled_from(["=", "!="])) + quoted(draw(TEXTS))
        for label in draw(st.lists(LABELS, max_size=3, unique=True))
    ]
    inner = draw(st.sampled_from([",", ", ", " , "])).join(matchers)
    if matchers:
        inner += draw(st.sampled_from(["", ","]))
    name, braces = draw(NAMES), f"{{{inner}}}"
    if matchers:
        return name + draw(st.sampled_from(["", " "])) + braces
    return name + draw(st.sampled_from(["", braces]))


def instances_of(selector: str) -> list[str]:
    parsed = parse(selector)
    assert isinstance(parsed, VectorSelector)
    return [m.value for m in parsed.matchers.matchers if m.name == "instance"]


@for_all(selectors(), INSTANCES)
def test_every_selector_stays_valid_and_gets_the_instance(selector: str, instance: str) -> None:
    parse(selector)
    assert instances_of(own_selector(selector, instance)) == [instance]


@pytest.mark.parametrize(
    ("selector", "own"),
    [
        ("up", 'up{instance="i"}'),
        ("up{}", 'up{instance="i"}'),
        (' up { a = "b" , } ', 'up{a = "b" ,instance="i"}'),
        ('{__name__="up"}', '{__name__="up",instance="i"}'),
        ("up{a='}'}", "up{a='}',instance=\"i\"}"),
        ("up{a=`,instance=x`}", 'up{a=`,instance=x`,instance="i"}'),
        ('up{a="x, instance=y"}', 'up{a="x, instance=y",instance="i"}'),
        ('up{a="b,"}', 'up{a="b,",instance="i"}'),
        ('up{my_instance="x"}', 'up{my_instance="x",instance="i"}'),
    ],
)
def test_the_instance_is_added_to_the_matchers(selector: str, own: str) -> None:
    assert own_selector(selector, "i") == own


def test_an_instance_with_quotes_and_backslashes_is_escaped() -> None:
    assert own_selector("up", 'a"b\\c\nd') == 'up{instance="a\\"b\\\\c\\nd"}'
    assert instances_of(own_selector("up", 'a"b\\c\nd')) == ['a"b\\c\nd']


@pytest.mark.parametrize(
    "selector",
    [
        'up{instance="other"}',
        'up{a="b", instance =~ "x.*"}',
        'up{instance!="x"}',
        'up{service_instance_id="x"}',
    ],
)
def test_an_instance_that_the_test_names_is_left_alone(selector: str) -> None:
    assert own_selector(selector, "i") == selector


def test_without_a_known_instance_the_selector_is_left_alone() -> None:
    assert own_selector(' up{a="b"} ', "") == 'up{a="b"}'


@pytest.mark.parametrize(
    "expression", ["rate(up[5m])", "up[5m]", "up + 1", "up offset 5m", "{}", "", "sum(up)", "1"]
)
def test_an_expression_is_no_selector(expression: str) -> None:
    with pytest.raises(ObsstackError) as caught:
        own_selector(expression, "i")
    assert str(caught.value) == (
        f"Not a selector: {expression}\n"
        "  expected  a metric name with label matchers, as in "
        'http_requests_total{endpoint="/"}\n'
        "  found     something else\n"
        "  do        use expect_metric(promql, …) for expressions"
    )


@pytest.mark.parametrize(
    ("selector", "name"),
    [('up{a="b"}', "up"), (" up ", "up"), ('{__name__="up"}', None), ("rate(up[1m])", None)],
)
def test_the_name_stands_in_front_of_the_braces(selector: str, name: str | None) -> None:
    assert name_of(selector) == name


@pytest.mark.parametrize(
    ("promql", "labels"),
    [
        ("up", ()),
        ('up{a="1", b!~"{c=}"}', ("a", "b")),
        ('rate(up{a="1"}[5m]) / on(z) down{b=~".", a!="2"}', ("a", "b")),
    ],
)
def test_the_labels_of_an_expression_are_those_that_it_matches_by(
    promql: str, labels: tuple[str, ...]
) -> None:
    assert label_names(promql) == labels
