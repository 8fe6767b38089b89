"""The embedded stack's process: what it is told, its start and its failures, its control."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.providers import embedded as module
from pytest_obsstack.providers.embedded import EmbeddedControl, start_embedded
from pytest_obsstack.providers.ports import free_port
from pytest_obsstack.providers.process import ManagedProcess
from pytest_obsstack.providers.state import Control, StackState
from tests.unit.providers.support import alive, eventually, pid_in

PRODUCTS = ("sentry", "collector", "prometheus", "loki")


def start(folder: Path, **more: Any) -> StackState:
    options = {"owner_pid": os.getpid(), "ports": {}, "prefer_guide_ports": False, **more}
    return start_embedded(folder, run_id="r", **options)


def end(state: StackState) -> None:
    assert state.process is not None
    assert state.process.stop(10)
    os.waitpid(state.process.pid, 0)


def pids_of(folder: Path) -> list[int]:
    """Processes that were told the settings in this folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue  # It has ended meanwhile.
    return [pid for pid in found if alive(pid)]


# ---- what it is told


def test_ports_that_must_be_had_and_ports_that_are_wished_for() -> None:
    assert module._port_wishes({}, prefer_guide_ports=False) == {}
    assert module._port_wishes({"loki": 1, "app": 2}, prefer_guide_ports=False) == {
        "loki": {"port": 1, "required": True}
    }
    assert module._port_wishes({"loki": 1}, prefer_guide_ports=True) == {
        "sentry": {"port": 9000, "required": False},
        "prometheus": {"port": 9090, "required": False},
        "collector": {"port": 4318, "required": False},
        "loki": {"port": 1, "required": True},
    }


def test_sdks_do_not_start_inside_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SENTRY_DSN", "OTEL_SERVICE_NAME", "PYTEST_CURRENT_TEST"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("LANG", "C")
    found = module._environment()
    assert not [n for n in found if n.startswith(("SENTRY_", "OTEL_", "PYTEST_"))]
    assert (found["LANG"], found["PYTHONUNBUFFERED"]) == ("C", "1")


# ---- start and end


def test_all_four_products_answer_and_all_end(tmp_path: Path) -> None:
    port = free_port()
    state = start(tmp_path, ports={"sentry": port})
    try:
        assert tuple(state.products) == PRODUCTS
        assert all(product.stands_in_for for product in state.products.values())
        assert state.products["sentry"].url == f"http://127.0.0.1:{port}"
        for product in state.products.values():
            host, _, number = product.url.removeprefix("http://").partition(":")
            assert host == "127.0.0.1"
            socket.create_connection((host, int(number)), timeout=5).close()
        assert not state.kept
        assert 0 < state.ready_after_s < 20
    finally:
        end(state)
    assert eventually(lambda: not pids_of(tmp_path))


