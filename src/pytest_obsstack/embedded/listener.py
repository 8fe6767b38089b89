"""A TCP listener that can be closed and opened again on the same port."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from pytest_obsstack.embedded.settings import PortWish

_BACKLOG = 512
_GRACE_S = 2


class PortTaken(Exception):
    """A required port is in use by somebody else."""


class Listener:
    """Serves an ASGI application on one port.

    The port is reserved for the life of this object by a bound socket that never listens, so nobody
    else gets it while the listener is closed and connections are refused meanwhile.
    """

    def __init__(self, bind: str, wish: PortWish) -> None:
        self._bind = bind
        self._reservation, self.wish_met = _reserve(bind, wish)
        self.port: int = self._reservation.getsockname()[1]
        self._server: uvicorn.Server | None = None
        self._socket: socket.socket | None = None

    @property
    def url(self) -> str:
        """``http://host:port`` without a trailing slash."""
        return f"http://{self._bind}:{self.port}"

    @property
    def listening(self) -> bool:
        return self._server is not None

    async def open(self, app: ASGIApp) -> None:
        """Begin to accept connections; a second call while open changes nothing."""
        if self._server is not None:
            return
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            http="h11",
            ws="none",
            server_header=False,
            # uvicorn renews this header in a loop of its own, which is not run here.
            date_header=False,
            timeout_graceful_shutdown=_GRACE_S,
            backlog=_BACKLOG,
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        listening_socket = _bound_socket(self._bind, self.port)
        await server.startup(sockets=[listening_socket])
        self._server, self._socket = server, listening_socket

    async def close(self) -> None:
        """Refuse new connections, end the open ones; requests under way get their answer."""
        server, listening_socket = self._server, self._socket
        if server is None or listening_socket is None:
            return
        self._server = self._socket = None
        await server.shutdown(sockets=[listening_socket])

    def release(self) -> None:
        """Give the port back."""
        self._reservation.close()


def _reserve(bind: str, wish: PortWish) -> tuple[socket.socket, bool]:
    with contextlib.suppress(OSError):
        # A port on which somebody listens could still be bound with SO_REUSEADDR on some systems.
        probe: Any = socket.create_connection((bind, wish.port), timeout=0.2) if wish.port else None
        if probe is not None:
            probe.close()
            return _taken(bind, wish)
    try:
        return _bound_socket(bind, wish.port), True
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        return _taken(bind, wish)


def _taken(bind: str, wish: PortWish) -> tuple[socket.socket, bool]:
    if wish.required:
        raise PortTaken(f"port {wish.port} on {bind} is in use")
    return _bound_socket(bind, 0), False


def _bound_socket(bind: str, port: int) -> socket.socket:
    # With the protocol named, asyncio sends small answers at once (TCP_NODELAY); it leaves sockets
    # of protocol 0 alone, and each answer then waits 40 ms for an acknowledgement.
    result = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Lets the reservation and the listening socket share the port; on Linux a third party's
        # listening socket still excludes both.
        result.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        result.bind((bind, port))
    except OSError:
        result.close()
        raise
    return result
