from __future__ import annotations

import pytest

from pytest_obsstack.embedded.loki.logql.errors import NotSupported
from pytest_obsstack.embedded.loki.logql.template import (
    Template,
    TemplateError,
    TemplateSyntaxError,
)

LABELS = {"app": "shop", "n": "7", "user": "Ada", "empty": ""}


def render(text: str, line: str = "the line") -> str:
    return Template(text, "line").render(LABELS, line)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain }} text", "plain }} text"),
        ("{{.app}}-{{ .n }}", "shop-7"),
        ("{{.nope}}|{{$.app}}|{{.}}", "|shop|map[app:shop empty: n:7 user:Ada]"),
        ("a {{- .app -}} b", "ashopb"),
        ("a{{/* a comment }} */}}b", "ab"),
        ('{{"}}"}}{{`raw\\n`}}{{"\\u00e9\\t"}}', "}}raw\\né\t"),
        ("{{$x := .app}}{{$x}}{{$x = .n}}{{$x}}", "shop7"),
        ("{{if .empty}}a{{else if .nope}}b{{else}}c{{end}}", "c"),
        ("{{with .app}}{{.}}{{end}}{{with .nope}}x{{else}}{{.n}}{{end}}", "shop7"),
        ('{{range fromJson "[1,2]"}}<{{.}}>{{else}}none{{end}}', "<1><2>"),
        ('{{range fromJson "[]"}}x{{else}}none{{end}}', "none"),
        (
            '{{range $k, $v := fromJson "{\\"b\\":1,\\"a\\":null}"}}{{$k}}={{$v}} {{end}}',
            "a=<no value> b=1 ",
        ),
        ("{{range $i := 3}}{{$i}}{{end}}", "012"),
        ('{{(fromJson "{\\"a\\":{\\"b\\":[true]}}").a.b}}', "[true]"),
        ('{{index (fromJson "[[5]]") 0 0}}{{index . "app"}}', "5shop"),
        ('{{len __line__}}{{len "é"}}{{slice "abc" 1}}{{slice "abc" 0 2}}', "82bcab"),
        ("{{and .app .empty}}|{{or .empty .app}}|{{not .empty}}|{{and .app .n}}", "|shop|true|7"),
        (
            '{{eq .n "1" "7"}}{{ne .n "7"}}{{lt 1 2}}{{le 2 2}}{{gt 1.5 2.5}}{{ge "b" "a"}}',
            "truefalsetruetruefalsetrue",
        ),
        ('{{print "a" 1 2 "b"}}|{{println .n}}', "a1 2b|7\n"),
        (
            '{{html "<a href=\'x\'>&"}} {{urlquery "a b&c"}}',
            "&lt;a href=&#39;x&#39;&gt;&amp; a+b%26c",
        ),
        (
            '{{printf "%5s|%-5s|%05d|%+d|%x|%X" "a" "b" 42 5 255 "hi"}}',
            "    a|b    |00042|+5|ff|6869",
        ),
        (
            '{{printf "%t|%v|%%|%6.2f|%.3s" true nil 3.14159 "abcdef"}}',
            "true|<no value>|%|  3.14|abc",
        ),
        (
            '{{printf "%d %s" "x" 5}} {{printf "%s"}} {{printf "a" 1}}',
            "%!d(string=x) %!s(int=5) %!s(MISSING) a%!(EXTRA int=1)",
        ),
        ("{{add 1 2 .n}} {{mul 2 3}} {{sub 1 2}} {{div -7 2}} {{mod -7 2}}", "10 6 -1 -3 -1"),
        (
            '{{addf 0.1 0.2}} {{subf 1 0.9}} {{divf 1 8}} {{maxf 1 2.5}} {{minf 1 "0.5"}}',
            "0.3 0.1 0.125 2.5 0.5",
        ),
        ("{{round 2.5 0}} {{ceil -1.5}} {{float64 1e21}} {{float64 0.00001}}", "3 -1 1e+21 1e-05"),
        ('{{int "x"}} {{int 3.9}} {{int "0x10"}}', "0 3 16"),
        ('{{contains "ho" .app}} {{hasPrefix "s" .app}} {{hasSuffix "x" .app}}', "true true false"),
        ('{{nindent 2 "a\\nb"}}', "\n  a\n  b"),
        (
            '{{Replace "aaa" "a" "b" 2}} {{Trim "xax" "x"}} {{TrimRight "abb" "b"}}',
            "bba a a",
        ),
        ('{{TrimPrefix "abc" "ab"}}{{TrimSuffix "abc" "bc"}}{{TrimSpace " a "}}', "caa"),
        (
            '{{count "s|h" .app}} {{urlencode "a b"}} {{urldecode "a+b"}} {{b64enc "hi"}}',
            "2 a+b a b aGk=",
        ),
        (
            '{{b64dec "aGk="}} {{ToLower "AB"}}',
            "hi ab",
        ),
        ('{{regexReplaceAll "(?P<x>s)" .app "<$x$$$9>"}}', "<s$>hop"),
        ('{{ .user | lower | printf "%s!" }}', "ada!"),
        ('{{default "d" .empty}} {{default "d" .n}}', "d 7"),
    ],
)
def test_a_template_renders_as_in_go(text: str, found: str) -> None:
    assert render(text) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{.a", "unclosed action"),
        ('{{"a}}', "unterminated quoted string"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{if .a}}x", "unexpected EOF"),
        ("{{if}}x{{end}}", "missing value for if"),
        ("{{}}", "missing value for command"),
        ("{{.a | }}", "missing value for command"),
        ("{{$x}}", 'undefined variable "$x"'),
        ("{{if .a}}{{$x := 1}}{{end}}{{$x}}", 'undefined variable "$x"'),
        ("{{nope .a}}", 'function "nope" not defined'),
        ("{{.a ) }}", "unexpected right paren"),
        ("{{.a @}}", "bad character U+0040 '@'"),
        ("{{if .a}}{{else}}{{else}}{{end}}", "expected end; found {{else}}"),
        ("{{(.a}}", "unclosed left paren"),
    ],
)
def test_what_is_no_template_is_refused(text: str, message: str) -> None:
    with pytest.raises(TemplateSyntaxError) as error:
        Template(text, "line")

    assert str(error.value) == f"template: line:1: {message}"


