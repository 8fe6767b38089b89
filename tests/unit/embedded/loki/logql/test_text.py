from __future__ import annotations

import pytest

from pytest_obsstack.embedded.loki.logql.parse import parse_query
from pytest_obsstack.embedded.loki.logql.text import query_text


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ('{a="b",c!~"d"}|="x" or ip("10.0.0.1")', '{a="b", c!~"d"} |= "x" or ip("10.0.0.1")'),
        ('{a="b"}|logfmt --strict x="y",z', '{a="b"} | logfmt --strict x="y",z="z"'),
        (
            '{a="b"}|json x="y[0]"|unpack|decolorize',
            '{a="b"} | json x="y[0]" | unpack | decolorize',
        ),
        ('{a="b"}|pattern "<x>"|regexp "(?P<y>.)"', '{a="b"} | pattern "<x>" | regexp "(?P<y>.)"'),
        ('{a="b"}|drop x,y="z"|keep a', '{a="b"} | drop x,y="z" | keep a'),
        ('{a="b"}|label_format x=y,z="{{.a}}"', '{a="b"} | label_format x=y,z="{{.a}}"'),
        ('{a="b"}|d>1h30m|s<=1KiB|n==-5', '{a="b"} | d>1h30m0s | s<=1.0kB | n==-5'),
        ('{a="b"}|x="1",y="2" or z="3"', '{a="b"} | ( ( x="1" , y="2" ) or z="3" )'),
        ('rate({a="b"}[90m] offset 1h)', 'rate({a="b"}[1h30m] offset 1h)'),
        ('sum by(x,y)(rate({a="b"}[5m]))', 'sum by (x,y) (rate({a="b"}[5m]))'),
        ('topk(2,rate({a="b"}[5m]))', 'topk(2,rate({a="b"}[5m]))'),
        (
            'max_over_time({a="b"}|unwrap duration(d)|e=""[5m])by(x)',
            'max_over_time({a="b"} | unwrap duration(d) | e=""[5m]) by (x)',
        ),
        (
            "vector(1)>bool on(a)group_left(b)vector(2)",
            "(vector(1.000000) > bool on (a) group_left (b) vector(2.000000))",
        ),
        ("1+2*3", "7"),
        (
            'label_replace(vector(1),"a","$1","b","(.*)")',
            'label_replace(vector(1.000000),"a","$1","b","(.*)")',
        ),
    ],
)
def test_a_query_is_printed_in_one_form_that_parses_to_the_same(query: str, text: str) -> None:
    tree = parse_query(query)

    assert query_text(tree) == text
    assert parse_query(text) == tree
