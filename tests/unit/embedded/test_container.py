"""One product alone in a process: told by variables, on its own ports, ended by SIGTERM."""

from __future__ import annotations

import ast
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from pytest_obsstack.embedded.container import health
from pytest_obsstack.embedded.container.products import PRODUCTS
from tests.unit.embedded.collector.support import JSON, backend, traces_body

HEALTH = Path(health.__file__)
END_S = 1.0
SLOW_MACHINE_S = 0.5
"""What the interpreter itself may need to end beside other tests."""


@dataclass
class Container:
    """A started process; ``ports``: usual port → the one that it has."""

    process: subprocess.Popen[str]
    ports: dict[int, int]
    seen: list[str]

    def url(self, usual_port: int) -> str:
        return f"http://127.0.0.1:{self.ports[usual_port]}"

    def get(self, usual_port: int, path: str) -> httpx.Response:
        return httpx.get(self.url(usual_port) + path, trust_env=False)

    def end(self) -> float:
        """How long it took to end on SIGTERM, in seconds."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(10) == 0
        return time.monotonic() - began


def command(product: str, *more: str) -> list[str]:
    return [sys.executable, "-m", "pytest_obsstack.embedded.container", product, *more]


def environment(folder: Path, product: str, **variables: str) -> dict[str, str]:
    """Any free ports on loopback."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OBSSTACK_")}
    ports = {f"OBSSTACK_PORT_{port}": "0" for port in PRODUCTS[product].doors}
    return {**kept, "OBSSTACK_BIND": "127.0.0.1", "DATA_DIR": str(folder), **ports, **variables}


