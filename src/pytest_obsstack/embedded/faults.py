"""Faults on the way in: a product that answers with an error, late, or only now and then."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(frozen=True)
class FaultRule:
    """What happens to a request whose path matches.

    With ``status`` it is answered so and never reaches the product; without, it is only delayed.
    """

    path: str = ".*"
    """Regular expression that must match the whole path."""
    method: str | None = None
    status: int | None = None
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    times: int | None = None
    """How many requests it concerns; ``None`` means all."""

    def concerns(self, method: str, path: str) -> bool:
        if self.method is not None and self.method.upper() != method:
            return False
        return re.fullmatch(self.path, path) is not None


class FaultyApp:
    """Wraps a product's application; without rules it costs one attribute look-up a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._rules: list[FaultRule] = []
        self._hits: list[int] = []

    def set_rules(self, rules: Sequence[FaultRule]) -> None:
        """Replace all rules; raises ``re.error`` for a path that is no regular expression."""
        for rule in rules:
            re.compile(rule.path)
        self._rules = list(rules)
        self._hits = [0] * len(self._rules)

    def describe(self) -> list[dict[str, Any]]:
        return [
            {
                "path": rule.path,
                "method": rule.method,
                "status": rule.status,
                "hits": hits,
            }
            for rule, hits in zip(self._rules, self._hits, strict=True)
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        rule = self._take_rule(scope) if self._rules else None
        if rule is None:
            await self._app(scope, receive, send)
            return
        if rule.delay_s:
            await asyncio.sleep(rule.delay_s)
        if rule.status is None:
            await self._app(scope, receive, send)
            return
        await _drain(receive)
        response = Response(rule.body, status_code=rule.status, headers=dict(rule.headers))
        await response(scope, receive, send)

    def _take_rule(self, scope: Scope) -> FaultRule | None:
        if scope["type"] != "http":
            return None
        for index, rule in enumerate(self._rules):
            spent = rule.times is not None and self._hits[index] >= rule.times
            if not spent and rule.concerns(scope["method"], scope["path"]):
                self._hits[index] += 1
                return rule
        return None


async def _drain(receive: Receive) -> None:
    """Take the body first: answering early makes some senders see a broken pipe, not the status."""
    more = True
    while more:
        message = await receive()
        more = message["type"] == "http.request" and message.get("more_body", False)
