"""A listener on loopback: opened, closed and opened again on a port that stays its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pytest_obsstack.embedded.listener import Listener, PortTaken
from pytest_obsstack.embedded.settings import PortWish

T = TypeVar("T")
BIND = "127.0.0.1"


async def hello(_: Request) -> Response:
    return PlainTextResponse("hello")


APP = Starlette(routes=[Route("/", hello)])


@contextmanager
def listener(wish: PortWish | None = None) -> Iterator[Listener]:
    made = Listener(BIND, wish or PortWish())
    try:
        yield made
    finally:
        made.release()


@contextmanager
def somebody_else(port: int = 0, *, reuse: bool = False) -> Iterator[int]:
    """A program that listens on a port of loopback."""
    with closing(socket.socket()) as taken:
        if reuse:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((BIND, port))
        taken.listen()
        yield taken.getsockname()[1]


async def get(url: str) -> str:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        return (await client.get(url)).text


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, timeout=20))


def test_it_answers_while_it_is_open_and_refuses_while_it_is_closed() -> None:
    async def work(made: Listener) -> None:
        with pytest.raises(httpx.ConnectError):
            await get(made.url)
        await made.open(APP)
        states = [made.listening]
        assert await get(made.url) == "hello"
        await made.close()
        assert [*states, made.listening] == [True, False]
        with pytest.raises(httpx.ConnectError):
            await get(made.url)
        await made.open(APP)
        assert await get(made.url) == "hello"
        await made.close()

    with listener() as made:
        assert made.url == f"http://127.0.0.1:{made.port}"
        run(work(made))


def test_opening_and_closing_twice_changes_nothing() -> None:
    async def work(made: Listener) -> None:
        await made.close()
        await made.open(APP)
        await made.open(APP)
        assert await get(made.url) == "hello"
        await made.close()
        await made.close()

    with listener() as made:
        run(work(made))


def test_kept_connections_end_when_it_closes() -> None:
    async def work(made: Listener) -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            await made.open(APP)
            await client.get(made.url)
            await made.close()
            with pytest.raises(httpx.TransportError):
                await client.get(made.url)

    with listener() as made:
        run(work(made))


def test_a_request_that_is_under_way_gets_its_answer() -> None:
    async def work(made: Listener) -> None:
        arrived, go_on = asyncio.Event(), asyncio.Event()

        async def slow(_: Request) -> Response:
            arrived.set()
            await go_on.wait()
            return PlainTextResponse("late")

        await made.open(Starlette(routes=[Route("/", slow)]))
        answer = asyncio.create_task(get(made.url))
        await arrived.wait()
        closed = asyncio.create_task(made.close())
        await asyncio.sleep(0)
        go_on.set()
        assert await answer == "late"
        await closed

    with listener() as made:
        run(work(made))


def test_nobody_gets_its_port_while_it_is_closed() -> None:
    with listener() as made, closing(socket.socket()) as other:
        with pytest.raises(OSError, match="in use"):
            other.bind((BIND, made.port))
        for _ in range(50):
            with somebody_else() as port:
                assert port != made.port


def test_its_port_is_free_once_it_is_released() -> None:
    with listener() as made:
        port = made.port
    with somebody_else(port) as again:
        assert again == port


def test_a_wished_port_that_is_free_is_had() -> None:
    with listener() as first:
        port = first.port
    with listener(PortWish(port, required=True)) as second:
        assert (second.port, second.wish_met) == (port, True)


def test_any_free_port_meets_the_wish_for_none() -> None:
    with listener() as made:
        assert made.port > 0
        assert made.wish_met


@pytest.mark.parametrize("reuse", [False, True])
def test_a_wished_port_that_is_taken_yields_a_free_one(reuse: bool) -> None:
    with somebody_else(reuse=reuse) as port, listener(PortWish(port)) as made:
        assert made.port != port
        assert not made.wish_met


@pytest.mark.parametrize("reuse", [False, True])
def test_a_required_port_that_is_taken_is_an_error(reuse: bool) -> None:
    with somebody_else(reuse=reuse) as port:
        with pytest.raises(PortTaken) as caught:
            Listener(BIND, PortWish(port, required=True))
        assert str(caught.value) == f"port {port} on 127.0.0.1 is in use"


def test_a_required_port_that_is_bound_only_is_taken_as_well() -> None:
    with closing(socket.socket()) as bound:
        bound.bind((BIND, 0))
        port = bound.getsockname()[1]
        with pytest.raises(PortTaken):
            Listener(BIND, PortWish(port, required=True))
