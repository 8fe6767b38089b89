"""What the recorded answers and Prometheus' own tests (tests/contract) do not ask."""

from __future__ import annotations

import math

import pytest

from pytest_obsstack.embedded.prometheus.engine.numeric import (
    divide,
    kahan_sum,
    larger,
    mean,
    modulo,
    power,
    quantile,
    smaller,
)
from pytest_obsstack.embedded.prometheus.engine.query import (
    Answer,
    MatrixResult,
    QueryOptions,
    ScalarResult,
    StringResult,
    VectorResult,
    instant_query,
    range_query,
)
from pytest_obsstack.embedded.prometheus.engine.values import (
    QueryError,
    QueryTimeout,
    SameLabelset,
    TooManySamples,
)
from pytest_obsstack.embedded.prometheus.model import labels_of
from pytest_obsstack.embedded.prometheus.store import SeriesStore

OPTIONS = QueryOptions()
T0 = 1_700_000_000_000


def store_of(**series: dict[int, float]) -> SeriesStore:
    """Series by ``name`` or ``name__label``; samples by seconds after T0."""
    store = SeriesStore()
    for name, samples in series.items():
        metric, _, label = name.partition("__")
        for second, value in samples.items():
            labels = labels_of({"__name__": metric, "l": label})
            store.append(labels, T0 + second * 1000, value)
    return store


def ask(
    store: SeriesStore, query: str, second: int = 60, options: QueryOptions = OPTIONS
) -> Answer:
    return instant_query(store, query, T0 + second * 1000, options)


def values(answer: Answer) -> dict[str, float]:
    assert isinstance(answer.result, VectorResult)
    return {dict(labels).get("l", ""): value for labels, value in answer.result.vector}


def test_result_has_the_type_of_the_expression() -> None:
    store = store_of(x={60: 1.0})
    assert ask(store, "1 + 1").result == ScalarResult(T0 + 60_000, 2.0)
    assert ask(store, '"a"').result == StringResult(T0 + 60_000, "a")
    assert isinstance(ask(store, "x[1m]").result, MatrixResult)
    assert values(ask(store, "x")) == {"": 1.0}


def test_same_labels_at_different_steps_are_refused_too() -> None:
    """Two names that a function drops are one series, although never at the same time."""
    store = store_of(a_total={0: 1.0, 10: 2.0}, b_total={400: 1.0, 410: 2.0})
    query = 'rate({__name__=~"[ab]_total"}[1m])'
    assert values(ask(store, query, 20)) == {"": 2.5 / 60}
    with pytest.raises(SameLabelset, match="vector cannot contain metrics with the same labelset"):
        range_query(store, query, T0 + 20_000, T0 + 420_000, 400_000, OPTIONS)


def test_points_of_a_range_are_joined_by_labels_and_sorted() -> None:
    store = store_of(x__b={0: 1.0, 60: 2.0}, x__a={60: 3.0})
    answer = range_query(store, "x", T0, T0 + 60_000, 60_000, OPTIONS)
    assert isinstance(answer.result, MatrixResult)
    assert [(dict(s.labels)["l"], list(s.values)) for s in answer.result.series] == [
        ("a", [3.0]),
        ("b", [1.0, 2.0]),
    ]


def test_start_and_end_are_those_of_the_whole_query_also_in_a_subquery() -> None:
    store = store_of(x={0: 1.0, 60: 2.0, 120: 3.0})
    query = "sum_over_time((x @ end())[2m:1m])"
    answer = range_query(store, query, T0 + 120_000, T0 + 120_000, 60_000, OPTIONS)
    assert isinstance(answer.result, MatrixResult)
    assert list(answer.result.series[0].values) == [6.0]


def test_query_that_takes_too_long_times_out() -> None:
    store = store_of(x={0: 1.0})
    options = QueryOptions(timeout_s=-1)
    with pytest.raises(QueryTimeout, match="query timed out in expression evaluation"):
        range_query(store, "x", T0, T0, 1000, options)
    with pytest.raises(QueryTimeout):
        ask(store, "max_over_time(x[5m:1m])", 0, options)


def test_query_that_loads_too_many_samples_is_refused() -> None:
    store = store_of(x=dict.fromkeys(range(20), 1.0))
    options = QueryOptions(max_samples=10)
    with pytest.raises(TooManySamples, match="too many samples into memory in query execution"):
        ask(store, "count_over_time(x[5m])", 60, options)
    assert values(ask(store, "x", 60, options)) == {"": 1.0}


