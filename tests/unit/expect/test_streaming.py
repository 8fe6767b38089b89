"""Which responses are streamed: those whose length is not known when they begin."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from pytest_obsstack.expect.streaming import is_streamed


def response(status: int = 200, method: str = "GET", **headers: Any) -> httpx.Response:
    content = headers.pop("content", b"body")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    made = httpx.Response(status, headers=named, stream=httpx.ByteStream(content))
    made.request = httpx.Request(method, "http://app/")
    made.read()
    return made


@pytest.mark.parametrize(
    ("given", "streamed"),
    [
        (response(content_length="4"), False),
        (response(transfer_encoding="chunked"), True),
        (response(transfer_encoding="gzip, Chunked"), True),
        # HTTP/1.0, or HTTP/2: the end of the stream is the end of the body.
        (response(), True),
        (response(content=b""), False),
        (response(method="HEAD", transfer_encoding="chunked"), False),
        (response(204), False),
        (response(304), False),
    ],
)
def test_is_streamed(given: httpx.Response, streamed: bool) -> None:
    assert is_streamed(given) is streamed
