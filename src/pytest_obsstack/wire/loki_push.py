"""Loki's JSON push: ``POST /loki/api/v1/push``, read and written.

Loki HTTP API, "Ingest logs":

1. The body is ``{"streams": [{"stream": {label: value}, "values": [entry, …]}, …]}``.
2. An entry is ``[timestamp, line]`` or ``[timestamp, line, structured metadata]``; the timestamp
   is a string of Unix nanoseconds, the metadata an object of strings.
3. A real server also takes an entry without a line (an empty line) and a label value that is a
   number or a boolean (its JSON text); not a timestamp or a metadata value that is no string.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from pytest_obsstack.wire.malformed import WireError


class LokiPushError(WireError):
    """A body that is no push; the message names the place in it."""


@dataclass(frozen=True, slots=True)
class LokiEntry:
    """A log line at a time (Unix nanoseconds) with its structured metadata."""

    timestamp_ns: int
    line: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LokiStream:
    """Entries that share their labels."""

    labels: Mapping[str, str]
    entries: Sequence[LokiEntry]


def parse_push(body: bytes) -> list[LokiStream]:
    """The streams of a JSON push, in order; raises ``LokiPushError``."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise LokiPushError(f"not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise LokiPushError(f"expected an object, found {_kind(document)}")
    streams = document.get("streams")
    if streams is None:
        return []
    if not isinstance(streams, list):
        raise LokiPushError(f"streams: expected an array, found {_kind(streams)}")
    return [_stream(raw, f"streams[{index}]") for index, raw in enumerate(streams)]


def build_push(streams: Iterable[LokiStream]) -> bytes:
    """The JSON body that ``parse_push`` reads as ``streams``."""
    return orjson.dumps(
        {
            "streams": [
                {
                    "stream": dict(stream.labels),
                    "values": [_values_item(entry) for entry in stream.entries],
                }
                for stream in streams
            ]
        }
    )


def _values_item(entry: LokiEntry) -> list[Any]:
    item: list[Any] = [str(entry.timestamp_ns), entry.line]
    return [*item, dict(entry.metadata)] if entry.metadata else item


def _stream(raw: Any, place: str) -> LokiStream:
    if not isinstance(raw, dict):
        raise LokiPushError(f"{place}: expected an object, found {_kind(raw)}")
    labels, values = raw.get("stream") or {}, raw.get("values") or []
    if not isinstance(labels, dict):
        raise LokiPushError(f"{place}.stream: expected an object, found {_kind(labels)}")
    if not isinstance(values, list):
        raise LokiPushError(f"{place}.values: expected an array, found {_kind(values)}")
    return LokiStream(
        {name: _label_value(value, f"{place}.stream.{name}") for name, value in labels.items()},
        [_entry(item, f"{place}.values[{index}]") for index, item in enumerate(values)],
    )


def _label_value(value: Any, place: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):  # rule 3
        return orjson.dumps(value).decode()
    raise LokiPushError(f"{place}: expected a string, found {_kind(value)}")


def _entry(item: Any, place: str) -> LokiEntry:
    if not isinstance(item, list) or not item or len(item) > 3:
        raise LokiPushError(f"{place}: expected [timestamp, line] or [timestamp, line, metadata]")
    timestamp, line, metadata = (*item, *("", {})[len(item) - 1 :]) if len(item) < 3 else item
    if not isinstance(timestamp, str):
        raise LokiPushError(f"{place}[0]: expected a string, found {_kind(timestamp)}")
    if not isinstance(line, str):
        raise LokiPushError(f"{place}[1]: expected a string, found {_kind(line)}")
    if not isinstance(metadata, dict):
        raise LokiPushError(f"{place}[2]: expected an object, found {_kind(metadata)}")
    for name, value in metadata.items():
        if not isinstance(value, str):
            raise LokiPushError(f"{place}[2].{name}: expected a string, found {_kind(value)}")
    return LokiEntry(_timestamp_ns(timestamp, place), line, metadata)


def _timestamp_ns(text: str, place: str) -> int:
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 19):
        raise LokiPushError(f"{place}[0]: expected Unix nanoseconds, found {text!r}")
    return int(text)


def _kind(value: Any) -> str:
    """The JSON name of a value's type, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names: dict[type, str] = {dict: "an object", list: "an array", str: "a string"}
    return names.get(type(value), "a number")
