"""Metric queries through HTTP, as far as the recorded answers leave something open."""

from __future__ import annotations

import pytest

from pytest_obsstack.embedded.loki.settings import LokiSettings
from tests.unit.embedded.loki.support import NOW_NS, NOW_S, Loki, S


@pytest.fixture(scope="module")
def pods() -> Loki:
    loki = Loki()
    for pod, zone, values in (("a", "eu", (1, 2, 3)), ("b", "eu", (10,)), ("c", "us", (5, 5))):
        lines = [(-10 + at, f"n={value}") for at, value in enumerate(values)]
        loki.push({"app": "pods", "pod": pod, "zone": zone}, *lines)
    return loki


COUNT = 'count_over_time({app="pods"}[1m])'
COUNT_BY_POD = f"sum by (pod) ({COUNT})"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (f"sum by (zone) ({COUNT})", {"eu": "4", "us": "2"}),
        (f"sum({COUNT}) by (zone)", {"eu": "4", "us": "2"}),
        (f"sum({COUNT})", {"": "6"}),
        (f"stddev by (zone) ({COUNT})", {"eu": "1", "us": "0"}),
        (f"stdvar by (zone) ({COUNT})", {"eu": "1", "us": "0"}),
        (f"bottomk(1, {COUNT_BY_POD})", {"b": "1"}),
        (f"topk(1, {COUNT_BY_POD})", {"a": "3"}),
        (f"{COUNT_BY_POD} > 1 < 3", {"c": "2"}),
        (f"2 < {COUNT_BY_POD}", {"a": "3"}),
        (f"2 < bool {COUNT_BY_POD}", {"a": "1", "b": "0", "c": "0"}),
        (f"10 - {COUNT_BY_POD}", {"a": "7", "b": "9", "c": "8"}),
        (f"{COUNT_BY_POD} % 2", {"a": "1", "b": "1", "c": "0"}),
        (f"{COUNT_BY_POD} / 0", {"a": "NaN", "b": "NaN", "c": "NaN"}),
        (f"2 ^ 3 ^ 0 * {COUNT_BY_POD}", {"a": "6", "b": "2", "c": "4"}),
        (f"{COUNT_BY_POD} unless {COUNT_BY_POD} > 1", {"b": "1"}),
        ('sum(sum_over_time({app="pods"} | logfmt | unwrap n [1m]))', {"": "26"}),
        (
            'stdvar_over_time({app="pods", pod="a"} | logfmt | unwrap n [1m]) by (pod)',
            {"a": "0.6666666666666666"},
        ),
        (
            'quantile_over_time(2, {app="pods", pod="b"} | logfmt | unwrap n [1m]) by (pod)',
            {"b": "+Inf"},
        ),
        (
            'quantile_over_time(0.5, {app="pods", pod="a"} | logfmt | unwrap n [1m]) by (pod)',
            {"a": "2"},
        ),
        ('absent_over_time({app="pods"}[1m])', {}),
        ('absent_over_time({app="nothing"}[1m])', {"nothing": "1"}),
        ("vector(2) + vector(3)", {"": "5"}),
    ],
)
def test_a_metric_at_an_instant(pods: Loki, query: str, found: dict[str, str]) -> None:
    assert pods.vector(query) == found


def test_ignoring_labels_keeps_the_others(pods: Loki) -> None:
    by_zone_and_pod = f"sum by (zone, pod) ({COUNT})"

    query = f"{by_zone_and_pod} / ignoring (pod) group_left sum by (zone) ({COUNT})"
    assert pods.vector(query) == {"a,eu": "0.75", "b,eu": "0.25", "c,us": "1"}

    query = f"sum by (zone) ({COUNT}) * on (zone) group_right () {by_zone_and_pod}"
    assert pods.vector(query) == {"a,eu": "12", "b,eu": "4", "c,us": "4"}


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (
            f"sum by (zone) ({COUNT}) / on (zone) sum by (zone, pod) ({COUNT})",
            (
                "found duplicate series on the right hand-side;many-to-many matching not allowed: "
                "matching labels must be unique on one side"
            ),
        ),
        (
            f"sum by (zone, pod) ({COUNT}) / on (zone) sum by (zone) ({COUNT})",
            (
                "multiple matches for labels: many-to-one matching must be explicit "
                "(group_left/group_right)"
            ),
        ),
        (
            f'label_replace({COUNT_BY_POD}, "pod", "x", "", "")',
            "vector cannot contain metrics with the same labelset",
        ),
    ],
)
def test_series_that_cannot_be_paired_are_an_error_of_the_server(
    pods: Loki, query: str, text: str
) -> None:
    assert pods.refusal(query, "query") == (500, text)


