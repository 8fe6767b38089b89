"""Request bodies: every encoding, its limits, and what cannot be unpacked."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import cramjam
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from starlette.requests import Request

from pytest_obsstack.embedded.body import (
    BodyError,
    BodyLimits,
    BodyTooLarge,
    CorruptBody,
    UnknownEncoding,
    read_body,
    unpack,
)

LIMITS = BodyLimits(packed=1000, unpacked=5000)
LIMIT = 1_000_000


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: bytes(cramjam.gzip.compress(data)),
    "x-gzip": lambda data: bytes(cramjam.gzip.compress(data)),
    "br": lambda data: bytes(cramjam.brotli.compress(data)),
    "zstd": lambda data: bytes(cramjam.zstd.compress(data)),
    "deflate": zlib.compress,
}
ENCODINGS = list(PACK)


def read(*chunks: bytes, encoding: str | None = None, length: str | None = None) -> bytes:
    """The body that ``read_body`` gives for these chunks."""
    headers = []
    if encoding is not None:
        headers.append((b"content-encoding", encoding.encode()))
    if length is not None:
        headers.append((b"content-length", length.encode("latin-1")))
    pending = [
        {"type": "http.request", "body": chunk, "more_body": index < len(chunks) - 1}
        for index, chunk in enumerate(chunks or (b"",))
    ]

    async def receive() -> Any:
        return pending.pop(0)

    async def body() -> bytes:
        scope = {"type": "http", "method": "POST", "headers": headers}
        return await read_body(Request(scope, receive), LIMITS)

    return asyncio.run(body())


# ---- encodings


@pytest.mark.parametrize("encoding", ENCODINGS)
@for_all(data=st.binary(max_size=3000))
def test_every_encoding_gives_the_body_back(encoding: str, data: bytes) -> None:
    assert unpack(PACK[encoding](data), encoding, LIMIT) == data


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_body_far_larger_than_its_packed_form_is_unpacked(encoding: str) -> None:
    data = b"a" * 900_000
    assert unpack(PACK[encoding](data), encoding, LIMIT) == data


def test_deflate_without_the_zlib_header_is_taken_as_well() -> None:
    data = b"body " * 500
    assert unpack(raw_deflate(data), "deflate", LIMIT) == data


def test_several_gzip_members_are_one_body() -> None:
    assert unpack(PACK["gzip"](b"one ") + PACK["gzip"](b"two"), "gzip", LIMIT) == b"one two"


def test_encodings_are_undone_from_the_last_to_the_first() -> None:
    packed = PACK["br"](PACK["gzip"](b"twice"))
    assert read(packed, encoding="gzip, BR") == b"twice"


@pytest.mark.parametrize("encoding", [None, "", "identity", "Identity, identity", " , "])
def test_no_encoding_leaves_the_body_as_it_is(encoding: str | None) -> None:
    assert read(b"plain", encoding=encoding) == b"plain"


def test_chunks_are_joined() -> None:
    assert read(b"one ", b"", b"two") == b"one two"


@pytest.mark.parametrize("encoding", ["compress", "lz4", "gzipp"])
def test_an_unknown_encoding_is_refused_with_415(encoding: str) -> None:
    with pytest.raises(UnknownEncoding) as caught:
        read(b"x", encoding=encoding)
    assert caught.value.status == 415
    assert str(caught.value) == (
        f"content-encoding {encoding!r}, expected one of gzip, deflate, br, zstd, identity"
    )


# ---- what cannot be unpacked


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("data", [b"", b"no packed data", b"\x1f\x8b", b"\x00" * 40])
def test_what_is_not_packed_so_is_refused_with_400(encoding: str, data: bytes) -> None:
    with pytest.raises(CorruptBody) as caught:
        unpack(data, encoding, LIMIT)
    assert caught.value.status == 400
    assert str(caught.value).startswith(f"not valid {encoding}: ")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_body_that_was_cut_short_is_refused(encoding: str) -> None:
    packed = PACK[encoding](bytes(range(256)) * 20)
    for end in range(1, len(packed), 7):
        with pytest.raises(CorruptBody):
            unpack(packed[:end], encoding, LIMIT)


@pytest.mark.parametrize("encoding", ENCODINGS)
@for_all(data=st.binary(max_size=200))
def test_any_bytes_give_a_body_or_a_body_error(encoding: str, data: bytes) -> None:
    try:
        assert len(unpack(data, encoding, 10_000)) <= 10_000
    except BodyError as error:
        assert error.status in (400, 413)  # noqa: PT017 - either outcome is right


# ---- limits


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_body_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(encoding: str) -> None:
    data = bytes(range(250)) * 40
    assert unpack(PACK[encoding](data), encoding, len(data)) == data
    with pytest.raises(BodyTooLarge) as caught:
        unpack(PACK[encoding](data), encoding, len(data) - 1)
    assert caught.value.status == 413
    assert str(caught.value) == "unpacks to more than 9999 bytes"


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "deflate"])
def test_a_bomb_ends_at_the_limit_quickly_and_in_little_memory(encoding: str) -> None:
    # Brotli takes seconds to make a bomb of 200 MB.
    bomb = PACK[encoding](b"\0" * (20_000_000 if encoding == "br" else 200_000_000))
    assert len(bomb) < 300_000
    tracemalloc.start()
    began = time.perf_counter()
    try:
        with pytest.raises(BodyTooLarge):
            unpack(bomb, encoding, LIMIT)
        took_s, peak = time.perf_counter() - began, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert took_s < 2
    assert peak < 3 * LIMIT


def test_a_bomb_within_a_bomb_ends_at_the_limit() -> None:
    inner = PACK["gzip"](b"\0" * 50_000_000)
    with pytest.raises(BodyTooLarge):
        read(PACK["gzip"](inner), encoding="gzip, gzip")


def test_a_declared_length_beyond_the_limit_is_refused_before_the_body_is_read() -> None:
    with pytest.raises(BodyTooLarge) as caught:
        read(b"short", length="1001")
    assert str(caught.value) == "body of 1001 bytes, the limit is 1000"


def test_a_body_that_grows_beyond_the_limit_is_refused_whatever_it_declared() -> None:
    with pytest.raises(BodyTooLarge) as caught:
        read(b"x" * 600, b"x" * 600, b"never read", length="5")
    assert str(caught.value) == "body of more than 1000 bytes"


@pytest.mark.parametrize("length", ["-1", "many", "1e9", "²"])
def test_a_length_that_is_no_number_declares_nothing(length: str) -> None:
    assert read(b"body", length=length) == b"body"


def test_an_unpacked_body_has_its_own_limit_without_an_encoding_too() -> None:
    limits = BodyLimits(packed=100, unpacked=10)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"x" * 11, "more_body": False}

    with pytest.raises(BodyTooLarge, match="unpacked body of 11 bytes, the limit is 10"):
        asyncio.run(read_body(Request({"type": "http", "headers": []}, receive), limits))
