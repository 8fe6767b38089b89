"""Loki's protobuf push, as promtail and Alloy send it: ``logproto.PushRequest``, snappy-compressed.

Field numbers as in Loki's ``pkg/push/push.proto``: PushRequest {1: streams}, StreamAdapter
{1: labels, 2: entries}, EntryAdapter {1: timestamp, 2: line, 3: structured metadata},
LabelPairAdapter {1: name, 2: value}; Timestamp {1: seconds, 2: nanos}. Read by hand: there is no
package with these classes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import cramjam

from pytest_obsstack.embedded.go_quote import quote
from pytest_obsstack.embedded.loki.limits import PushRefused
from pytest_obsstack.embedded.loki.logql.errors import LogQLError
from pytest_obsstack.embedded.loki.logql.lexer import TokenStream
from pytest_obsstack.wire.loki_push import LokiEntry, LokiStream

_LABEL = re.compile(r'\s*([^\s="{},]*)\s*=\s*("(?:[^"\\]|\\.)*")\s*(?:,|(?=\}))', re.DOTALL)
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def parse_protobuf_push(body: bytes, max_bytes: int) -> list[LokiStream]:
    """The streams of a snappy-compressed push; raises ``PushRefused`` (400) as Loki words it."""
    data = _unsnap(body, max_bytes)
    try:
        return [_stream(value) for number, value in _fields(data) if number == 1]
    except (ValueError, UnicodeDecodeError) as error:
        raise PushRefused(400, f"proto: {error}") from error


def _unsnap(body: bytes, max_bytes: int) -> bytes:
    try:
        size, _ = _varint(body, 0)  # snappy's format begins with the length of what is packed
        if size > max_bytes:
            raise PushRefused(413, f"message size too large: {size} bytes, limit {max_bytes}")
        return bytes(cramjam.snappy.decompress_raw(body))
    except (cramjam.DecompressionError, ValueError) as error:
        raise PushRefused(400, "snappy: corrupt input") from error


def _stream(data: bytes) -> LokiStream:
    labels, entries = "{}", []
    for number, value in _fields(data):
        if number == 1:
            labels = value.decode("utf-8")
        elif number == 2:
            entries.append(_entry(value))
    return LokiStream(_labels(labels), entries)


def _labels(text: str) -> dict[str, str]:
    """Labels in Prometheus's form, ``{a="b", c="d"}``; their names are checked with all others."""
    found: dict[str, str] = {}
    at = 1
    while label := _LABEL.match(text, at):
        try:
            found[label[1]] = TokenStream(label[2]).peek.text
        except LogQLError as error:
            raise PushRefused(400, f"couldn't parse labels: {error}") from error
        at = label.end()
    if not text.startswith("{") or text[at:].strip() != "}":
        raise PushRefused(400, f"couldn't parse labels: 1:{at + 1}: parse error: {quote(text)}")
    return found


def _entry(data: bytes) -> LokiEntry:
    timestamp_ns, line, metadata = 0, "", {}
    for number, value in _fields(data):
        if number == 1:
            timestamp_ns = _timestamp_ns(value)
        elif number == 2:
            line = value.decode("utf-8", "replace")
        elif number == 3:
            pair = {key: text.decode("utf-8") for key, text in _fields(value)}
            metadata[pair.get(1, "")] = pair.get(2, "")
    return LokiEntry(timestamp_ns, line, metadata)


def _timestamp_ns(data: bytes) -> int:
    seconds, nanos, at = 0, 0, 0
    while at < len(data):
        tag, at = _varint(data, at)
        value, at = _varint(data, at)
        if tag == 1 << 3:
            seconds = value - (1 << 64) if value >= 1 << 63 else value
        elif tag == 2 << 3:
            nanos = value
    return seconds * 1_000_000_000 + nanos


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(number, content) of the length-delimited fields; fields of other types are skipped."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire_type = tag & 7
        if wire_type == _VARINT:
            _, at = _varint(data, at)
            continue
        if wire_type == _BYTES:
            size, at = _varint(data, at)
        elif wire_type in (_FIXED64, _FIXED32):
            size = 8 if wire_type == _FIXED64 else 4
        else:
            raise ValueError(f"illegal wireType {wire_type}")
        if at + size > len(data):
            raise ValueError("unexpected EOF")
        if wire_type == _BYTES:
            yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
    raise ValueError("unexpected EOF" if shift < 64 else "integer overflow")
