from __future__ import annotations

import pytest

from pytest_obsstack.embedded.loki.logql.errors import NotSupported
from pytest_obsstack.embedded.loki.logql.regexps import (
    RegexpError,
    compile_anchored,
    compile_search,
)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("a$", "ba"),
        ("(?m)a$", "a\nb"),
        (r"a\z", "ba"),
        ("x(?i)ab|CD", "cd"),
        ("(?i:a)b", "Ab"),
        ("(?s)a.b", "a\nb"),
        ("(?i)größe", "GRÖSSE".replace("SS", "ß")),
        (r"\Qa.b\E+", "a.bbb"),
        ("[[:upper:]_]+x", "A_x"),
        ("[^[:space:]]", "a"),
        (r"[\]\-a]", "-"),
        ("[]a]", "]"),
        ("[[&&]", "&"),
        (r"\x{263a}", "☺"),
        (r"\x41\101", "AA"),
        ("(?P<a>x)(?<b>y)", "xy"),
        ("a{2}b{1,}", "aab"),
        ("a{,2}", "a{,2}"),
        ("{", "{"),
        ("a+?b*?", "ab"),
        (r"\bärger", "xärger"),
    ],
)
def test_a_go_pattern_finds_what_go_finds(pattern: str, text: str) -> None:
    assert compile_search(pattern).search(text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("a$", "a\n"),
        ("a.b", "a\nb"),
        (r"\d", "٣"),
        (r"\w", "ä"),
        ("(?i:a)b", "AB"),
        ("(x(?i)a)b", "xAB"),
    ],
)
def test_a_go_pattern_does_not_find_what_only_python_would(pattern: str, text: str) -> None:
    assert not compile_search(pattern).search(text)


def test_an_anchored_pattern_matches_across_lines() -> None:
    assert compile_anchored("a.*b").fullmatch("a\nb")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "missing closing ): `(`"),
        ("a)b", "unexpected ): `a)b`"),
        ("[a", "missing closing ]: `[a`"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("a|*", "missing argument to repetition operator: `*`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a++", "invalid nested repetition operator: `++`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("(?P<a", "invalid named capture: `(?P<a`"),
        ("(?P<a b>x)", "invalid named capture: `(?P<a b>`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?<!a)", "invalid or unsupported Perl syntax: `(?<`"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
        (r"\y", r"invalid escape sequence: `\y`"),
        ("a\\", "trailing backslash at end of expression: ``"),
        ("[[:nope:]]", "invalid character class range: `[:nope:]`"),
    ],
)
def test_what_go_refuses_is_refused_in_its_words(pattern: str, message: str) -> None:
    with pytest.raises(RegexpError) as error:
        compile_search(pattern)

    assert str(error.value) == f"error parsing regexp: {message}"


@pytest.mark.parametrize("pattern", [r"\pL", r"[\p{Greek}]", "(?U)a+"])
def test_what_is_not_translated_is_refused_by_name(pattern: str) -> None:
    with pytest.raises(NotSupported, match=r"not supported by the embedded Loki: .* in a regular"):
        compile_search(pattern)