def test_annotations_come_once_and_ten_at_most() -> None:
    store = store_of(**{f"g{index}__{index}": {0: 1.0, 30: 2.0} for index in range(12)})
    answer = ask(store, 'sum(increase({__name__=~"g.+"}[2m]))', 60)
    assert len(answer.infos) == 11
    assert answer.infos[0].endswith('not end in _total/_sum/_count/_bucket: "g0" (1:14)')
    assert answer.infos[-1] == "2 more info annotations omitted"


def test_annotations_come_with_the_increase_of_series_that_differ_in_labels() -> None:
    store = store_of(g__a={0: 1.0, 30: 2.0}, g__b={0: 1.0, 30: 2.0})
    assert len(ask(store, "rate(g[2m])").infos) == 1


def test_unclear_match_names_both_series_and_the_group() -> None:
    store = store_of(a__x={60: 1.0}, b__x={60: 1.0}, b__y={60: 2.0})
    with pytest.raises(QueryError) as caught:
        ask(store, "a * on () b")
    assert str(caught.value) == (
        "found duplicate series for the match group {} on the right hand-side of the operation: "
        '[{__name__="b", l="y"}, {__name__="b", l="x"}];many-to-many matching not allowed: '
        "matching labels must be unique on one side"
    )


def test_histogram_fraction_interpolates_in_buckets() -> None:
    store = SeriesStore()
    for bound, count in (("1", 10.0), ("2", 30.0), ("+Inf", 40.0)):
        store.append(labels_of({"__name__": "h_bucket", "le": bound}), T0, count)
    assert values(ask(store, "histogram_fraction(1, 2, h_bucket)", 0)) == {"": 0.5}
    assert values(ask(store, "histogram_fraction(1.5, Inf, h_bucket)", 0)) == {"": 0.5}
    assert values(ask(store, "histogram_fraction(2, 1, h_bucket)", 0)) == {"": 0.0}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("day_of_year(vector(1709214123))", 60.0),
        ("day_of_month(vector(-1))", 31.0),
        ("year(vector(1e20))", math.nan),
        ("exp(vector(1e4))", math.inf),
        ("cosh(vector(-1e4))", math.inf),
        ("sinh(vector(-1e4))", -math.inf),
        ("ln(vector(0))", -math.inf),
        ("atanh(vector(-1))", -math.inf),
        ("acosh(vector(0))", math.nan),
        ("sin(vector(Inf))", math.nan),
        ("ceil(vector(-0.5))", -0.0),
        ("floor(vector(Inf))", math.inf),
        ("sgn(vector(-3))", -1.0),
        ("clamp_max(vector(NaN), 1)", math.nan),
        ("round(vector(2.5), 0)", math.nan),
        ("stddev(vector(Inf))", math.nan),
    ],
)
def test_function_at_the_edge_of_its_domain(query: str, expected: float) -> None:
    (value,) = values(ask(SeriesStore(), query)).values()
    assert value == expected or (math.isnan(value) and math.isnan(expected))
    assert math.copysign(1, value) == math.copysign(1, expected) or math.isnan(expected)


def test_arithmetic_has_no_exceptions() -> None:
    assert divide(-1, 0.0) == -math.inf
    assert divide(1, -0.0) == -math.inf
    assert math.isnan(divide(0, 0))
    assert math.isnan(modulo(1, 0))
    assert modulo(-7, 3) == -1
    assert power(-8.0, 3.0) == -512
    assert power(-10.0, 999.0) == -math.inf
    assert power(0.0, -2.0) == math.inf
    assert power(-0.0, -3.0) == -math.inf
    assert math.isnan(power(-8.0, 0.5))


def test_smaller_and_larger_pass_nan_on_but_for_infinities() -> None:
    assert math.isnan(smaller(math.nan, 1))
    assert smaller(math.nan, -math.inf) == -math.inf
    assert larger(math.nan, math.inf) == math.inf
    assert larger(1, 2) == 2


def test_sums_keep_small_parts_and_means_do_not_overflow() -> None:
    assert kahan_sum([1e100, 1.0, -1e100]) == 1.0
    assert mean([1e308, 1e308, 1e308]) == pytest.approx(1e308)
    assert mean([math.inf, 1.0]) == math.inf


def test_quantile_outside_of_its_range_is_infinite() -> None:
    assert quantile(-0.1, [1.0]) == -math.inf
    assert quantile(1.1, [1.0]) == math.inf
    assert math.isnan(quantile(math.nan, [1.0]))
    assert math.isnan(quantile(0.5, []))
    assert quantile(1, [math.nan, 1.0, 3.0]) == 3.0