def test_summing_at_the_source_gives_what_summing_afterwards_gives(pods: Loki) -> None:
    # A comparison in between keeps the sum from being taken while lines are read.
    for op in ("count_over_time", "rate", "bytes_over_time", "bytes_rate"):
        inner = f'{op}({{app="pods"}}[1m])'
        for grouping in ("", "by (zone)", "without (pod)", "by (zone, missing)"):
            at_once = pods.vector(f"sum {grouping} ({inner})")
            afterwards = pods.vector(f"sum {grouping} ({inner} > -1)")
            assert {k: float(v) for k, v in at_once.items()} == (
                pytest.approx({k: float(v) for k, v in afterwards.items()})
            )


def test_a_sum_over_a_line_with_an_error_is_refused_whatever_it_is_grouped_by(pods: Loki) -> None:
    status, text = pods.refusal(
        'sum by (zone) (count_over_time({app="pods"} | json [1m]))', "query"
    )

    assert status == 400
    assert text.startswith("pipeline error: 'JSONParserErr' for series: '{__error__=")


def test_a_range_has_a_point_for_each_step_with_lines() -> None:
    loki = Loki()
    loki.push({"app": "shop"}, (-120, "a"), (-60, "b"), (-59, "c"))

    answer = loki.ask(
        "query_range",
        query='sum(count_over_time({app="shop"}[1m]))',
        start=str(NOW_S - 120),
        end=str(NOW_S),
        step="60",
    ).json()

    assert answer["data"] == {
        "resultType": "matrix",
        "result": [{"metric": {}, "values": [[NOW_S - 120, "1"], [NOW_S - 60, "1"], [NOW_S, "1"]]}],
    }


def test_times_of_samples_are_seconds_with_milliseconds() -> None:
    answer = Loki().ask("query", query="vector(1)", time=str(NOW_NS + S // 4))

    assert answer.json()["data"]["result"][0]["value"] == [NOW_S + 0.25, "1"]


def test_too_many_series_are_refused() -> None:
    loki = Loki(LokiSettings(max_query_series=2))
    for pod in "abc":
        loki.push({"app": "pods", "pod": pod}, (-1, "x"))

    status, text = loki.refusal(COUNT, "query")

    assert status == 400
    assert text.startswith("maximum number of series (2) reached for a single query")
    assert loki.vector(f"sum({COUNT})") == {"": "3"}


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (
            'quantile_over_time({a="b"} | unwrap n [1m])',
            "parameter required for operation quantile_over_time",
        ),
        ('rate(2, {a="b"}[1m])', "parameter 2 not supported for operation rate"),
        (
            'count_over_time({a="b"} | unwrap n [1m])',
            "invalid aggregation count_over_time with unwrap",
        ),
        ('rate({a="b"}[1m]) by (x)', "grouping not allowed for rate aggregation"),
        ('sum(2, rate({a="b"}[1m]))', "unsupported parameter for operation sum(2,"),
        ('topk(1.5, rate({a="b"}[1m]))', "invalid parameter topk(1.5,"),
        (
            '1 + {a="b"} | json',
            "unexpected type for right leg of binary operation (+): *syntax.PipelineExpr",
        ),
        (
            "1 or vector(1)",
            "unexpected literal for left leg of logical/set binary operation (or): 1.000000",
        ),
        (
            'label_replace(vector(1), "a", "b", "c", "(")',
            "invalid regex in label_replace: error parsing regexp: missing closing ): `(`",
        ),
    ],
)
def test_an_aggregation_that_does_not_fit_is_refused(query: str, text: str) -> None:
    assert Loki().refusal(query, "query") == (400, f"parse error : {text}")


def test_what_logql_has_and_the_embedded_server_has_not_is_refused_by_name() -> None:
    loki = Loki()

    for query, what in (
        ('variants(rate({a="b"}[1m])) of ({a="b"}[1m])', "variants(…) of (…)"),
        ('{a="b"} | line_format "{{ now }}"', "the template function now"),
        ('{a="b"} |~ "\\\\p{L}"', "classes of Unicode characters (\\p) in a regular expression"),
    ):
        advice = "use --obs-stack=compose, or --obs-use loki=URL"
        text = f"not supported by the embedded Loki: {what}; {advice}"
        assert loki.refusal(query) == (400, text)
