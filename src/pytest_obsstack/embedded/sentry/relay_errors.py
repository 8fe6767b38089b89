"""Refusals of ingest, in Relay's format: ``{"detail": "…", "causes": ["…"]}``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from starlette.responses import Response


class RelayError(Exception):
    """A request to ingest that is refused with ``status``; nothing of it is stored."""

    def __init__(self, status: int, detail: str, *causes: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.causes = causes

    def response(self) -> Response:
        body: dict[str, Any] = {"detail": self.detail}
        if self.causes:
            body["causes"] = list(self.causes)
        return Response(orjson.dumps(body), self.status, media_type="application/json")


def invalid_envelope(causes: Iterable[str]) -> RelayError:
    return RelayError(400, "invalid event envelope", *causes)


def too_large(item_type: str, *causes: str) -> RelayError:
    return RelayError(
        413,
        f"envelope exceeded size limits for type '{item_type}' "
        "(https://develop.sentry.dev/sdk/envelopes/#size-limits)",
        *causes,
    )
