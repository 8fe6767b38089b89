from __future__ import annotations

import math
from typing import Any

import pytest

from pytest_obsstack.clients.series import QueryResult, Sample, parse_result, successful
from pytest_obsstack.errors import ObsstackError


def result(data: Any, **answer: Any) -> QueryResult:
    return parse_result({"status": "success", "data": data, **answer})


def test_an_answer_that_is_no_success_is_an_error_that_shows_it() -> None:
    assert successful({"status": "success"}, "GET /x") == {"status": "success"}
    with pytest.raises(ObsstackError) as caught:
        successful({"status": "error"}, "GET /x")
    assert str(caught.value).startswith(
        "The answer is not what the API documents: GET /x.\n"
        '  expected  "status": "success"\n'
        '  found     {"status": "error"}\n'
    )


def test_a_vector_has_one_sample_a_series() -> None:
    found = result(
        {
            "resultType": "vector",
            "result": [
                {"metric": {"__name__": "up", "job": "app"}, "value": [1435781451.781, "1"]},
                {"metric": {"job": "other"}, "value": [1435781451.781, "0"]},
            ],
        }
    )
    assert found.result_type == "vector"
    first, second = found.series
    assert (first.name, first.labels["job"]) == ("up", "app")
    assert first.samples == (Sample(1435781451.781, 1.0),)
    assert second.name is None


def test_a_matrix_has_its_samples_in_order() -> None:
    values = [[60, "1"], [120, "2"]]
    found = result({"resultType": "matrix", "result": [{"metric": {}, "values": values}]})
    [series] = found.series
    assert [sample.value for sample in series.samples] == [1.0, 2.0]
    assert series.last == Sample(120.0, 2.0)


@pytest.mark.parametrize(
    ("text", "value"), [("+Inf", math.inf), ("-Inf", -math.inf), ("1e-9", 1e-9)]
)
def test_a_scalar_is_one_series_without_labels(text: str, value: float) -> None:
    found = result({"resultType": "scalar", "result": [60, text]})
    assert found.value == value
    assert found.series[0].labels == {}


def test_not_a_number_is_kept() -> None:
    assert math.isnan(result({"resultType": "scalar", "result": [60, "NaN"]}).value)


def test_a_string_is_text() -> None:
    found = result({"resultType": "string", "result": [60, "hello"]})
    assert (found.text, found.series) == ("hello", ())


def test_warnings_and_infos_are_kept() -> None:
    found = result({"resultType": "vector", "result": []}, warnings=["w"], infos=["i"])
    assert (found.warnings, found.infos) == (("w",), ("i",))


def test_several_series_have_no_single_value() -> None:
    pair = {"value": [60, "1"]}
    found = result(
        {"resultType": "vector", "result": [{"metric": {"a": "1"}, **pair}, {"metric": {}, **pair}]}
    )
    with pytest.raises(ObsstackError) as caught:
        _ = found.value
    assert str(caught.value) == (
        "The result has 2 series, so it has no single value.\n"
        "  expected  exactly one series\n"
        "  found     {'a': '1'}, {}\n"
        "  do        narrow the selector or aggregate, or read `series`"
    )


def test_no_series_has_no_value() -> None:
    with pytest.raises(ObsstackError, match="found     none"):
        _ = result({"resultType": "vector", "result": []}).value


def test_a_native_histogram_has_no_float_sample() -> None:
    histogram = [60, {"count": "3", "sum": "1.5", "buckets": []}]
    found = result(
        {"resultType": "vector", "result": [{"metric": {"a": "b"}, "histogram": histogram}]}
    )
    [series] = found.series
    assert series.raw["histogram"] == histogram
    with pytest.raises(ObsstackError, match="native histograms"):
        _ = series.last


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "field 'data'"),
        ({"resultType": "streams", "result": []}, "found     streams"),
        ({"resultType": "vector", "result": [{"metric": {}, "value": [1]}]}, "a sample"),
        ({"resultType": "vector", "result": [{"metric": {}, "value": [1, "x"]}]}, "a sample"),
        ({"resultType": "scalar", "result": None}, "a sample"),
    ],
)
def test_another_shape_says_so(data: Any, message: str) -> None:
    with pytest.raises(ObsstackError, match=message):
        result(data)
