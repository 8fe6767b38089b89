from __future__ import annotations

import math

import pytest

from pytest_obsstack.embedded.prometheus.model import (
    STALE_NAN,
    Exemplar,
    Labels,
    is_stale,
    labels_of,
    labels_text,
    with_labels,
    without_name,
)
from pytest_obsstack.embedded.prometheus.promql.ast import Matcher, MatchOperator
from pytest_obsstack.embedded.prometheus.store import (
    DuplicateSample,
    OutOfOrderSample,
    SeriesStore,
    TooManySeries,
)


def named(name: str, **labels: str) -> Labels:
    return labels_of({"__name__": name, **labels})


def filled() -> SeriesStore:
    store = SeriesStore()
    for labels in (
        named("up", job="a", zone="eu"),
        named("up", job="b"),
        named("down", job="a"),
        labels_of({"job": "c"}),
    ):
        store.append(labels, 1000, 1.0)
    return store


def selected(store: SeriesStore, *matchers: tuple[str, MatchOperator, str]) -> list[str]:
    found = store.select(Matcher(name, operator, value) for name, operator, value in matchers)
    return [labels_text(series.labels) for series in found]


def test_labels_are_sorted_and_empty_values_are_absent() -> None:
    assert labels_of({"b": "1", "a": "2", "c": ""}) == (("a", "2"), ("b", "1"))


def test_name_is_dropped_with_type_and_unit() -> None:
    labels = labels_of({"__name__": "n", "__type__": "t", "__unit__": "s", "Zone": "z", "a": "b"})
    assert without_name(labels) == (("Zone", "z"), ("a", "b"))
    assert without_name(named("n", a="b")) == (("a", "b"),)


def test_label_set_to_nothing_is_removed() -> None:
    assert with_labels(named("n", a="b"), {"a": "", "c": "d"}) == named("n", c="d")


def test_stale_marker_is_no_other_nan() -> None:
    assert is_stale(STALE_NAN)
    assert not is_stale(math.nan)
    assert not is_stale(1.0)


def test_equality_and_inequality_count_an_absent_label_as_empty() -> None:
    store = filled()
    assert selected(store, ("__name__", "=", "up"), ("zone", "=", "")) == [
        '{__name__="up", job="b"}'
    ]
    assert selected(store, ("__name__", "=", "up"), ("zone", "!=", "eu")) == [
        '{__name__="up", job="b"}'
    ]
    assert selected(store, ("zone", "!=", "")) == ['{__name__="up", job="a", zone="eu"}']


def test_patterns_match_whole_values() -> None:
    store = filled()
    assert selected(store, ("job", "=~", "a|b"), ("__name__", "=~", "u.")) == [
        '{__name__="up", job="a", zone="eu"}',
        '{__name__="up", job="b"}',
    ]
    assert selected(store, ("__name__", "=", "up"), ("job", "!~", "a.*")) == [
        '{__name__="up", job="b"}'
    ]


def test_series_come_in_the_order_in_which_they_were_first_seen() -> None:
    assert selected(filled(), ("job", "=~", ".+"))[-1] == '{job="c"}'


def test_later_samples_follow_and_the_same_one_is_left_out() -> None:
    store = filled()
    labels = named("up", job="b")
    assert store.append(labels, 2000, 2.0) is True
    assert store.append(labels, 2000, 2.0) is False
    store.check(labels, 2000, 2.0)


def test_older_sample_and_another_value_are_refused_by_name() -> None:
    store = filled()
    labels = named("up", job="b")
    with pytest.raises(OutOfOrderSample, match="out of order sample"):
        store.check(labels, 999, 1.0)
    text = "duplicate sample for timestamp 1000; overrides not allowed: existing 1, new value 3"
    with pytest.raises(DuplicateSample, match=text):
        store.check(labels, 1000, 3.0)


def test_number_of_series_is_bounded() -> None:
    store = SeriesStore(max_series=1)
    store.append(named("a"), 1, 1.0)
    with pytest.raises(TooManySeries, match="at most 1 series"):
        store.append(named("b"), 1, 1.0)
    with pytest.raises(TooManySeries):
        store.check_room([named("a"), named("b")])
    store.check_room([named("a")])


def test_sample_counts_until_it_is_as_old_as_the_lookback() -> None:
    store = filled()
    series = store.series(named("up", job="b"))
    assert series.newest_at(999, 0) == -1
    assert series.newest_at(1000, 0) == 0
    assert series.newest_at(5000, 999) == 0
    assert series.newest_at(5000, 1000) == -1


def test_stale_marker_ends_a_series_but_is_not_in_its_windows() -> None:
    store = filled()
    labels = named("up", job="b")
    store.append(labels, 2000, STALE_NAN)
    store.append(labels, 3000, 7.0)
    series = store.series(labels)
    assert series.newest_at(2500, 0) == -1
    assert series.newest_at(3000, 0) == 2
    assert [list(part) for part in series.between(0, 3000)] == [[1000, 3000], [1.0, 7.0]]


def test_window_leaves_its_start_out_and_takes_its_end_in() -> None:
    series = SeriesStore().series(named("x"))
    for second in range(1, 5):
        series.append(second * 1000, float(second))
    assert list(series.between(1000, 3000)[1]) == [2.0, 3.0]


def test_old_samples_go_and_series_without_any_with_them() -> None:
    store = filled()
    store.append(named("up", job="b"), 5000, 2.0)
    store.drop_before(2000)
    assert [labels_text(series.labels) for series in store] == ['{__name__="up", job="b"}']
    assert store.label_names() == ["__name__", "job"]
    assert store.label_values("job") == ["b"]
    assert store.time_range() == (5000, 5000)


def test_empty_store_has_no_times() -> None:
    assert SeriesStore().time_range() is None


def test_exemplar_is_kept_once_and_takes_the_time_of_its_sample() -> None:
    store = filled()
    labels = named("up", job="b")
    trace = labels_of({"trace_id": "ab"})
    store.add_exemplar(labels, Exemplar(trace, 1.0, None), 1000)
    store.add_exemplar(labels, Exemplar(trace, 1.0, None), 2000)
    store.add_exemplar(labels, Exemplar(trace, 2.0, 1500), 2000)
    store.add_exemplar(labels, Exemplar(trace, 3.0, 1200), 2000)
    kept = [(e.value, e.timestamp_ms) for e in store.series(labels).exemplars]
    assert kept == [(1.0, 1000), (2.0, 1500)]
    assert store.exemplar_count == 2


def test_exemplar_with_long_labels_or_without_a_series_is_left_out() -> None:
    store = filled()
    store.add_exemplar(named("up", job="b"), Exemplar(labels_of({"id": "x" * 127}), 1.0, 1), 1)
    store.add_exemplar(named("unknown"), Exemplar(labels_of({"id": "a"}), 1.0, 1), 1)
    assert store.exemplar_count == 0
    assert store.get(named("unknown")) is None


def test_oldest_exemplar_makes_room_for_one_too_many() -> None:
    store = SeriesStore(max_exemplars=2)
    for second, name in enumerate(("a", "b", "a"), 1):
        store.append(named(name), second * 1000, 1.0)
        trace = labels_of({"id": str(second)})
        store.add_exemplar(named(name), Exemplar(trace, 1.0, second * 1000), 0)
    kept = {
        name: [dict(e.labels)["id"] for e in store.series(named(name)).exemplars] for name in "ab"
    }
    assert kept == {"a": ["3"], "b": ["2"]}
    store.drop_before(2500)
    assert store.exemplar_count == 1