@pytest.mark.parametrize(
    ("text", "place", "command", "reason"),
    [
        (
            "{{div 1 0}}",
            "1:2",
            "div 1 0",
            "error calling div: runtime error: integer divide by zero",
        ),
        (
            "é\né{{ .n | mod 0 | div 1 }}",
            "2:18",
            "div 1",
            "error calling div: runtime error: integer divide by zero",
        ),
        ("{{.app.x}}", "1:2", ".app.x", "can't evaluate field x in type string"),
        ("{{.app 1}}", "1:2", ".app 1", "can't give argument to non-function .app"),
        ("{{range .app}}{{end}}", "1:8", ".app", "range can't iterate over shop"),
        (
            "{{lower 5}}",
            "1:2",
            "lower 5",
            "error calling lower: wrong type for value; expected string; got int",
        ),
        ("{{eq .n 7}}", "1:2", "eq .n 7", "error calling eq: incompatible types for comparison"),
        (
            '{{duration "soon"}}',
            "1:2",
            'duration "soon"',
            'error calling duration: time: invalid duration "soon"',
        ),
        (
            '{{index (fromJson "[1]") 1}}',
            "1:2",
            'index (fromJson "[1]") 1',
            "error calling index: index out of range: 1",
        ),
    ],
)
def test_a_template_that_fails_tells_where(
    text: str, place: str, command: str, reason: str
) -> None:
    with pytest.raises(TemplateError) as error:
        render(text)

    assert str(error.value) == f'template: line:{place}: executing "line" at <{command}>: {reason}'


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{{now}}", "the template function now"),
        ("{{__timestamp__}}", "the template function __timestamp__"),
        ('{{define "x"}}{{end}}', "{{define}} in a template"),
        ("{{range .a}}{{break}}{{end}}", "{{break}} in a template"),
    ],
)
def test_what_is_not_supported_is_named(text: str, what: str) -> None:
    with pytest.raises(NotSupported) as error:
        Template(text, "line")

    assert what in str(error.value)
