"""Ports of this machine: a free one, and the one that somebody has asked for."""

from __future__ import annotations

import socket

from pytest_obsstack.errors import StackUnavailable

TAKEN = "somebody else listens there"
FREE_IT = "end that program, or leave out --obs-port to get a free port"


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        port: int = candidate.getsockname()[1]
        return port


def port_is_free(port: int) -> bool:
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def require_free_port(component: str, port: int, *, what: str) -> None:
    """Raise ``StackUnavailable`` where ``--obs-port`` asks for a port that is taken.

    ``what`` is to have it: the app, the container of a component.
    """
    if not port_is_free(port):
        raise StackUnavailable(
            f"{what} cannot have its port.",
            expected=f"port {port} on 127.0.0.1 is free (--obs-port {component}={port})",
            found=TAKEN,
            advice=FREE_IT,
        )