def in_its_place(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Run a shell script where the embedded stack would be started."""

    class Stand(ManagedProcess):
        @classmethod
        def start(cls, command: Sequence[str], **options: Any) -> ManagedProcess:
            assert command[1:3] == ["-m", "pytest_obsstack.embedded"]
            return super().start(["sh", "-c", script], **options)

    monkeypatch.setattr(module, "ManagedProcess", Stand)


def test_secrets_are_new_each_time_and_in_a_private_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    in_its_place(monkeypatch, "exit 1")
    settings = tmp_path / "settings.json"
    found = []
    for _ in range(2):
        with pytest.raises(StackUnavailable):
            start(tmp_path)
        assert stat.S_IMODE(settings.stat().st_mode) == 0o600
        told = json.loads(settings.read_text())
        sentry = told["products"]["sentry"]
        found.append((told["control_token"], sentry["api_token"], sentry["admin_password"]))
    assert all(first != second for first, second in zip(*found, strict=True))
    assert all(len(secret) >= 16 for secret in found[0])


def test_a_port_that_is_taken_ends_the_start_with_advice(tmp_path: Path) -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StackUnavailable) as caught:
            start(tmp_path, ports={"loki": port})
    first, *log = str(caught.value).split("\n  last ")
    assert first == (
        "The embedded stack did not start.\n"
        "  expected  sentry, collector, prometheus and loki answer on 127.0.0.1\n"
        f"  found     port {port} on 127.0.0.1 is in use\n"
        "  do        end the program that uses the port, or leave out --obs-port to get a free one"
    )
    assert f"port {port} on 127.0.0.1 is in use" in log[0]
    assert pids_of(tmp_path) == []


def test_a_process_that_ends_at_its_start_is_told_with_its_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    in_its_place(monkeypatch, "echo 'no module named x' >&2; exit 3")
    with pytest.raises(StackUnavailable) as caught:
        start(tmp_path)
    assert str(caught.value) == (
        "The embedded stack did not start.\n"
        "  expected  sentry, collector, prometheus and loki answer on 127.0.0.1\n"
        "  found     it ended with exit status 3\n"
        f"  do        read the log lines below; the whole log is {tmp_path / 'embedded.log'}\n"
        "  last log line:\n"
        "    | no module named x"
    )


def test_a_process_that_is_never_ready_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    in_its_place(monkeypatch, f"echo $$ > {tmp_path}/pid; exec sleep 60")
    with pytest.raises(StackUnavailable, match="found     it was not ready within 0 s"):
        start(tmp_path, timeout_s=0.3)
    assert not alive(pid_in(tmp_path / "pid"))


# ---- control


@pytest.fixture
def requests() -> list[tuple[str, str, str, Any]]:
    return []


@pytest.fixture
def control(requests: list[tuple[str, str, str, Any]]) -> Iterator[EmbeddedControl]:
    """Its requests are recorded; what concerns the product tempo is refused."""

    def answer(request: httpx.Request) -> httpx.Response:
        url, token = str(request.url), request.headers["authorization"]
        body = json.loads(request.content) if request.content else None
        requests.append((request.method, url.removeprefix("http://control"), token, body))
        if "tempo" in url:
            return httpx.Response(400, json={"error": "no product 'tempo'"})
        if "status" in url:
            return httpx.Response(500, text="Internal Server Error")
        if "mutations/" in url:
            ended = {"changed": ["event: user"]} if request.method == "DELETE" else None
            return httpx.Response(200, text=json.dumps(ended))
        if "evaluate" in url:
            return httpx.Response(200, json={"rules": 2})
        return httpx.Response(200, json=[{"job": "otel"}])

    made = EmbeddedControl(Control("http://control", "t0ken"))
    headers = made._client.headers
    made.close()
    made._client = httpx.Client(
        base_url="http://control", headers=headers, transport=httpx.MockTransport(answer)
    )
    yield made
    made.close()


def test_each_request_has_the_token(
    control: EmbeddedControl, requests: list[tuple[str, str, str, Any]]
) -> None:
    control.stop("loki")
    control.start("loki")
    control.restart("loki")
    control.set_faults("loki", [{"status": 500}])
    control.configure("loki", {"a": 1})
    assert control.scrape() == control.scrape("otel") == [{"job": "otel"}]
    assert control.evaluate() == 2
    control.mutate({"mutation": "user removed"})
    assert control.mutation("abc") is None
    assert control.end_mutation("abc") == ["event: user"]
    assert requests == [
        ("POST", "/products/loki/stop", "Bearer t0ken", None),
        ("POST", "/products/loki/start", "Bearer t0ken", None),
        # A restart is both.
        ("POST", "/products/loki/stop", "Bearer t0ken", None),
        ("POST", "/products/loki/start", "Bearer t0ken", None),
        ("PUT", "/products/loki/faults", "Bearer t0ken", [{"status": 500}]),
        ("PUT", "/products/loki/settings", "Bearer t0ken", {"a": 1}),
        ("POST", "/scrape", "Bearer t0ken", None),
        ("POST", "/scrape?job=otel", "Bearer t0ken", None),
        ("POST", "/evaluate", "Bearer t0ken", None),
        ("PUT", "/mutations", "Bearer t0ken", {"mutation": "user removed"}),
        ("GET", "/mutations/abc", "Bearer t0ken", None),
        ("DELETE", "/mutations/abc", "Bearer t0ken", None),
    ]


def test_a_proxy_of_the_caller_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        made = EmbeddedControl(Control(f"http://127.0.0.1:{nobody.getsockname()[1]}", "t"))
        with pytest.raises(StackUnavailable) as caught:
            made.status()
        made.close()
    assert str(caught.value) == (
        "The embedded stack does not answer.\n"
        "  expected  GET /status of its control interface is answered\n"
        "  found     ConnectError: [Errno 111] Connection refused\n"
        "  do        the process may have been ended; `obsstack status` tells"
    )


def test_a_refusal_is_told_in_its_own_words(control: EmbeddedControl) -> None:
    with pytest.raises(StackUnavailable) as caught:
        control.stop("tempo")
    assert str(caught.value) == (
        "The embedded stack refused a control request.\n"
        "  expected  POST /products/tempo/stop succeeds\n"
        "  found     no product 'tempo'"
    )


def test_a_refusal_without_words_is_told_by_its_status(control: EmbeddedControl) -> None:
    with pytest.raises(StackUnavailable, match="found     status 500: Internal Server Error"):
        control.status()
