"""Write requests (remote write 1.0), made independently of the server's reader."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

import cramjam

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}

Sample = tuple[float, float]
Exemplar = tuple[Mapping[str, str], float, float]
"""Labels, value, seconds."""


def varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(encoded) + bytes([number])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def series(
    labels: Mapping[str, str],
    samples: Iterable[Sample] = (),
    exemplars: Iterable[Exemplar] = (),
    histogram: bool = False,
) -> bytes:
    """One series; samples are (seconds, value)."""
    parts = [_label(1, pair) for pair in labels.items()]
    parts += [field(2, _double(1, value) + _milliseconds(2, at)) for at, value in samples]
    for exemplar_labels, value, at in exemplars:
        pairs = b"".join(_label(1, pair) for pair in exemplar_labels.items())
        parts.append(field(3, pairs + _double(2, value) + _milliseconds(3, at)))
    if histogram:
        parts.append(field(4, _milliseconds(15, 0)))
    return field(1, b"".join(parts))


def request(written: Sequence[bytes]) -> bytes:
    """The body of a request with these series."""
    return bytes(cramjam.snappy.compress_raw(b"".join(written)))


def _label(number: int, pair: tuple[str, str]) -> bytes:
    name, value = pair
    return field(number, field(1, name.encode()) + field(2, value.encode()))


def _double(number: int, value: float) -> bytes:
    return varint(number << 3 | 1) + struct.pack("<d", value)


def _milliseconds(number: int, seconds: float) -> bytes:
    return varint(number << 3) + varint(round(seconds * 1000) & 0xFFFFFFFFFFFFFFFF)
