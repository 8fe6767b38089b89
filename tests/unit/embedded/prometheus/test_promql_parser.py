"""What the recorded answers and Prometheus' own tests (tests/contract) do not ask."""

from __future__ import annotations

import pytest

from pytest_obsstack.embedded.prometheus.promql.ast import (
    At,
    Binary,
    Call,
    MatrixSelector,
    NumberLiteral,
    StringLiteral,
    Subquery,
    Unary,
    VectorSelector,
)
from pytest_obsstack.embedded.prometheus.promql.errors import PromqlParseError
from pytest_obsstack.embedded.prometheus.promql.parser import parse
from pytest_obsstack.embedded.prometheus.promql.printer import pretty, text
from pytest_obsstack.embedded.prometheus.promql.selectors import parse_selector


def test_modifiers_reach_the_selector_within_a_range() -> None:
    expr = parse("x[5m] offset 1m @ end()")
    assert isinstance(expr, MatrixSelector)
    assert (expr.range_ms, expr.selector.offset_ms, expr.selector.at) == (
        300_000,
        60_000,
        At("end"),
    )


def test_subquery_without_a_step_leaves_it_to_the_server() -> None:
    expr = parse("x[5m:] @ 1.5 offset -30s")
    assert isinstance(expr, Subquery)
    assert (expr.step_ms, expr.offset_ms, expr.at) == (None, -30_000, At("time", 1500))


def test_sign_binds_weaker_than_a_power_and_folds_into_a_number() -> None:
    assert isinstance(parse("-x ^ 2"), Unary)
    number = parse("-2")
    assert isinstance(number, NumberLiteral)
    assert (number.value, number.position) == (-2.0, 0)


def test_power_is_right_associative_and_the_rest_left() -> None:
    power, difference = parse("a ^ b ^ c"), parse("a - b - c")
    assert isinstance(power, Binary)
    assert isinstance(power.right, Binary)
    assert isinstance(difference, Binary)
    assert isinstance(difference.left, Binary)


def test_positions_are_those_of_the_expressions() -> None:
    call = parse("rate( x[5m] )")
    assert isinstance(call, Call)
    assert [arg.position for arg in call.args] == [6]


