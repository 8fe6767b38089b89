"""Passwords, tokens and keys stand in files for their owner alone, and nowhere else."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator

import pytest

from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.options import Options
from pytest_obsstack.providers.app_spec import simple_app
from pytest_obsstack.providers.compose.apps import AppContainers
from pytest_obsstack.providers.compose.network import Network
from pytest_obsstack.providers.compose.project import write_variables
from pytest_obsstack.providers.readiness import probe_url
from pytest_obsstack.providers.state import StackState, read_state, write_state
from pytest_obsstack.wire.dsn import Dsn
from tests.unit.providers.compose.compose_reading import read_variables
from tests.unit.providers.compose.fake_engine import Behaviour
from tests.unit.providers.compose.support import Bench

LITE = "pytest-obsstack-lite:local"


@pytest.fixture
def with_tracker(bench: Bench) -> Iterator[StackState]:
    """A stack with an error tracker of its own, which is set up for real."""
    tracker = [sys.executable, "-m", "pytest_obsstack.embedded.container", "sentry"]
    settings = [f"DATA_DIR={bench.folder / 'data'}", "OBSSTACK_BIND=127.0.0.1"]
    bench.engine.behaviours["sentry"] = Behaviour(
        program=("/usr/bin/env", *settings, *tracker),
        log=("the log of the tracker",),
    )
    bench.engine.image_labels[LITE] = {
        "io.pytest-obsstack.flavour": "embedded",
        "io.pytest-obsstack.version": "0.1.0",
    }
    options = Options(stack="compose", use={"sentry": "lite"}, start_timeout_s=30)
    with bench.stack(bench.wanted(options)) as state:
        yield state


def secrets_of(state: StackState) -> dict[str, str]:
    """By name: every secret of a stack."""
    sentry, grafana = state.endpoints.sentry, state.endpoints.grafana
    assert sentry is not None
    assert grafana is not None
    assert state.compose is not None
    told = read_variables(state.folder / "compose.env")
    found = {
        "dsn key": Dsn.parse(sentry.dsn or "").public_key,
        "token": sentry.token or "",
        "admin password": sentry.admin_password or "",
        "grafana password": grafana.password or "",
        **{name: told[name] for name in ("SENTRY_SECRET_KEY", "POSTGRES_PASSWORD")},
    }
    assert all(len(secret) >= 16 for secret in found.values()), found.keys()
    return found


def test_secrets_of_a_stack_are_on_no_command_line_and_in_no_text(
    with_tracker: StackState, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = with_tracker
    assert state.compose is not None
    compose = state.compose.compose
    secrets = secrets_of(state)
    containers = AppContainers(
        compose, Network.of(state.compose.ports), state.folder.parent, timeout_s=5, probe=probe_url
    )
    app = simple_app()
    containers.start_main(app, state.endpoints, name="main", port=state.compose.ports["APP_PORT"])
    containers.start_copy(app, state.endpoints, name="copy", port=None).stop()

    # The DSN has reached the collector and the app, with the tracker's address in the network.
    collector = bench.engine.service("otel-collector").environment
    assert collector["SENTRY_PUBLIC_KEY"] == secrets["dsn key"]
    assert collector["SENTRY_OTLP_TRACES_ENDPOINT"].startswith("http://sentry:9000/")
    told = bench.engine.service("app").environment
    assert told["SENTRY_DSN"] == f"http://{secrets['dsn key']}@sentry:9000/1"

    bench.engine.behaviours["app"] = Behaviour(exits=1)
    with pytest.raises(StackUnavailable) as raised:
        containers.start_copy(app, state.endpoints, name="broken", port=None)
    everything = {
        "command lines": "\n".join(bench.engine.lines()),
        "told": "\n".join(bench.told),
        "an error": str(raised.value),
        "the state": repr(state),
    }
    for where, text in everything.items():
        for name, secret in secrets.items():
            assert secret not in text, f"{name} in {where}"


def test_files_with_secrets_are_for_their_owner_alone(with_tracker: StackState) -> None:
    secrets = secrets_of(with_tracker)
    holding = []
    for path in with_tracker.folder.rglob("*"):
        if path.is_file() and any(secret in path.read_text() for secret in secrets.values()):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
            holding.append(path.name)
    assert sorted(holding) == ["compose.env", "dsn.env"]


def test_the_state_file_tells_another_process_everything(
    with_tracker: StackState, bench: Bench
) -> None:
    path = bench.folder / "state.json"
    write_state(path, with_tracker)
    assert read_state(path) == with_tracker
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "password", ["it's", 'say "hi"', "$HOME", "${HOME}", "back\\slash\\", "a#b c", "two\nlines", ""]
)
def test_a_password_may_have_any_character(password: str, bench: Bench) -> None:
    """Checked with Compose itself as well, in tests/compose."""
    path = bench.folder / "some.env"
    write_variables(path, {"PASSWORD": password, "NEXT": "1"})
    assert read_variables(path) == {"PASSWORD": password, "NEXT": "1"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_kept_stack_takes_the_admin_of_the_environment(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that ends with the run does not: its password is nobody's business."""
    monkeypatch.setenv("SENTRY_ADMIN_PASSWORD", "it's mine")
    monkeypatch.setenv("SENTRY_ADMIN_EMAIL", "me@example.com")
    with bench.stack(bench.wanted(kept=True)) as state:
        told = read_variables(state.folder / "compose.env")
    assert told["SENTRY_ADMIN_PASSWORD"] == "it's mine"
    assert told["SENTRY_ADMIN_EMAIL"] == "me@example.com"
    with bench.stack(bench.wanted(run_id="20261126-080001-fedcba")) as state:
        told = read_variables(state.folder / "compose.env")
    assert told["SENTRY_ADMIN_PASSWORD"] != "it's mine"
    assert told["SENTRY_ADMIN_EMAIL"] == "admin@example.com"
