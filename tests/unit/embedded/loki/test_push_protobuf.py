from __future__ import annotations

import cramjam
import pytest

from pytest_obsstack.embedded.loki.limits import PushRefused
from pytest_obsstack.embedded.loki.push_protobuf import parse_protobuf_push
from pytest_obsstack.wire.loki_push import LokiEntry, LokiStream
from tests.unit.embedded.loki.support import NOW_S, Loki


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def integer(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def message(
    labels: str, line: str, nanos: int = 5, metadata: dict[str, str] | None = None
) -> bytes:
    """``logproto.PushRequest`` with one stream (and its hash, a number) of one entry."""
    entry = field(1, integer(1, NOW_S) + integer(2, nanos)) + field(2, line.encode())
    for name, value in (metadata or {}).items():
        entry += field(3, field(1, name.encode()) + field(2, value.encode()))
    return field(1, field(1, labels.encode()) + field(2, entry) + integer(3, 2**63))


def packed(content: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(content))


def test_streams_entries_and_metadata_are_read() -> None:
    body = packed(message('{app="shop", say="a \\"b\\""}', "größer", 7, {"trace_id": "a1"}))

    assert parse_protobuf_push(body, 1000) == [
        LokiStream(
            {"app": "shop", "say": 'a "b"'},
            [LokiEntry(NOW_S * 1_000_000_000 + 7, "größer", {"trace_id": "a1"})],
        )
    ]


def test_a_label_may_be_named_like_a_word_of_logql() -> None:
    body = packed(message('{json="a",by="b"}', "x"))

    assert parse_protobuf_push(body, 1000)[0].labels == {"json": "a", "by": "b"}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"x", "snappy: corrupt input"),
        (packed(b"\x0a\x7fshort"), "proto: unexpected EOF"),
        (packed(b"\x0b"), "proto: illegal wireType 3"),
        (packed(message('{app="shop"', "x")), "couldn't parse labels: 1:2"),
        (packed(message("app", "x")), "couldn't parse labels: 1:2"),
    ],
)
def test_what_is_no_push_is_refused(body: bytes, text: str) -> None:
    with pytest.raises(PushRefused) as refused:
        parse_protobuf_push(body, 1000)

    assert refused.value.status == 400
    assert refused.value.text.startswith(text)


def test_a_body_that_unpacks_to_too_much_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(PushRefused) as refused:
        parse_protobuf_push(packed(b"\0" * 5000), 4999)

    assert refused.value.status == 413


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "snappy"}])
def test_a_protobuf_push_over_http_is_stored(headers: dict[str, str]) -> None:
    loki = Loki()

    answer = loki.http.post(
        "/loki/api/v1/push",
        content=packed(message('{app="shop"}', "by protobuf", 0)),
        headers={"Content-Type": "application/x-protobuf", **headers},
    )

    assert answer.status_code == 204
    assert loki.lines('{app="shop"}') == ["by protobuf"]