@contextmanager
def started(folder: Path, product: str, **variables: str) -> Iterator[Container]:
    """The product once all of its ports answer, which it logs in the order of their opening."""
    with subprocess.Popen(
        command(product),
        env=environment(folder, product, **variables),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            doors = list(PRODUCTS[product].doors)
            seen: list[str] = []
            ports: dict[int, int] = {}
            assert process.stderr is not None
            for line in process.stderr:
                seen.append(line)
                found = re.search(rf"{product} answers at http://127\.0\.0\.1:(\d+)", line)
                if found:
                    ports[doors[len(ports)]] = int(found[1])
                if len(ports) == len(doors):
                    break
            else:
                pytest.fail("it ended before it answered:\n" + "".join(seen))
            yield Container(process, ports, seen)
        finally:
            process.kill()


def refused(folder: Path, product: str, **variables: str) -> tuple[int, str]:
    """(exit code, stderr) of a process that does not start."""
    done = subprocess.run(
        command(product),
        env=environment(folder, product, **variables),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stderr


def ask_health(product: str, port: int) -> tuple[int, str]:
    """(exit code, what an engine keeps of it), as a container asks."""
    usual_port = health.CHECKS[product][0]
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(HEALTH), product],
        env={f"OBSSTACK_PORT_{usual_port}": str(port)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("product", PRODUCTS)
def test_it_is_healthy_and_ends_within_a_second(product: str, tmp_path: Path) -> None:
    with started(tmp_path, product, GRAFANA_PROVISIONING=str(tmp_path)) as container:
        port = container.ports[health.CHECKS[product][0]]
        assert ask_health(product, port) == (0, f"{product} is ready\n")
        assert container.end() < END_S + SLOW_MACHINE_S
    code, told = ask_health(product, port)
    assert code == 1
    path = health.CHECKS[product][1]
    assert told == (
        f"{product}: expected status 200 from 127.0.0.1:{port}{path}, found Connection refused\n"
    )


def test_every_product_has_a_health_check_at_the_port_that_opens_last() -> None:
    last = {name: list(each.doors)[-1] for name, each in PRODUCTS.items()}
    assert last == {name: health.CHECKS[name][0] for name in PRODUCTS}


def test_the_health_check_loads_no_heavy_module() -> None:
    tree = ast.parse(HEALTH.read_text())
    loaded = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert [ast.unparse(node) for node in loaded] == ["import os", "import socket", "import sys"]


def test_a_status_that_is_not_200_is_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    with backend() as other:  # answers GET with 501
        port = other.url.rpartition(":")[2]
        monkeypatch.setenv("OBSSTACK_PORT_3100", port)
        told = health.check("loki")
    assert told == (
        f"loki: expected status 200 from 127.0.0.1:{port}/ready, "
        "found HTTP/1.1 501 Unsupported method ('GET')"
    )


@pytest.mark.parametrize("word", ["health", "--check"])
def test_the_module_checks_health_too(
    word: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_obsstack.embedded.container.__main__ import main

    monkeypatch.setenv("OBSSTACK_PORT_9000", "1")
    assert main(["sentry", word]) == 1
    assert "sentry: expected status 200 from 127.0.0.1:1/_health/" in capsys.readouterr().out


def test_an_unknown_product_is_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from pytest_obsstack.embedded.container.__main__ import main

    assert main(["jaeger"]) == 2
    assert capsys.readouterr().err == (
        "usage: python -m pytest_obsstack.embedded.container "
        "sentry|collector|prometheus|loki|tempo|grafana [health]\n"
    )


@pytest.mark.parametrize(
    ("product", "variable", "value", "complaint"),
    [
        ("sentry", "SENTRY_PUBLIC_URL", "sentry", "expected an http or https URL, found 'sentry'"),
        ("sentry", "OBSSTACK_PORT_9000", "web", "expected a port from 0 to 65535, found 'web'"),
        ("loki", "OBSSTACK_PORT_3100", "65536", "expected a port from 0 to 65535, found '65536'"),
        ("loki", "OBSSTACK_SETTINGS", "[]", "expected a JSON object, found list"),
        ("loki", "OBSSTACK_SETTINGS", "{", "expected a JSON object, found "),
        ("loki", "OBSSTACK_SETTINGS", '{"x": 1}', "unknown Loki settings x, expected some of"),
        ("loki", "DATA_DIR", "/proc/data", "expected a folder that can be written, found '/proc"),
        (
            "collector",
            "TEMPO_OTLP_TRACES_ENDPOINT",
            "tempo:4318",
            "expected an http or https URL, found 'tempo:4318'",
        ),
        (
            "collector",
            "SENTRY_OTLP_TRACES_ENDPOINT",
            "http://sentry:x/",
            "expected an http or https URL, found 'http://sentry:x/'",
        ),
        ("collector", "SENTRY_PUBLIC_KEY", "a b", "expected what stands before the @ of a DSN"),
    ],
)
def test_a_malformed_variable_ends_the_start_with_one_line(
    product: str, variable: str, value: str, complaint: str, tmp_path: Path
) -> None:
    code, told = refused(tmp_path, product, **{variable: value})
    assert code == 2
    assert told.count("\n") == 1
    assert told.startswith(f"{variable}: {complaint}")


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with backend() as other:
        port = other.url.rpartition(":")[2]
        code, told = refused(tmp_path, "loki", OBSSTACK_PORT_3100=port)
    assert code == 1
    assert told.endswith(f"loki: port {port} on 127.0.0.1 is in use\n")


def test_what_was_accepted_is_there_after_a_restart(tmp_path: Path) -> None:
    now_ns = str(time.time_ns())
    push = {"streams": [{"stream": {"app": "a"}, "values": [[now_ns, "it is kept"]]}]}
    with started(tmp_path / "made", "loki") as loki:
        httpx.post(loki.url(3100) + "/loki/api/v1/push", json=push, trust_env=False)
        loki.process.kill()
    with started(tmp_path / "made", "loki") as loki:
        found = loki.get(3100, '/loki/api/v1/query_range?query={app="a"}').json()
    assert found["data"]["result"][0]["values"] == [[now_ns, "it is kept"]]


def test_sentry_is_told_by_its_variables(tmp_path: Path) -> None:
    with started(
        tmp_path,
        "sentry",
        SENTRY_PUBLIC_URL="http://localhost:9123/",
        SENTRY_API_TOKEN="t0ken",
        SENTRY_ADMIN_EMAIL="",
    ) as sentry:
        config = sentry.get(9000, "/api/client-config/").json()
        organizations = httpx.get(
            sentry.url(9000) + "/api/0/organizations/",
            headers={"authorization": "Bearer t0ken"},
            trust_env=False,
        )
        locked = sentry.get(9000, "/api/0/organizations/")
    assert config["urlPrefix"] == "http://localhost:9123"
    assert (organizations.status_code, locked.status_code) == (200, 401)


def test_the_collector_has_the_ports_of_the_real_one(tmp_path: Path) -> None:
    with ExitStack() as stack:
        tempo, sentry = (stack.enter_context(backend()) for _ in range(2))
        collector = stack.enter_context(
            started(
                tmp_path,
                "collector",
                TEMPO_OTLP_TRACES_ENDPOINT=f"{tempo.url}/v1/traces",
                SENTRY_OTLP_TRACES_ENDPOINT=f"{sentry.url}/otlp",
                SENTRY_PUBLIC_KEY="abc",
            )
        )
        url = collector.url(4318)
        sent = httpx.post(f"{url}/v1/traces", content=traces_body(), headers=JSON, trust_env=False)
        own, exposed = collector.get(8888, "/metrics"), collector.get(8889, "/metrics")
        alive, elsewhere = collector.get(13133, "/"), collector.get(4318, "/metrics")
    assert sent.status_code == 200
    assert sentry.received[0].headers["x-sentry-auth"] == "sentry sentry_key=abc"
    assert "x-sentry-auth" not in tempo.received[0].headers
    assert 'otelcol_exporter_sent_spans_total{exporter="otlp_http/tempo"} 1' in own.text
    assert (exposed.status_code, "otelcol_" in exposed.text) == (200, False)
    assert alive.json()["status"] == "Server available"
    assert elsewhere.status_code == 404


def test_sigterm_does_not_wait_for_a_request_that_takes_long(tmp_path: Path) -> None:
    with started(tmp_path, "loki") as loki:
        with socket.create_connection(("127.0.0.1", loki.ports[3100])) as connection:
            connection.sendall(
                b"POST /loki/api/v1/push HTTP/1.1\r\nHost: loki\r\n"
                b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n"
            )
            # The product reads the body, which never comes.
            assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
            took_s = loki.end()
        assert loki.process.stderr is not None
        assert "loki ends with requests under way" in loki.process.stderr.read()
    assert took_s < END_S + SLOW_MACHINE_S


def test_a_sigterm_during_the_start_ends_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        command("loki"),
        env=environment(tmp_path, "loki", PYTHONVERBOSE="1"),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        # Once the process loads what it starts with, its handler is there.
        for line in process.stderr:
            if re.search(r"import 'uvicorn", line):
                break
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait(10) == 0
    assert "answers at" not in rest
