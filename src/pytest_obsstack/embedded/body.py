"""Reading a request body within limits: size on the wire, size unpacked, known encodings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cramjam
from starlette.requests import Request

_FIRST_GUESS_FACTOR = 8
_OUTPUT_FULL = "failed to write whole buffer"


class BodyError(Exception):
    """A body that cannot be taken; ``status`` is the HTTP status that says so (RFC 9110)."""

    status = 400


class BodyTooLarge(BodyError):
    """More bytes than the limit, packed or unpacked; a decompression bomb ends here."""

    status = 413


class UnknownEncoding(BodyError):
    """A ``Content-Encoding`` that is not one of gzip, deflate, br, zstd, identity."""

    status = 415


class CorruptBody(BodyError):
    """The bytes are not what ``Content-Encoding`` says."""


@dataclass(frozen=True)
class BodyLimits:
    """Bytes at most: ``packed`` as they come over the wire, ``unpacked`` after decompression."""

    packed: int
    unpacked: int


async def read_body(request: Request, limits: BodyLimits) -> bytes:
    """The unpacked body. Raises a ``BodyError`` where it is too large or cannot be unpacked."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limits.packed:
        raise BodyTooLarge(f"body of {declared} bytes, the limit is {limits.packed}")
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limits.packed:
            raise BodyTooLarge(f"body of more than {limits.packed} bytes")
        chunks.append(chunk)
    data = b"".join(chunks)
    # RFC 9110 section 8.4: encodings are listed in the order in which they were applied.
    encodings = [e.strip().lower() for e in request.headers.get("content-encoding", "").split(",")]
    for encoding in reversed([e for e in encodings if e and e != "identity"]):
        data = unpack(data, encoding, limits.unpacked)
    if len(data) > limits.unpacked:
        raise BodyTooLarge(f"unpacked body of {len(data)} bytes, the limit is {limits.unpacked}")
    return data


def unpack(data: bytes, encoding: str, limit: int) -> bytes:
    """``data`` decompressed; never holds more than ``limit`` bytes (and a factor of growth)."""
    if encoding in ("gzip", "x-gzip"):
        return _unpack_with(cramjam.gzip, data, encoding, limit)
    if encoding == "br":
        return _unpack_with(cramjam.brotli, data, encoding, limit)
    if encoding == "zstd":
        return _unpack_with(cramjam.zstd, data, encoding, limit)
    if encoding == "deflate":
        # RFC 9110 section 8.4.1.2 means the zlib format; some senders omit its two header bytes.
        try:
            return _unpack_with(cramjam.zlib, data, encoding, limit)
        except CorruptBody:
            return _unpack_with(cramjam.deflate, data, encoding, limit)
    raise UnknownEncoding(
        f"content-encoding {encoding!r}, expected one of gzip, deflate, br, zstd, identity"
    )


def _unpack_with(codec: Any, data: bytes, encoding: str, limit: int) -> bytes:
    """Decompress into a buffer that grows from a guess up to the limit.

    cramjam has no streaming decompression; a bounded output buffer is what keeps a bomb small.
    """
    if not data:
        # No format packs to nothing, but some versions of the library unpack it to nothing.
        raise CorruptBody(f"not valid {encoding}: it is empty")
    size = min(limit, max(4096, len(data) * _FIRST_GUESS_FACTOR))
    while True:
        output = bytearray(size)
        try:
            written: int = codec.decompress_into(data, output)
        except cramjam.DecompressionError as error:
            if _OUTPUT_FULL not in str(error):
                raise CorruptBody(f"not valid {encoding}: {error}") from error
            if size >= limit:
                raise BodyTooLarge(f"unpacks to more than {limit} bytes") from error
            size = min(limit, size * _FIRST_GUESS_FACTOR)
        else:
            return bytes(output[:written])
