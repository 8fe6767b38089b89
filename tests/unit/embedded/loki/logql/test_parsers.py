"""The parsers of lines, apart from what the recorded answers show."""

from __future__ import annotations

import pytest

from pytest_obsstack.embedded.loki.logql.json_parser import json_stage, parse_path
from pytest_obsstack.embedded.loki.logql.json_scan import JsonScanError, JsonValue, find, members
from pytest_obsstack.embedded.loki.logql.labels import EntryLabels
from pytest_obsstack.embedded.loki.logql.logfmt_parser import LogfmtError, pairs
from pytest_obsstack.embedded.loki.logql.pattern_parser import pattern_stage, pattern_test
from pytest_obsstack.embedded.loki.logql.syntax import JsonParser, PatternParser


def json_labels(line: str) -> dict[str, str]:
    labels = EntryLabels({}, {})
    json_stage(JsonParser())(line, labels)
    return labels.all()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (' {"a":1} ', {"a": "1"}),
        ('{"a":1} and more', {"a": "1"}),
        ('{"a":"tab\there"}', {"a": "tab\there"}),
        ('{"a":"\\ud83d\\ude00 \\ud800"}', {"a": "😀 \ufffd"}),
        ('{"a":{"b":{},"9c":true}}', {"a_9c": "true"}),
        ('{"":1," ":2,"a":-0}', {"a": "-0"}),
        ('{"a":{"b":1},"a_b":2}', {"a_b": "1"}),
    ],
)
def test_json_takes_what_it_can(line: str, found: dict[str, str]) -> None:
    assert json_labels(line) == found


@pytest.mark.parametrize(
    ("line", "found", "details"),
    [
        ("", {}, "Value looks like object, but can't find closing '}' symbol"),
        ("{", {}, "Malformed JSON error"),
        ('{"a":1,"b"', {"a": "1"}, "Malformed JSON error"),
        ('{"a":1,"b', {"a": "1"}, "Malformed JSON error"),
        ('{"a":1,"b":', {"a": "1"}, "Malformed JSON error"),
        ('{"a":"x', {}, "Value is string, but can't find closing '\"' symbol"),
        ('{"a":[1', {}, "Value is array, but can't find closing ']' symbol"),
        ('{"a":{"b":1', {}, "Value looks like object, but can't find closing '}' symbol"),
        ('{"a":NaN}', {}, "Unknown value type"),
        ('{"a":1 "b":2}', {"a": "1"}, "Value looks like object, but can't find closing '}' symbol"),
        ("{a:1}", {}, "Value looks like object, but can't find closing '}' symbol"),
    ],
)
def test_a_fault_in_json_keeps_what_stands_before_it(
    line: str, found: dict[str, str], details: str
) -> None:
    error = {"__error__": "JSONParserErr", "__error_details__": details}
    assert json_labels(line) == {**found, **error}


def test_json_nested_beyond_all_bounds_is_no_crash() -> None:
    deep = '{"a":' * 20_000

    for line in (deep + "1" + "}" * 20_000, deep):
        assert json_labels(line)["__error__"] == "JSONParserErr"


def test_a_path_goes_through_objects_and_arrays() -> None:
    text = '{"a":{"b c":[{"d":1},{"d":"x\\ny"}]},"e":[1,[2]]}'

    for expression, found in (
        ('a["b c"][1].d', "x\ny"),
        ("e[1]", "[2]"),
        ("e[1][0]", "2"),
        ("e.x", None),
        ("a[0]", None),
        ("gone.b", None),
    ):
        value = find(text, parse_path(expression))
        assert (value and value.text) == found, expression


def test_a_path_in_text_that_is_cut_off_finds_nothing() -> None:
    assert find('{"a":1,"b":"x', ("b",)) is None


def test_members_of_a_broken_object_come_up_to_the_fault() -> None:
    found = members('{"a":true,"b":null,"c')

    assert next(found) == ("a", JsonValue("boolean", "true"))
    assert next(found) == ("b", JsonValue("null", "null"))
    with pytest.raises(JsonScanError, match="Malformed JSON error"):
        next(found)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("a=1  b=2\tc", [("a", "1"), ("b", "2"), ("c", "")]),
        ('a="x y"b=2', [("a", "x y"), ("b", "2")]),
        ('a="é\\u00e9\\n" b=', [("a", "éé\n"), ("b", "")]),
        ('a"b=1 c=2', [("c", "2")]),
        ('a=b"c d=1', [("d", "1")]),
        ('a="\\q" b=1', [("b", "1")]),
        ('a="open b=1', []),
        ("", []),
    ],
)
def test_logfmt_skips_a_faulty_pair(line: str, found: list[tuple[str, str]]) -> None:
    assert list(pairs(line, strict=False)) == found


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ä=1 =2", "logfmt syntax error at pos 6 : unexpected '='"),
        ('a=1"', "logfmt syntax error at pos 4 : unexpected '\"'"),
        ('a="\\q"', "logfmt syntax error at pos 7 : invalid quoted value"),
    ],
)
def test_strict_logfmt_tells_the_first_fault(line: str, message: str) -> None:
    with pytest.raises(LogfmtError) as error:
        list(pairs(line, strict=True))

    assert str(error.value) == message


@pytest.mark.parametrize(
    ("pattern", "line", "found"),
    [
        ("[<level>] <msg>", "[info] started", {"level": "info", "msg": "started"}),
        ("[<level>] <msg>", "started [info]", {}),
        ("<_> <b>", "a b c", {"b": "b c"}),
        ("<a> end", "the end", {"a": "the"}),
        ("<a>,<_>,<c>", "1,2", {"a": "1"}),
        ("<a>", "", {}),
    ],
)
def test_a_pattern_captures_what_is_between_its_texts(
    pattern: str, line: str, found: dict[str, str]
) -> None:
    labels = EntryLabels({}, {})
    pattern_stage(PatternParser(pattern))(line, labels)

    assert labels.all() == found


@pytest.mark.parametrize(
    ("pattern", "line", "passes"),
    [
        ("a<_>", "a", False),
        ("a<_>", "ab", True),
        ("<_>b", "b", False),
        ("<_>b", "ab", True),
        ("a<_>c", "xabc", True),
        ("a<_>c", "abcd", False),
        ("", "", True),
        ("", "a", False),
        ("<_>", "", False),
    ],
)
def test_a_pattern_filter_needs_something_for_each_capture(
    pattern: str, line: str, passes: bool
) -> None:
    assert pattern_test(pattern)(line) is passes
