"""Remote write 1.0: ``prometheus.WriteRequest`` (protobuf) in snappy's block format.

Specification: https://prometheus.io/docs/specs/prw/remote_write_spec/. The message has so few
fields that it is read by hand, by the rules of protobuf's encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import cramjam

from pytest_obsstack.embedded.body import BodyTooLarge
from pytest_obsstack.embedded.prometheus.model import METRIC_NAME, Exemplar, Labels

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
# WriteRequest, TimeSeries, Label, Sample and Exemplar of the specification's message.
_TIMESERIES = 1
_LABELS, _SAMPLES, _EXEMPLARS, _HISTOGRAMS = 1, 2, 3, 4
_NAME, _VALUE, _TIMESTAMP = 1, 2, 3


class RemoteWriteError(Exception):
    """A body that is no write request; ``str()`` says why."""


class NativeHistogram(Exception):
    """The request holds native histograms, which this server does not store."""


@dataclass(frozen=True)
class WrittenSeries:
    """``labels`` as given, but sorted; samples are (milliseconds, value)."""

    labels: Labels
    samples: tuple[tuple[int, float], ...]
    exemplars: tuple[Exemplar, ...]

    @property
    def valid(self) -> bool:
        """Prometheus accepts, but does not store, a series without a name or with a label twice."""
        names = [name for name, _ in self.labels]
        return METRIC_NAME in names and "" not in names and len(set(names)) == len(names)


def unpack(body: bytes, limit: int) -> bytes:
    """The message of a request's body; raises ``RemoteWriteError`` or ``BodyTooLarge``."""
    try:
        size = _snappy_length(body)
        if size > limit:
            raise BodyTooLarge(f"unpacks to {size} bytes, the limit is {limit}")
        return bytes(cramjam.snappy.decompress_raw(body))
    except (cramjam.DecompressionError, IndexError):
        raise RemoteWriteError("snappy: corrupt input") from None


def _snappy_length(body: bytes) -> int:
    """The unpacked size, which the format begins with."""
    size, _ = _varint(memoryview(body), 0)
    return size


def decode(message: bytes) -> list[WrittenSeries]:
    """Raises ``RemoteWriteError`` or ``NativeHistogram``."""
    try:
        return [
            _series(content)
            for number, content in _fields(memoryview(message))
            if number == _TIMESERIES and isinstance(content, memoryview)
        ]
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise RemoteWriteError("proto: WriteRequest: unexpected EOF") from error


def _series(content: memoryview) -> WrittenSeries:
    labels: list[tuple[str, str]] = []
    samples: list[tuple[int, float]] = []
    exemplars: list[Exemplar] = []
    for number, part in _fields(content):
        if not isinstance(part, memoryview):
            continue
        if number == _LABELS:
            labels.append(_label(part))
        elif number == _SAMPLES:
            samples.append(_sample(part, value_field=1, timestamp_field=2))
        elif number == _EXEMPLARS:
            timestamp_ms, value = _sample(part, value_field=2, timestamp_field=3)
            exemplar_labels = tuple(
                sorted(
                    _label(pair)
                    for number, pair in _fields(part)
                    if number == _LABELS and isinstance(pair, memoryview)
                )
            )
            exemplars.append(Exemplar(exemplar_labels, value, timestamp_ms))
        elif number == _HISTOGRAMS:
            raise NativeHistogram
    kept = tuple(sorted(pair for pair in labels if pair[1]))
    return WrittenSeries(kept, tuple(samples), tuple(exemplars))


def _label(content: memoryview) -> tuple[str, str]:
    texts = {1: "", 2: ""}
    for number, part in _fields(content):
        if isinstance(part, memoryview):
            texts[number] = bytes(part).decode()
    return texts[1], texts[2]


def _sample(content: memoryview, *, value_field: int, timestamp_field: int) -> tuple[int, float]:
    timestamp_ms, value = 0, 0.0
    for number, part in _fields(content):
        if number == value_field and isinstance(part, memoryview):
            value = struct.unpack("<d", part)[0]
        elif number == timestamp_field and isinstance(part, int):
            timestamp_ms = part - (1 << 64) if part >> 63 else part
    return timestamp_ms, value


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and content of each field; of a varint its value, of the rest the bytes."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, wire_type = key >> 3, key & 7
        if wire_type == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire_type == _LENGTH_DELIMITED:
            length, position = _varint(message, position)
        elif wire_type in (_FIXED64, _FIXED32):
            length = 8 if wire_type == _FIXED64 else 4
        else:
            raise RemoteWriteError(f"proto: illegal wireType {wire_type}")
        if position + length > len(message):
            raise IndexError(position)
        yield number, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """The value and where it ends; raises ``IndexError`` at the end of the message."""
    value = shift = 0
    while shift < 70:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise IndexError(position)
