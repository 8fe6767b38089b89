from __future__ import annotations

from typing import Any

import orjson
import pytest

from pytest_obsstack.wire.loki_push import (
    LokiEntry,
    LokiPushError,
    LokiStream,
    build_push,
    parse_push,
)

STREAMS = [
    LokiStream({"app": "shop"}, [LokiEntry(5, "a", {}), LokiEntry(6, "ö", {"trace_id": "t"})]),
    LokiStream({"app": "empty"}, []),
]


def body(*values: Any, stream: Any = None) -> bytes:
    return orjson.dumps({"streams": [{"stream": stream or {"a": "b"}, "values": list(values)}]})


def test_what_is_built_is_read_back() -> None:
    assert parse_push(build_push(STREAMS)) == STREAMS


def test_metadata_is_left_out_where_there_is_none() -> None:
    assert orjson.loads(build_push(STREAMS))["streams"][0] == {
        "stream": {"app": "shop"},
        "values": [["5", "a"], ["6", "ö", {"trace_id": "t"}]],
    }


def test_a_value_without_a_line_is_an_empty_line() -> None:
    assert parse_push(body(["7"]))[0].entries == [LokiEntry(7, "", {})]


def test_a_label_value_that_is_no_string_becomes_its_text() -> None:
    [stream] = parse_push(body(stream={"n": 7, "half": 0.5, "ok": True}))

    assert stream.labels == {"n": "7", "half": "0.5", "ok": "true"}


@pytest.mark.parametrize("document", [b"{}", b'{"streams": []}', b'{"streams": null}'])
def test_no_streams_are_an_empty_push(document: bytes) -> None:
    assert parse_push(document) == []


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (b"{", "not valid JSON: "),
        (b"[]", "expected an object, found an array"),
        (b'{"streams": {}}', "streams: expected an array, found an object"),
        (b'{"streams": [1]}', "streams[0]: expected an object, found a number"),
        (b'{"streams": [{"stream": "x"}]}', "streams[0].stream: expected an object, found a str"),
        (b'{"streams": [{"values": {"a": 1}}]}', "streams[0].values: expected an array, found an"),
        (body(stream={"a": []}), "streams[0].stream.a: expected a string, found an array"),
        (body(stream={"a": None}), "streams[0].stream.a: expected a string, found null"),
        (body([]), "streams[0].values[0]: expected [timestamp, line] or"),
        (body(["1", "x", {}, 4]), "streams[0].values[0]: expected [timestamp, line] or"),
        (body([1, "x"]), "streams[0].values[0][0]: expected a string, found a number"),
        (body(["1", 2]), "streams[0].values[0][1]: expected a string, found a number"),
        (body(["1", "x", []]), "streams[0].values[0][2]: expected an object, found an array"),
        (body(["1", "x", {"k": True}]), "streams[0].values[0][2].k: expected a string, found a b"),
        (body(["1.5", "x"]), "streams[0].values[0][0]: expected Unix nanoseconds, found '1.5'"),
        (body(["", "x"]), "streams[0].values[0][0]: expected Unix nanoseconds, found ''"),
    ],
)
def test_a_body_that_is_no_push_is_refused_with_its_place(document: bytes, text: str) -> None:
    with pytest.raises(LokiPushError) as error:
        parse_push(document)

    assert str(error.value).startswith(text)