def test_keywords_may_be_metric_and_label_names() -> None:
    for name in ("sum", "by", "offset", "and", "start", "group"):
        selector = parse(f'{name}{{on="x"}}')
        assert isinstance(selector, VectorSelector)
        assert selector.name == name
    assert text(parse("sum by (on, by, and) (x)")) == "sum by (on, by, and) (x)"


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        (r'"\x41\101\u00e9\U0001F600"', "AAé😀"),
        (r"'it\'s'", "it's"),
        ("`a\\n\nb`", "a\\n\nb"),
        (r'"\xff"', "�"),
        ('"\\a\\b\\f\\n\\r\\t\\v\\\\"', "\a\b\f\n\r\t\v\\"),
    ],
)
def test_string_is_unquoted_as_in_go(literal: str, value: str) -> None:
    expr = parse(literal)
    assert isinstance(expr, StringLiteral)
    assert expr.value == value


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("0x1F", 31),
        ("010", 8),
        ("08", 8),
        ("1_000.5", 1000.5),
        (".5e1", 5),
        ("1h30m", 5400),
        ("9223372036854775808", 2**63),
    ],
)
def test_number_is_read_as_in_go(literal: str, value: float) -> None:
    expr = parse(literal)
    assert isinstance(expr, NumberLiteral)
    assert expr.value == value


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("1 +\né", "2:1: parse error: unexpected character: 'é'"),
        ('"é" + $', "1:8: parse error: unexpected character: '$'"),
        ("sum(a b)", '1:7: parse error: unexpected identifier "b" in aggregation'),
        (
            "sum by (1) (a)",
            '1:9: parse error: unexpected number "1" in grouping opts, expected label',
        ),
        ('sum by ("") (a)', '1:9: parse error: invalid label name for grouping: ""'),
        ("sum()", "1:1: parse error: no arguments for aggregate expression provided"),
        ("x[5m] @ 1 @ 2", "1:1: parse error: @ <timestamp> may not be set multiple times"),
        ("x @ Inf", "1:1: parse error: timestamp out of bounds for @ modifier: inf"),
        ("(x)[5m]", "1:4: parse error: ranges only allowed for vector selectors"),
        ("x offset 1m [5m]", "1:13: parse error: no offset modifiers allowed before range"),
        ("x @ 1 [5m]", "1:7: parse error: no @ modifiers allowed before range"),
        ("x[5m:1m", "1:8: parse error: unclosed left bracket"),
        ("x[1m+1m]", "1:3: parse error: experimental duration expression is not enabled"),
        ("x offset (1m)", "1:11: parse error: experimental duration expression is not enabled"),
        (
            "x{a}",
            '1:4: parse error: unexpected "}" in label matching, expected label matching operator',
        ),
        ("x{,}", '1:3: parse error: unexpected "," in label matching, expected identifier or "}"'),
        (
            "-x[5m]",
            (
                "1:1: parse error: unary expression only allowed on expressions of type scalar "
                'or instant vector, got "range vector"'
            ),
        ),
        ("1 + on(a) x", "1:1: parse error: vector matching only allowed between instant vectors"),
        (
            "label_join(x)",
            '1:1: parse error: expected at least 3 argument(s) in call to "label_join", got 1',
        ),
        (
            "round(x, 1, 2)",
            '1:1: parse error: expected at most 2 argument(s) in call to "round", got 3',
        ),
        ("info(x)", '1:1: parse error: function "info" is not enabled'),
        ("1e", '1:1: parse error: bad number or duration syntax: "1e"'),
        ("5mx", '1:1: parse error: bad number or duration syntax: "5mx"'),
        ('"\\x4"', "1:1: parse error: illegal character U+0022 '\"' in escape sequence"),
        ('"\\ud800"', "1:1: parse error: escape sequence is an invalid Unicode code point"),
        ("`abc", "1:1: parse error: unterminated raw string"),
    ],
)
def test_what_does_not_parse_is_told_with_its_place(query: str, error: str) -> None:
    with pytest.raises(PromqlParseError) as caught:
        parse(query)
    assert str(caught.value) == error


def test_selector_of_the_api_takes_no_expression() -> None:
    assert [matcher.name for matcher in parse_selector('x{a="b"}')] == ["a", "__name__"]
    with pytest.raises(PromqlParseError, match=r'1:2: parse error: unexpected "\["'):
        parse_selector("x[5m]")
    with pytest.raises(PromqlParseError, match="unknown position: parse error: unexpected end of"):
        parse_selector("")


@pytest.mark.parametrize(
    ("query", "formatted"),
    [
        ("sum(x)by(a)", "sum by (a) (x)"),
        ("sum without()(x)", "sum without () (x)"),
        ('x{b="1",a=~"2"}offset 1h', 'x{a=~"2",b="1"} offset 1h'),
        ('{"a.b", "c d"!="e"}', '{"c d"!="e",__name__="a.b"}'),
        ("x[90s] @ 1.5 offset -1m", "x[1m30s] @ 1.500 offset -1m"),
        ("x[5m:] @ start()", "x[5m:] @ start()"),
        ("-(1+2)", "-(1 + 2)"),
        ("a/on(x)group_left(y)b", "a / on (x) group_left (y) b"),
        ("a>bool 1", "a > bool 1"),
        ("a and ignoring(x)b", "a and ignoring (x) b"),
        ("topk(3,x)", "topk(3, x)"),
        ("1h30m+0.10", "1h30m + 0.1"),
        ("'a\"b'", '"a\\"b"'),
    ],
)
def test_expression_is_formatted_as_prometheus_does(query: str, formatted: str) -> None:
    assert pretty(parse(query)) == formatted


def test_long_expression_is_broken_into_lines() -> None:
    selector = f'requests_total{{path="{"x" * 60}"}}'
    query = f"sum by (a) (rate({selector}[5m])) / ignoring (b) (sum({selector}))"
    assert pretty(parse(query)) == "\n".join(
        [
            "  sum by (a) (",
            f"    rate({selector}[5m])",
            "  )",
            "/ ignoring (b)",
            f"  (sum({selector}))",
        ]
    )
