"""Data frames as Grafana's API prints them.

``TEST_DATA`` is the example of
https://grafana.com/docs/grafana/latest/developers/http_api/data_source/#query-a-data-source; the
others are of the shape that https://grafana.com/developers/dataplane/dataframes and the golden
files of Grafana's Loki and Prometheus plugins show.
"""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from pytest_obsstack.clients.grafana.frames import (
    LogLine,
    exemplars_of,
    log_lines_of,
    parse_frames,
    series_of,
)
from pytest_obsstack.clients.series import Sample
from pytest_obsstack.errors import ObsstackError

TEST_DATA = json.loads("""
{"frames": [{"schema": {"refId": "A", "fields": [
  {"name": "time", "type": "time", "typeInfo": {"frame": "time.Time"}},
  {"name": "A-series", "type": "number", "typeInfo": {"frame": "int64", "nullable": true}}]},
 "data": {"values": [
  [1644488152084, 1644488212084, 1644488272084, 1644488332084, 1644488392084, 1644488452084],
  [1, 20, 90, 30, 5, 0]]}}]}
""")


def column(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def frame(*columns: dict[str, Any], meta: dict[str, Any] | None = None, **data: Any) -> Any:
    """A frame with the columns of ``columns``; ``data`` are its values and what stands beside."""
    schema = {"refId": "A", "fields": list(columns), **({"meta": meta} if meta else {})}
    return {"schema": schema, "data": data}


def parsed(*frames: Any) -> Any:
    return parse_frames({"status": 200, "frames": list(frames)})


TIME = column("Time", "time")


def test_the_documented_answer_becomes_a_frame() -> None:
    (found,) = parse_frames(TEST_DATA)
    assert (found.ref_id, found.name, len(found)) == ("A", None, 6)
    assert found.column("A-series") == (1, 20, 90, 30, 5, 0)
    assert next(found.rows()) == {"time": 1_644_488_152_084_000_000, "A-series": 1}
    (series,) = series_of([found])
    assert series.samples[0] == Sample(1644488152.084, 1)


def test_a_missing_column_is_told_with_those_that_are_there() -> None:
    (found,) = parse_frames(TEST_DATA)
    with pytest.raises(ObsstackError) as caught:
        found.column("Value")
    assert str(caught.value) == (
        "The answer is not what the API documents: a data frame of query A.\n"
        "  expected  a column 'Value'\n"
        "  found     'time', 'A-series'\n"
        "  do        check that the URL is the product's own and that its version is supported"
    )


@pytest.mark.parametrize("result", [{}, {"frames": None}, {"status": 200, "frames": []}])
def test_a_query_without_data_has_no_frames(result: dict[str, Any]) -> None:
    assert parse_frames(result) == ()


@pytest.mark.parametrize("data", [{}, {"values": []}, {"values": [[], []]}])
def test_a_frame_without_rows_keeps_its_columns(data: dict[str, Any]) -> None:
    (found,) = parsed(frame(TIME, column("Value", "number"), **data))
    assert len(found) == 0
    assert [each.name for each in found.fields] == ["Time", "Value"]
    assert list(found.rows()) == []
    assert series_of([found])[0].samples == ()


def test_what_json_has_no_number_for_stands_beside_the_values() -> None:
    (found,) = parsed(
        frame(
            TIME,
            column("Value", "number"),
            values=[[1, 2, 3, 4], [None, None, None, None]],
            entities=[None, {"NaN": [0], "Inf": [1], "NegInf": [2]}],
        )
    )
    nan, positive, negative, missing = found.column("Value")
    assert math.isnan(nan)
    assert (positive, negative, missing) == (math.inf, -math.inf, None)
    assert len(series_of([found])[0].samples) == 3


def test_times_have_all_their_digits() -> None:
    (found,) = parsed(frame(TIME, values=[[1645030244810, None]], nanos=[[757120, 0]]))
    assert found.column("Time") == (1_645_030_244_810_757_120, None)


def test_each_number_column_is_a_series_with_its_labels() -> None:
    one = frame(
        TIME,
        column("Value", "number", labels={"job": "a"}),
        column("Other", "number", labels={"job": "b"}),
        values=[[1000, 2000], [1.5, None], [3, 4]],
    )
    first, second = series_of(parsed(one))
    assert (first.labels, first.samples) == ({"job": "a"}, (Sample(1.0, 1.5),))
    assert (second.labels, second.last) == ({"job": "b"}, Sample(2.0, 4))


def test_a_table_without_times_has_no_series() -> None:
    assert series_of(parsed(frame(column("n", "number"), values=[[1]]))) == ()


def test_exemplars_are_no_series_and_have_their_labels() -> None:
    exemplar = frame(
        TIME,
        column("Value", "number"),
        column("trace_id", "string"),
        meta={"custom": {"resultType": "exemplar"}},
        values=[[1000], [0.25], ["abc"]],
    )
    metric = frame(TIME, column("Value", "number"), values=[[1000], [1]])
    frames = parsed(metric, exemplar)
    assert len(series_of(frames)) == 1
    assert exemplars_of(frames) == ({"Time": 1_000_000_000, "Value": 0.25, "trace_id": "abc"},)


def test_lines_of_lokis_frames_come_oldest_first() -> None:
    lines = frame(
        column("labels", "other"),
        TIME,
        column("Line", "string"),
        column("tsNs", "string"),
        column("id", "string"),
        values=[
            [{"service_name": "app", "trace_id": "abc"}, {}],
            [2, 1],
            ["second", "first"],
            ["2000001", "1000001"],
            ["2_x", "1_x"],
        ],
    )
    assert log_lines_of(parsed(lines)) == (
        LogLine(1000001, "first", {}),
        LogLine(2000001, "second", {"service_name": "app", "trace_id": "abc"}),
    )


def test_lines_of_the_data_planes_own_format_are_read_too() -> None:
    lines = frame(
        column("timestamp", "time"),
        column("body", "string"),
        values=[[1], ["text"]],
        nanos=[[7], None],
    )
    assert log_lines_of(parsed(lines)) == (LogLine(1_000_007, "text", {}),)


def test_frames_of_metrics_have_no_lines() -> None:
    assert log_lines_of(parse_frames(TEST_DATA)) == ()
