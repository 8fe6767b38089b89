"""What every endpoint of ``/api/0`` shares: the call, the reply, the errors in Sentry's format."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.responses import Response

from pytest_obsstack.embedded.sentry.ledger import Ledger
from pytest_obsstack.embedded.sentry.refusal import not_supported
from pytest_obsstack.embedded.sentry.settings import SentrySettings
from pytest_obsstack.embedded.sentry.state.store import SentryStore


class ApiError(Exception):
    """An answer other than success; ``body`` is Sentry's ``{"detail": …}`` or field errors."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body


def bad_request(detail: str) -> ApiError:
    return ApiError(400, {"detail": detail})


def invalid_field(name: str, problem: str) -> ApiError:
    """As Django REST framework reports a field of a body."""
    return ApiError(400, {name: [problem]})


def not_found() -> ApiError:
    return ApiError(404, {"detail": "The requested resource does not exist"})


def unsupported(what: str, status: int = 400) -> ApiError:
    """A part of Sentry's API that this server does not have, by its name."""
    return ApiError(status, {"detail": not_supported(what)})


@dataclass(frozen=True)
class Call:
    """An authenticated request: ``params`` from the path, ``body`` parsed from JSON or ``None``."""

    path: str
    params: Mapping[str, str]
    query: Sequence[tuple[str, str]]
    body: Any = None

    def only(self, *names: str) -> None:
        """Refuse any query parameter that is not among ``names``."""
        for name, _ in self.query:
            if name not in names:
                raise unsupported(f"parameter {name!r} of {self.path}")

    def one(self, name: str) -> str | None:
        """The last value of a query parameter, as Django takes it."""
        return next((value for key, value in reversed(self.query) if key == name), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.query if key == name]

    def flag(self, name: str) -> bool:
        """Raises ``ApiError`` for anything but a boolean."""
        value = (self.one(name) or "0").lower()
        if value not in ("1", "true", "0", "false"):
            raise bad_request(f"Invalid value for {name}: {value!r}. Expected true or false.")
        return value in ("1", "true")

    def fields(self, **kinds: type[Any] | tuple[type[Any], ...]) -> Mapping[str, Any]:
        """The body, which must be an object with no other members, and these of these types."""
        if not isinstance(self.body, dict):
            raise bad_request("JSON parse error: expected an object")
        for name, value in self.body.items():
            if name not in kinds:
                raise unsupported(f"field {name!r} in the body of {self.path}")
            if value is not None and not isinstance(value, kinds[name]):
                raise invalid_field(name, f"Not a valid value: {value!r}.")
        return self.body


@dataclass(frozen=True)
class Reply:
    """An answer; ``raw`` bytes are sent as they are, else ``body`` as JSON."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    media_type: str = "application/json"

    def response(self) -> Response:
        headers = dict(self.headers)
        if self.raw is not None:
            return Response(self.raw, self.status, headers, self.media_type)
        if self.status == 204:
            return Response(status_code=204, headers=headers)
        return Response(orjson.dumps(self.body), self.status, headers, self.media_type)


def _new_key() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True)
class Api:
    """What endpoints work on."""

    store: SentryStore
    ledger: Ledger
    settings: SentrySettings
    clock_ns: Callable[[], int]
    new_key: Callable[[], str] = _new_key
    """Makes public and secret keys, 32 hexadecimal digits."""


Handler = Callable[[Api, Call], Reply]
