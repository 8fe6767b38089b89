"""The control interface: stop and start listeners, set faults, mutate, scrape, end the process.

Not part of any product; only the plugin and the command line use it. JSON over HTTP on loopback,
``Authorization: Bearer <control token>`` on every request.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from types import NoneType
from typing import TYPE_CHECKING, Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pytest_obsstack.embedded.faults import FaultRule
from pytest_obsstack.embedded.mutations.rules import Mutation, MutationError

if TYPE_CHECKING:
    from pytest_obsstack.embedded.host import Host

_Handler = Callable[[Request], Awaitable[Any]]


class ControlError(Exception):
    """A request to the control interface that cannot be carried out; told with status 400."""


def control_app(host: Host, token: str) -> Starlette:
    """The application; every handler returns a JSON-able value."""

    async def status(_: Request) -> Any:
        return host.status()

    async def stop(request: Request) -> Any:
        await host.stop_product(_product(host, request))
        return host.status()["products"][request.path_params["product"]]

    async def start(request: Request) -> Any:
        await host.start_product(_product(host, request))
        return host.status()["products"][request.path_params["product"]]

    async def faults(request: Request) -> Any:
        rules = [_rule(entry) for entry in await _json(request, list)]
        host.set_faults(_product(host, request), rules)
        return {"rules": len(rules)}

    async def configure(request: Request) -> Any:
        await host.configure(_product(host, request), await _json(request, dict))
        return host.status()["products"][request.path_params["product"]]

    async def evaluate(_: Request) -> Any:
        return {"rules": host.evaluate()}

    async def scrape(request: Request) -> Any:
        job = request.query_params.get("job")
        return [
            {
                "job": r.job,
                "instance": r.instance,
                "health": r.health,
                "error": r.error,
            }
            for r in await host.scrape(job)
        ]

    async def shutdown(_: Request) -> Any:
        host.request_shutdown()
        return {"stopping": True}

    def route(path: str, method: str, handler: _Handler) -> Route:
        return Route(path, _guarded(handler, token), methods=[method])

    return Starlette(
        routes=[
            route("/status", "GET", status),
            route("/products/{product}/stop", "POST", stop),
            route("/products/{product}/start", "POST", start),
            route("/products/{product}/faults", "PUT", faults),
            route("/products/{product}/settings", "PUT", configure),
            route("/scrape", "POST", scrape),
            route("/evaluate", "POST", evaluate),
            *(route(*each) for each in _mutations(host)),
            route("/shutdown", "POST", shutdown),
        ]
    )


def _mutations(host: Host) -> list[tuple[str, str, _Handler]]:
    """Path, method and handler of what begins a mutation, shows it and ends it."""

    async def begin(request: Request) -> Any:
        try:
            rule = Mutation.from_json(await _json(request, dict))
        except MutationError as error:
            raise ControlError(str(error)) from error
        return host.mutations.begin(rule).describe()

    async def show(request: Request) -> Any:
        active = host.mutations.get(request.path_params["trace_id"])
        return None if active is None else active.describe()

    async def end(request: Request) -> Any:
        active = host.mutations.end(request.path_params["trace_id"])
        return None if active is None else active.describe()

    one = "/mutations/{trace_id}"
    return [("/mutations", "PUT", begin), (one, "GET", show), (one, "DELETE", end)]


def _guarded(handler: _Handler, token: str) -> Callable[[Request], Awaitable[Response]]:
    expected = f"Bearer {token}"

    async def endpoint(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if not secrets.compare_digest(given.encode(), expected.encode()):
            return _answer({"error": "the control interface needs its bearer token"}, 401)
        try:
            return _answer(await handler(request), 200)
        except ControlError as error:
            return _answer({"error": str(error)}, 400)

    return endpoint


def _answer(value: Any, status: int) -> Response:
    return Response(orjson.dumps(value), status_code=status, media_type="application/json")


def _product(host: Host, request: Request) -> str:
    name: str = request.path_params["product"]
    if name not in host.product_names:
        raise ControlError(f"no product {name!r}, there are {', '.join(host.product_names)}")
    return name


async def _json(request: Request, kind: type) -> Any:
    try:
        value = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise ControlError(f"the body is not JSON: {error}") from error
    if not isinstance(value, kind):
        raise ControlError(f"the body is {type(value).__name__}, expected {kind.__name__}")
    return value


_FAULT_FIELDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "path": ((str,), "a text"),
    "method": ((str, NoneType), "a text"),
    "status": ((int, NoneType), "a whole number"),
    "body": ((str,), "a text"),
    "headers": ((dict,), "an object"),
    "delay_s": ((int, float), "a number"),
    "times": ((int, NoneType), "a whole number"),
}


def _rule(entry: Any) -> FaultRule:
    try:
        rule = FaultRule(**entry)
    except TypeError as error:
        raise ControlError(f"not a fault rule: {error}") from error
    for name, (kinds, expected) in _FAULT_FIELDS.items():
        value = getattr(rule, name)
        if not isinstance(value, kinds):
            raise ControlError(f"not a fault rule: {name} is {value!r}, expected {expected}")
    if rule.status is not None and not 100 <= rule.status <= 599:
        raise ControlError(f"not a fault rule: status is {rule.status}, expected 100 to 599")
    if rule.delay_s < 0:
        raise ControlError(f"not a fault rule: delay_s is {rule.delay_s}, expected 0 or more")
    return rule
