"""Stands before a product's application and hands on what the active mutations make of a body."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pytest_obsstack.embedded.body import BodyError, unpack
from pytest_obsstack.embedded.mutations.otlp import rewrite_otlp
from pytest_obsstack.embedded.mutations.rules import Mutations
from pytest_obsstack.embedded.mutations.sentry import rewrite_envelope

_UNPACKED_BYTES = 64 * 1024 * 1024
_ENVELOPE = re.compile(r"/api/\d+/envelope/?")
_OTLP = re.compile(r"/v1/(traces|logs|metrics)")

Rewrite = Callable[[str, Headers, bytes, Mutations], Sequence[bytes] | None]
"""Path, headers, unpacked body → what is handed on in its place; ``None``: the body as it came."""


class MutatingApp:
    """Without mutations it costs one look a request."""

    def __init__(self, app: ASGIApp, mutations: Mutations, rewrite: Rewrite) -> None:
        self._app = app
        self._mutations = mutations
        self._rewrite = rewrite

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._mutations or scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        packed = await Request(scope, receive).body()
        bodies = self._rewritten(scope, packed)
        if bodies is None:
            await self._app(scope, _given(packed, receive), send)
            return
        first, *more = bodies
        await self._app(_scope_for(scope, first), _given(first, receive), send)
        for body in more:
            await self._app(_scope_for(scope, body), _given(body, receive), _unheard)

    def _rewritten(self, scope: Scope, packed: bytes) -> Sequence[bytes] | None:
        headers = Headers(scope=scope)
        body = packed
        encodings = [e.strip().lower() for e in headers.get("content-encoding", "").split(",")]
        try:
            for encoding in reversed([e for e in encodings if e and e != "identity"]):
                body = unpack(body, encoding, _UNPACKED_BYTES)
        except BodyError:
            # The product says what is wrong with it.
            return None
        return self._rewrite(scope["path"], headers, body, self._mutations)


def sentry_rewrite(
    path: str, _: Headers, body: bytes, mutations: Mutations
) -> Sequence[bytes] | None:
    return rewrite_envelope(body, mutations) if _ENVELOPE.fullmatch(path) else None


def collector_rewrite(
    path: str, headers: Headers, body: bytes, mutations: Mutations
) -> Sequence[bytes] | None:
    match = _OTLP.fullmatch(path)
    if match is None:
        return None
    changed = rewrite_otlp(match[1], headers.get("content-type"), body, mutations)
    return None if changed is None else [changed]


def _scope_for(scope: Scope, body: bytes) -> Scope:
    replaced = (b"content-encoding", b"content-length", b"transfer-encoding")
    headers = [(name, value) for name, value in scope["headers"] if name not in replaced]
    return {**scope, "headers": [*headers, (b"content-length", str(len(body)).encode())]}


def _given(body: bytes, receive: Receive) -> Receive:
    """``receive`` of an application for a body that has been read already."""
    left = [body]

    async def again() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return again


async def _unheard(_: Message) -> None:
    """The sender of a duplicate is answered once."""
