"""A container engine of the tests' own: no containers, but every answer that the provider reads.

It runs in the test's process; the program ``docker`` (``fake_docker``) asks it over a socket. What
would be a published port of a container is a real listener on 127.0.0.1, so ports are taken, free
and answered as they are with an engine. A call or a flag that is not known here fails the test.
"""

from __future__ import annotations

import json
import select
import socket
import socketserver
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROJECT = "com.docker.compose.project"
ONE_OFF = "com.docker.compose.oneoff"


class EngineError(Exception):
    """What the engine answers when it cannot do what it is asked."""


@dataclass(frozen=True)
class Call:
    """One call of a program."""

    program: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    folder: str
    pid: int

    @property
    def line(self) -> str:
        return " ".join((self.program, *self.arguments))


@dataclass(frozen=True)
class Behaviour:
    """How the containers of a service behave; by default they are healthy and answer."""

    exits: int | None = None
    """The exit status with which it ends at once."""
    health: str = "healthy"
    health_output: str = ""
    answers: int = 200
    """The HTTP status of every answer."""
    log: tuple[str, ...] = ()
    has_health: bool = True
    program: tuple[str, ...] = ()
    """Runs in the place of the answers, told the container's variables and ``PORTS``."""


@dataclass
class Container:
    """A container as ``docker inspect`` knows it."""

    name: str
    service: str
    project: str
    image: str
    labels: dict[str, str]
    environment: dict[str, str]
    ports: dict[int, int]
    """Of this machine → of the container."""
    behaviour: Behaviour
    state: str = "created"
    exit_code: int = 0
    servers: list[ThreadingHTTPServer] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    @property
    def health(self) -> str:
        running = self.state == "running" and self.behaviour.has_health
        return self.behaviour.health if running else ""

    def start(self) -> None:
        if self.behaviour.exits is not None:
            self.state, self.exit_code = "exited", self.behaviour.exits
            return
        if self.behaviour.program:
            ports = {f"OBSSTACK_PORT_{inner}": str(outer) for outer, inner in self.ports.items()}
            self.process = subprocess.Popen(
                self.behaviour.program,
                env={**self.environment, **ports},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            self.state = "running"
            return
        for port in self.ports:
            try:
                self.servers.append(_listener(port, self.behaviour))
            except OSError:
                self.close()
                raise EngineError(
                    "Error response from daemon: driver failed programming external connectivity "
                    f"on endpoint {self.name} (5f0d): Error starting userland proxy: listen tcp4 "
                    f"127.0.0.1:{port}: bind: address already in use"
                ) from None
        for server in self.servers:
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        self.state = "running"

    def close(self) -> None:
        for server in self.servers:
            if self.state == "running":
                server.shutdown()
            server.server_close()
        self.servers = []
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        self.close()
        self.state = "exited"


class FakeEngine:
    """The engine and what it holds. Attributes may be changed by the test at any time."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.unknown: list[str] = []
        """Calls that no engine of this world understands."""
        self.engine_version = "28.2.2"
        self.compose_versions: dict[str, str] = {"docker": "2.26.1-4"}
        """By program, for those that have Compose."""
        self.answering = True
        self.images: set[str] = set()
        self.image_labels: dict[str, dict[str, str]] = {}
        self.pull_errors: dict[str, str] = {}
        """What the registry says, by image."""
        self.build_errors: dict[str, str] = {}
        """What the build prints at its end, by service."""
        self.image_ids: dict[str, str] = {}
        """By name, of those that were built here."""
        self.removed_images: list[str] = []
        """Ids."""
        self.built: list[str] = []
        """The folders that images were built from."""
        self.behaviours: dict[str, Behaviour] = {}
        self.down_errors: list[str] = []
        """What ``down`` fails with, one call after the other."""
        self.before_up: Callable[[Mapping[str, Container]], None] = lambda _containers: None
        self.before_down: Callable[[], None] = lambda: None
        self.hang: str | None = None
        """The subcommand of Compose that does not end by itself."""
        self.hanging = threading.Event()
        self.late: Callable[[], object] | None = None
        """Done when a hanging client is gone: what the engine was in the middle of."""
        self.containers: dict[str, Container] = {}
        self.networks: dict[str, dict[str, str]] = {}
        self.volumes: dict[str, dict[str, str]] = {}
        self.lock = threading.RLock()

    def lines(self, word: str = "") -> list[str]:
        """The command lines so far that have the word in them."""
        return [
            call.line
            for call in self.calls
            if word in (call.line if word == "" else call.arguments)
        ]

    def left(self, project: str | None = None) -> list[str]:
        """What is there: of one project, or at all."""
        found = [c.name for c in self.containers.values() if project in (None, c.project)]
        for resources in (self.networks, self.volumes):
            found += [
                name for name, labels in resources.items() if project in (None, labels[PROJECT])
            ]
        return found

    def service(self, name: str) -> Container:
        """The one container of a service."""
        (container,) = (
            c
            for c in self.containers.values()
            if c.service == name and c.labels[ONE_OFF] == "False"
        )
        return container

    def remove(self, name: str) -> None:
        with self.lock:
            container = self.containers.pop(name, None)
            if container is not None:
                container.close()

    def close(self) -> None:
        for name in list(self.containers):
            self.remove(name)


class Server(socketserver.ThreadingTCPServer):
    """Takes the programs' calls for an engine."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, engine: FakeEngine) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.engine = engine

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is no error."""


class Answer:
    """The way back to the program that called."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def out(self, text: str) -> None:
        self._send({"out": text + "\n"})

    def err(self, text: str) -> None:
        self._send({"err": text + "\n"})

    def status(self, status: int) -> None:
        self._send({"status": status})

    def gone(self, timeout_s: float) -> bool:
        """Whether the program has ended, or does so within the time."""
        readable = select.select([self._connection], [], [], timeout_s)[0]
        return bool(readable) and not self._connection.recv(1)

    def _send(self, part: dict[str, Any]) -> None:
        self._connection.sendall(json.dumps(part).encode() + b"\n")


class _Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        from tests.unit.providers.compose.fake_commands import perform

        told = json.loads(self.rfile.readline())
        call = Call(
            told["program"],
            tuple(told["arguments"]),
            told["environment"],
            told["folder"],
            told["pid"],
        )
        self.server.engine.calls.append(call)
        answer = Answer(self.connection)
        answer.status(perform(self.server.engine, call, answer))


def _listener(port: int, behaviour: Behaviour) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(behaviour.answers)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET  # noqa: N815 - the base class' way

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    class Listener(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        # As Docker's proxy: a port that somebody listens on cannot be had.
        allow_reuse_address = True

    return Listener(("127.0.0.1", port), Handler)


def matching(resources: Mapping[str, Mapping[str, str]], label: str) -> Iterator[str]:
    """Names of what has the label ``name`` or ``name=value``."""
    name, separator, value = label.partition("=")
    for resource, labels in resources.items():
        if name in labels and (not separator or labels[name] == value):
            yield resource
