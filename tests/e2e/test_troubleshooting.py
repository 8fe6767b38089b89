"""Troubleshooting: the outage of Sentry, the DSN of the running app, what it says at its start."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pytest_obsstack import AppProcess, Probe, Stack
from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.expect.opening import Bench
from pytest_obsstack.providers.compose.app_container import AppContainer
from pytest_obsstack.provision.session import Session
from pytest_obsstack.wire.dsn import Dsn

pytestmark = pytest.mark.e2e

QUICK_S = 2.0
"""An answer during the outage takes at most so long: the app does not wait for Sentry."""


@pytest.fixture
def running_sentry(obs_stack: Stack) -> Iterator[None]:
    """Sentry runs again after the test, whatever happens in it."""
    yield
    obs_stack.start("sentry")


@pytest.mark.claim("trouble-ui")
@pytest.mark.obs_requires("issues", "faults", "ui")
@pytest.mark.obs_exclusive
def test_an_outage_of_sentry_breaks_no_request_and_loses_no_old_issue(
    obs: Probe, obs_stack: Stack, obs_sentry: SentryClient, running_sentry: None
) -> None:
    obs.get("/error")
    old = obs.sentry.expect_issue("ValueError")

    obs_stack.stop("sentry")
    with pytest.raises(httpx.ConnectError):
        page(obs_sentry.url)
    began_s = time.monotonic()
    assert obs.get("/error").json()["error"] == "Intentional error for testing"
    assert obs.get("/health").json()["status"] == "ok"
    assert time.monotonic() - began_s < QUICK_S

    obs_stack.start("sentry")
    obs_sentry.health()
    assert page(obs_sentry.url).status_code == 200
    assert obs_sentry.issue(old.id).title == old.title
    event_id = obs.get("/error").json()["event_id"]
    obs.sentry.expect_event(event_id=event_id, type="ValueError")
    told = obs_stack.logs("sentry")
    if obs_stack.kind == "embedded":
        own = [line for line in told if " sentry " in line]
        assert own[-2].endswith("sentry is stopped")
        assert own[-1].endswith(f"sentry answers at {obs_sentry.url}")
    assert len(told) > 1


@pytest.mark.claim("trouble-dsn-env")
@pytest.mark.obs_requires("app_control", "issues")
def test_the_running_apps_dsn_is_shown_and_its_key_is_redacted_in_reports(
    obs_app: AppProcess, obs_dsn: str, obs_stack: Stack, obs_session: Session
) -> None:
    # In a container the same project and key, at the host that it has there.
    effective = obs_app.environment["SENTRY_DSN"]
    dsn, wanted = Dsn.parse(effective), Dsn.parse(obs_dsn)
    assert (dsn.public_key, dsn.project_id) == (wanted.public_key, wanted.project_id)
    assert f"SENTRY_DSN={effective}" in running_environment(obs_app).splitlines()

    report = failure_report(obs_stack, obs_session, obs_app)
    assert f"SDK has the DSN {dsn.redacted()}" in report
    assert dsn.public_key not in report
    shown = repr((obs_stack.state, obs_stack.endpoints, obs_app))
    assert dsn.public_key not in shown


@pytest.mark.claim("trouble-app-logs")
@pytest.mark.obs_requires("app_control")
def test_the_app_says_once_at_its_start_where_it_reports_to_without_the_key(
    unlike_default_app: AppProcess,
) -> None:
    # Far enough back: a container's health check leaves a line each second.
    lines = unlike_default_app.log_lines(100_000)
    about_sentry = [line for line in lines if "Sentry initialised" in line]
    assert len(about_sentry) == 1
    dsn = Dsn.parse(unlike_default_app.environment["SENTRY_DSN"])
    assert (
        f"Sentry initialised: host={dsn.host}:{dsn.port} environment=staging "
        f"release={unlike_default_app.spec.release}"
    ) in about_sentry[0]
    assert [line for line in lines if dsn.public_key in line] == []


def page(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False, follow_redirects=True)


def running_environment(app: AppProcess) -> str:
    """The variables of the app as it runs: the guide's ``exec app env``, for a process its own."""
    if isinstance(app, AppContainer):
        status, output = app.compose.engine("exec", app.container, "env")
        assert status == 0, output
        return output
    assert app.process is not None
    return process_environment(app.process.pid)


def process_environment(pid: int) -> str:
    """What the operating system knows of a process' variables, however it shows them."""
    file = Path(f"/proc/{pid}/environ")
    if file.exists():
        return file.read_text("utf-8", "replace").replace("\0", "\n")
    command = ["ps", "-E", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def failure_report(stack: Stack, session: Session, app: AppProcess) -> str:
    """What a failed expectation on an error tells."""
    hasty = Bench(stack, session.options._replace(timeout_s=0.01))
    try:
        with hasty.probe(app) as obs:
            obs.get("/error")
            with pytest.raises(AssertionError) as failed:
                obs.sentry.expect_issue("KeyError")
    finally:
        hasty.close()
    return str(failed.value)
