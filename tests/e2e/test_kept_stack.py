"""Service URLs: a stack that ``obsstack up`` leaves running is where the guide says."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from pytest_obsstack import Stack
from pytest_obsstack.clients.prometheus.client import PrometheusClient
from pytest_obsstack.clients.sentry.open import open_tracker
from pytest_obsstack.endpoints import Endpoints, PrometheusEndpoint
from pytest_obsstack.errors import BackendRefused
from pytest_obsstack.options.kinds import GUIDE_PORTS, STARTED
from pytest_obsstack.providers.home import Home
from pytest_obsstack.providers.ports import port_is_free
from pytest_obsstack.providers.process import ProcessIdentity
from pytest_obsstack.providers.shipped import stack_folder
from pytest_obsstack.providers.state import StackState, read_state
from pytest_obsstack.waiting import until

pytestmark = pytest.mark.e2e

DISPLACED = "loki"
"""Its port is taken by the test, so that it has to have another one."""
TIMEOUT_S = 10.0


def obsstack(*arguments: str | Path) -> str:
    """What the command prints; fails where the command does."""
    command = [str(Path(sys.executable).with_name("obsstack")), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@contextlib.contextmanager
def listening_on(port: int) -> Iterator[None]:
    """Somebody listens there, if nobody did so already."""
    with contextlib.ExitStack() as stack:
        if port_is_free(port):
            stack.enter_context(socket.create_server(("127.0.0.1", port)))
        yield


# One test, because two stacks at the same time cannot both have the guide's ports.
@pytest.mark.claim("url-sentry", "url-app", "url-prometheus")
@pytest.mark.obs_requires("issues", "metrics", "app_control")
@pytest.mark.obs_exclusive
def test_a_kept_stack_answers_at_the_guides_urls_until_it_is_taken_down(
    obs_stack: Stack, tmp_path: Path
) -> None:
    home = tmp_path / ".obsstack"
    with listening_on(GUIDE_PORTS[DISPLACED]):
        free = {name for name, port in GUIDE_PORTS.items() if port_is_free(port)}
        said = obsstack("up", "--home", home, *same_kind(obs_stack))
    try:
        state = kept(home)
        urls = check_ports(state, said, free)
        check_answers(urls, state.endpoints)
        # Of containers, that nothing is left is asked of the engine: tests/compose.
        processes = everything_of(state) if state.control is not None else []
    finally:
        obsstack("down", "--home", home)
    assert read_state(Home(home).kept_path) is None
    assert [process.pid for process in processes if process.alive] == []
    assert [name for name, url in urls.items() if answers(url)] == []


@pytest.mark.claim("url-grafana", "compose-sentry")
@pytest.mark.obs_requires("compose", "grafana")
def test_in_containers_grafana_and_sentry_have_the_guides_ports(obs_stack: Stack) -> None:
    """That a kept stack has them is shown above; here, that the compose file says so by itself."""
    compose = obs_stack.state.compose
    assert compose is not None
    done = subprocess.run(
        [*compose.compose.words, "config", "--format", "json"],
        cwd=stack_folder(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    services = json.loads(done.stdout)["services"]
    published = {
        name: [(port["host_ip"], port["published"]) for port in services[name]["ports"]]
        for name in ("sentry", "grafana", "app", "prometheus")
    }
    assert published == {
        "sentry": [("127.0.0.1", "9000")],
        "grafana": [("127.0.0.1", "3000")],
        "app": [("127.0.0.1", "5000")],
        "prometheus": [("127.0.0.1", "9090")],
    }


def same_kind(stack: Stack) -> list[str]:
    """Arguments of ``obsstack up`` for a stack like the one of this run."""
    if stack.state.compose is None:
        return []
    own = str(stack_folder())
    more = [path for path in stack.state.compose.compose.files if not path.startswith(own)]
    tracker = stack.state.compose.tracker
    return [
        "--stack=compose",
        *([f"--use=sentry={tracker}"] if tracker else []),
        *(f"--compose-file={path}" for path in more),
    ]


def check_ports(state: StackState, said: str, free: set[str]) -> dict[str, str]:
    """Each component has the guide's port, or says that it could not have it; all URLs."""
    assert state.app is not None
    found = {name: product.url for name, product in state.products.items()}
    found["app"] = state.app.url
    assert found.keys() == set(STARTED[state.kind])
    for name, url in found.items():
        port = GUIDE_PORTS[name]
        assert url in said
        assert (urlsplit(url).port == port) is (name in free)
        complaint = f"{name} could not have its usual port {port}, which is in use"
        assert (complaint in said) is (name not in free)
    assert DISPLACED not in free
    # As the guide writes them.
    urls = {name: url.replace("127.0.0.1", "localhost") for name, url in found.items()}
    if state.control is not None:
        urls["inventory"] = state.app.environment["APP_INVENTORY_URL"]
        urls["control"] = state.control.url
    return urls


def check_answers(urls: dict[str, str], endpoints: Endpoints) -> None:
    page = httpx.get(urls["sentry"], trust_env=False, follow_redirects=True)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")

    assert httpx.get(urls["app"] + "/health", trust_env=False).json()["status"] == "ok"
    event_id = httpx.get(urls["app"] + "/sentry-test", trust_env=False).json()["event_id"]
    assert endpoints.sentry is not None
    with contextlib.closing(open_tracker(endpoints.sentry)) as sentry:

        def title() -> str | None:
            with contextlib.suppress(BackendRefused):
                return sentry.event(event_id).title
            return None

        found = until(title, timeout_s=TIMEOUT_S).value
    assert found == "ZeroDivisionError: division by zero"

    with contextlib.closing(PrometheusClient(PrometheusEndpoint(urls["prometheus"]))) as prometheus:

        def targets() -> dict[str, str] | None:
            health = {target.job: target.health for target in prometheus.targets()}
            # A real one finds its targets some seconds after it is ready.
            return None if not health or "unknown" in health.values() else health

        scraped = until(targets, timeout_s=TIMEOUT_S).value
    assert scraped == {"otel-collector": "up", "otel-collector-telemetry": "up"}


def kept(home: Path) -> StackState:
    state = read_state(Home(home).kept_path)
    assert state is not None
    return state


def everything_of(state: StackState) -> list[ProcessIdentity]:
    """The stack's processes and the app's, with all that they have started."""
    assert state.process is not None
    assert state.app is not None
    # The stack, the app and the service that it calls.
    roots = [state.process, *state.app.processes]
    assert len(roots) == 3
    pids = {process.pid for process in roots}
    children = list(parent_of().items())
    while grown := {pid for pid, parent in children if parent in pids} - pids:
        pids |= grown
    # Each is a guard with a command; gunicorn has a worker beside.
    assert len(pids) >= 2 * len(roots)
    return [ProcessIdentity.of(pid) for pid in pids]


def parent_of() -> dict[int, int]:
    """The parent of every process, by pid."""
    if Path("/proc/self/stat").exists():
        found = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                # proc(5): the name, in parentheses, may hold spaces; state and parent follow.
                fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
                found[int(stat.parent.name)] = int(fields[1])
        return found
    listing = subprocess.run(
        ["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    return {int(pid): int(parent) for pid, parent in map(str.split, listing.splitlines())}


def answers(url: str) -> bool:
    address = urlsplit(url)
    with contextlib.suppress(OSError):
        socket.create_connection((address.hostname or "", address.port or 0), timeout=1).close()
        return True
    return False
