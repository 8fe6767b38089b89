"""What Loki's parser says, where it could go on in ways that the recorded answers do not show."""

from __future__ import annotations

import pytest

from pytest_obsstack.embedded.loki.logql.errors import LogQLError
from pytest_obsstack.embedded.loki.logql.parse import parse_matchers, parse_query


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("{1}", "at line 1, col 2: syntax error: unexpected NUMBER, expecting IDENTIFIER or }"),
        ("{a=~}", "at line 1, col 5: syntax error: unexpected }, expecting STRING"),
        (
            '{a="b"} | line_format x',
            "at line 1, col 23: syntax error: unexpected IDENTIFIER, expecting STRING",
        ),
        (
            '{a="b"} | label_format',
            "at line 1, col 23: syntax error: unexpected $end, expecting IDENTIFIER",
        ),
        (
            '{a="b"} | label_format x=5',
            "at line 1, col 26: syntax error: unexpected NUMBER, expecting IDENTIFIER or STRING",
        ),
        (
            '{a="b"} | drop',
            "at line 1, col 15: syntax error: unexpected $end, expecting IDENTIFIER",
        ),
        ('{a="b"} | a=~5', "at line 1, col 14: syntax error: unexpected NUMBER, expecting STRING"),
        ('{a="b"} | (c="d"', "at line 1, col 17: syntax error: unexpected $end"),
        ('{a="b"} | a > -', "at line 1, col 16: syntax error: unexpected $end, expecting NUMBER"),
        (
            '{a="b"} |= ip "x"',
            "at line 1, col 12: syntax error: unexpected IDENTIFIER, expecting STRING or ip",
        ),
        ('{a="b"} | unwrap n', "at line 1, col 11: syntax error: unexpected unwrap"),
        ("sum by x", "at line 1, col 8: syntax error: unexpected IDENTIFIER, expecting ("),
        ("sum by (x", "at line 1, col 10: syntax error: unexpected $end, expecting , or )"),
        ("sum by (x,)", "at line 1, col 11: syntax error: unexpected ), expecting IDENTIFIER"),
        (
            'quantile_over_time(0.5 {a="b"}[1m])',
            "at line 1, col 24: syntax error: unexpected {, expecting ,",
        ),
        ('rate(({a="b"}[1m])', "at line 1, col 19: syntax error: unexpected $end, expecting )"),
        ("1 +", "at line 1, col 4: syntax error: unexpected $end"),
        ('{a="b', "at line 1, col 4: literal not terminated"),
        ('rate({a="b"}[])', "at line 0, col 13: empty duration string"),
        ('rate({a="b"}[1m1h])', 'at line 0, col 13: not a valid duration string: "1m1h"'),
        # What comes before the fault in the text is judged first.
        (
            '{a} | "\\d"',
            "at line 1, col 3: syntax error: unexpected }, expecting = or =~ or !~ or !=",
        ),
        (
            '{a="b"} | json x="a..b"',
            (
                ": stage '| json x=\"a..b\"' : cannot parse expression [a..b]: "
                "syntax error: unexpected ., expecting FIELD"
            ),
        ),
        ('{a="b"} | addr=ip("x")', ': stage \'| addr=ip("x")\' : ip: invalid pattern: "x"'),
        (
            '{a="b"} | label_format x="{{"',
            (
                ": stage '| label_format x=\"{{\"' : invalid template for label 'x': "
                "template: x:1: unclosed action"
            ),
        ),
        (
            '{a="b"} | pattern "<x> <x>"',
            ": invalid pattern parser: duplicate capture name (x): invalid expression",
        ),
    ],
)
def test_the_place_and_what_could_have_come(query: str, text: str) -> None:
    with pytest.raises(LogQLError) as error:
        parse_query(query)

    assert str(error.value) == f"parse error {text}"


@pytest.mark.parametrize(
    "query",
    [
        'rate(({a="b"} |= "x")[5m])',
        'rate(({a="b"}[5m]))',
        'rate({a="b"}[5m] |= "x" | json)',
        'rate({a="b"} | json [5m] offset 1h)',
        'sum(rate({a="b"}[5m])) by (x)',
        'sum without () (rate({a="b"}[5m]))',
        '{a="b"} | rate="x" | sum="y" | duration > 5s | bytes > 1KB',
        '{a="b"} | ip="x" | ip=ip("10.0.0.1")',
        '{a="b"} | x="1" y="2" (z="3")',
        '{a="b"} | logfmt --strict --keep-empty x="y", z',
        '{a="b"} | drop x, y=~"z.*" | keep a',
        "-1 + 0x10 - 1e3",
        "vector(1) == bool on (a) vector(1)",
        'rate({a="b"}[1d12h])',
        '{a="b"} # a comment\n| json',
    ],
)
def test_what_loki_takes_is_taken(query: str) -> None:
    assert parse_query(query) is not None


def test_a_selector_of_series_may_match_everything_but_has_no_filter() -> None:
    assert parse_matchers("{}") == ()

    with pytest.raises(LogQLError, match="only label matchers are supported"):
        parse_matchers('{a="b"} | json')
