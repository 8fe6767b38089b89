from __future__ import annotations

import pytest

from pytest_obsstack.embedded.prometheus.promql.regex import RegexError, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("a|bc", ["a", "bc"], ["ab", "abc", ""]),
        (".*", ["", "a\nb"], []),
        ("(?-s:.)", ["a"], ["\n"]),
        ("(?i:PRO).*", ["production", "PROD"], ["reproduce"]),
        (".*((?i)DUC).*", ["production"], ["prod"]),
        ("a(?i)b|c", ["ab", "aB", "C"], ["AB"]),
        ("(?i)ab(?-i)c", ["ABc"], ["ABC"]),
        (r"\d+", ["12"], ["१२", ""]),
        (r"[^\d]", ["x"], ["1"]),
        (r"[\D1]+", ["x1"], ["2"]),
        (r"\w\S\W\s", ["a-- "], ["é-- "]),
        ("[[:alpha:]_]+", ["ab_"], ["a1"]),
        ("[[:^alpha:]]", ["1", "é"], ["a"]),
        ("[[:^ascii:]]", ["é"], ["\0", "a"]),
        ("(?P<1>a)(?P<1>b)", ["ab"], ["a"]),
        ("[]a]+", ["]a"], ["[a"]),
        ("[^]a]", ["b"], ["]"]),
        ("[a-c-]+", ["a-c"], ["d"]),
        (r"\Qa.b\E+", ["a.ba.b"], ["axb"]),
        (r"\x41\x{1F600}", ["A😀"], ["a😀"]),
        (r"\101", ["A"], []),
        ("a{2}b{1,2}c{0,}", ["aab", "aabbcc"], ["ab", "aabbb"]),
        ("a{,2}", ["a{,2}"], ["aa"]),
        ("(?P<n>a)(?<m>b)", ["ab"], ["a"]),
        (r"^a$", ["a"], ["a\n"]),
        (r"a\z|\Ab\b", ["a", "b"], []),
        ("(?m)^a$\nb", ["a\nb"], []),
        ("(?U)a+(b*)", ["aab"], []),
        ("", [""], ["a"]),
        (r"\.\-\/", [".-/"], []),
        ("%", ["%"], []),
    ],
)
def test_pattern_matches_as_re2_does(pattern: str, matching: list[str], other: list[str]) -> None:
    compiled = compile_pattern(pattern)
    assert [text for text in matching if not compiled.fullmatch(text)] == []
    assert [text for text in other if compiled.fullmatch(text)] == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(", "missing closing ): `(`"),
        ("a)", "unexpected ): `a)`"),
        ("[a", "missing closing ]: `[a`"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("a|+", "missing argument to repetition operator: `+`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{3,2}", "invalid repeat count: `{3,2}`"),
        ("[z-a]", "invalid character class range: `z-a`"),
        (r"\q", r"invalid escape sequence: `\q`"),
        ("a\\", "trailing backslash at end of expression: ``"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?<!a)", "invalid named capture: `(?<!a)`"),
        ("(?P<a-b>c)", "invalid named capture: `(?P<a-b>`"),
        ("(?i-)", "invalid or unsupported Perl syntax: `(?i-)`"),
        ("(?", "invalid or unsupported Perl syntax: `(?`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
        (r"\xZZ", r"invalid escape sequence: `\xZZ`"),
        (r"\1", r"invalid escape sequence: `\1`"),
    ],
)
def test_pattern_that_re2_refuses_is_refused_in_its_words(pattern: str, text: str) -> None:
    with pytest.raises(RegexError) as caught:
        compile_pattern(pattern)
    assert str(caught.value) == f"error parsing regexp: {text}"


def test_unicode_class_is_refused_by_name() -> None:
    with pytest.raises(RegexError, match="not supported by the embedded Prometheus: Unicode class"):
        compile_pattern(r"\p{Greek}")
