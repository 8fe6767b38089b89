"""A transport that answers from a table, and tells what was asked of it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

import httpx

Answer = Any
"""JSON, text (``str``), ``httpx.Response``, exception, function of the request, or ``Turns``."""


class Turns(deque[Answer]):
    """Answers to the same request, one after the other."""


class Answers(httpx.MockTransport):
    """``table`` maps ``"METHOD /path"`` to an answer.

    A request that the table does not know fails the test by name.
    """

    def __init__(self, table: Mapping[str, Answer]) -> None:
        self._table = table
        self.requests: list[httpx.Request] = []
        super().__init__(self._answer)

    @property
    def lines(self) -> list[str]:
        """``METHOD /path?query`` of each request."""
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]

    def params(self, index: int = -1) -> list[tuple[str, str]]:
        return self.requests[index].url.params.multi_items()

    def body(self, index: int = -1) -> Any:
        return json.loads(self.requests[index].content)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.raw_path.decode().partition("?")[0]
        key = f"{request.method} {path}"
        assert key in self._table, f"unexpected request {key}; known: {sorted(self._table)}"
        answer = self._table[key]
        if isinstance(answer, Turns):
            answer = answer.popleft()
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return answer
        if isinstance(answer, str):
            return httpx.Response(200, text=answer)
        return httpx.Response(200, json=answer)


def refusal(status: int, body: Any, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """An error answer: JSON, or text."""
    if isinstance(body, str):
        return httpx.Response(status, text=body, headers=headers)
    return httpx.Response(status, json=body, headers=headers)
