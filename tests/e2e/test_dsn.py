"""Customizing the DSN: a project of one's own, its key, and everything that reports with it."""

from __future__ import annotations

import contextlib
import http.client
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import pytest

from pytest_obsstack import AppProcess, AppSpec, Probe, Settings, Stack
from pytest_obsstack.clients.sentry.account import Project
from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.clients.sentry.explore import SpanRow
from pytest_obsstack.errors import BackendRefused
from pytest_obsstack.expect.opening import Bench
from pytest_obsstack.provision.collector_target import send_traces_to
from pytest_obsstack.provision.session import Session
from pytest_obsstack.wire.dsn import Dsn
from tests.e2e.app_copies import app_with

pytestmark = pytest.mark.e2e

RESTART_NEEDS = (
    *("app_control", "faults", "writes", "accounts"),
    *("issues", "settled_errors", "transactions", "otlp_traces", "tracker_spans", "logs"),
)


@dataclass(frozen=True)
class Arrived:
    """Ids of what one trace has left, by kind; of events and spans also in which projects."""

    events: frozenset[str]
    transactions: frozenset[str]
    spans: frozenset[str]
    lines: int
    event_projects: frozenset[str | None]
    """Numbers, of events and transactions."""
    span_projects: frozenset[str | None]
    """Slugs, of the spans that came through the collector."""


@dataclass(frozen=True)
class Restart:
    """What was seen while the app and the collector were restarted with the new DSN."""

    before: Arrived
    before_seen_later: Arrived
    """The first trace again, after the restart."""
    after: Arrived
    undisturbed: frozenset[str]
    """Products that were not restarted meanwhile."""
    old_app: AppProcess
    new_app: AppProcess


@pytest.fixture(scope="module")
def new_project(obs_sentry: SentryClient, obs_settings: Settings) -> Project:
    """A second project, named uniquely: it outlives the run on a kept stack."""
    return obs_sentry.accounts.create_project(
        obs_sentry.organization,
        obs_settings.team,
        f"simple-app-{secrets.token_hex(4)}",
        platform="python-flask",
    )


@pytest.fixture(scope="module")
def new_dsn(obs_sentry: SentryClient, new_project: Project) -> str:
    """Copied from the settings of that project."""
    keys = obs_sentry.accounts.keys(obs_sentry.organization, new_project.slug)
    return next(key.dsn for key in keys if key.is_active)


@pytest.fixture(scope="module")
def restart(
    obs_session: Session,
    obs_bench: Bench,
    obs_stack: Stack,
    obs_app_spec: AppSpec,
    obs_dsn: str,
    new_dsn: str,
) -> Restart:
    """The guide's last step, once: both DSNs updated, app and collector restarted.

    The collector is back to its old project when this returns, so that other tests find theirs.
    """
    with app_with(obs_session, obs_app_spec) as old_app, obs_bench.probe(old_app) as obs:
        obs.get("/error")
        before, first_trace = arrived(obs), obs
    port = urlsplit(old_app.url).port
    with contextlib.ExitStack() as restored:
        unchanged = marks(obs_stack, restored)
        restored.callback(send_traces_to, obs_stack, obs_dsn)
        send_traces_to(obs_stack, new_dsn)
        restarted = app_with(obs_session, obs_app_spec, port=port, SENTRY_DSN=new_dsn)
        with restarted as new_app, obs_bench.probe(new_app) as obs:
            obs.get("/error")
            after = arrived(obs)
        undisturbed = frozenset(name for name, same in unchanged.items() if same())
    return Restart(
        before=before,
        before_seen_later=arrived(first_trace),
        after=after,
        undisturbed=undisturbed,
        old_app=old_app,
        new_app=new_app,
    )


@pytest.mark.claim("dsn-create-project")
@pytest.mark.obs_requires("writes", "accounts")
def test_a_flask_project_is_created_through_the_api(
    obs_sentry: SentryClient, obs_settings: Settings, new_project: Project
) -> None:
    organization = obs_sentry.organization
    found = obs_sentry.accounts.project(organization, new_project.slug)
    assert found is not None
    assert (found.platform, found.name) == ("python-flask", new_project.slug)
    assert found.teams == (obs_settings.team,)
    assert found.id in {project.id for project in obs_sentry.accounts.projects(organization)}
    # The run's own project was created the same way, under the guide's name.
    own = obs_sentry.accounts.project(organization, obs_settings.project)
    assert own is not None
    assert (own.name, own.platform) == (obs_settings.project, obs_settings.platform)
    with pytest.raises(BackendRefused) as refused:
        obs_sentry.accounts.create_project(organization, obs_settings.team, new_project.slug)
    assert refused.value.status == 409


@pytest.mark.claim("dsn-copy")
@pytest.mark.obs_requires("issues", "accounts")
def test_the_key_is_read_through_the_api_and_its_host_is_the_one_that_the_app_reaches(
    obs: Probe, obs_sentry: SentryClient, obs_dsn: str
) -> None:
    keys = obs_sentry.accounts.keys(obs_sentry.organization, obs_sentry.project)
    key = next(key for key in keys if key.dsn == obs_dsn)
    project = obs_sentry.accounts.project(obs_sentry.organization, obs_sentry.project)
    assert project is not None
    dsn = Dsn.parse(key.dsn)
    assert (dsn.public_key, dsn.project_id) == (key.public, project.id)
    assert key.is_active
    # The app was given nothing but this DSN, and what it reports arrives in that project.
    obs.get("/error")
    event = obs.sentry.expect_event(type="ValueError")
    assert event.project_id == dsn.project_id


@pytest.mark.claim("dsn-update-app")
@pytest.mark.obs_requires(*RESTART_NEEDS)
@pytest.mark.obs_exclusive
def test_after_the_restart_errors_go_to_the_new_project_alone(
    restart: Restart, new_project: Project, obs_dsn: str
) -> None:
    assert restart.before.event_projects == {Dsn.parse(obs_dsn).project_id}
    assert len(restart.after.events) == 1
    assert len(restart.after.transactions) == 1
    # Looked for in all projects, once no more could come.
    assert restart.after.event_projects == {new_project.id}


@pytest.mark.claim("dsn-update-collector")
@pytest.mark.obs_requires(*RESTART_NEEDS)
@pytest.mark.obs_exclusive
def test_after_the_restart_spans_go_to_the_new_project_alone(
    restart: Restart, new_project: Project, obs_sentry: SentryClient
) -> None:
    assert restart.before.span_projects == {obs_sentry.project}
    assert len(restart.after.spans) == 1
    assert restart.after.span_projects == {new_project.slug}


@pytest.mark.claim("dsn-restart")
@pytest.mark.obs_requires(*RESTART_NEEDS)
@pytest.mark.obs_exclusive
def test_only_app_and_collector_restart_and_nothing_that_arrived_is_lost(
    restart: Restart, obs_stack: Stack
) -> None:
    assert restart.old_app.died
    assert restart.new_app.url == restart.old_app.url
    assert restart.new_app.instance != restart.old_app.instance
    assert restart.undisturbed == set(obs_stack.state.products) - {"collector"}
    assert restart.undisturbed >= {"sentry", "prometheus", "loki"}
    assert restart.before.lines > 0
    assert restart.before_seen_later == restart.before


def arrived(obs: Probe) -> Arrived:
    """All of the probe's trace, once every signal has settled."""
    events, transactions, spans = obs.sentry.events(), obs.sentry.transactions(), obs.traces.spans()
    return Arrived(
        events=frozenset(event.event_id for event in events),
        transactions=frozenset(transaction.event_id for transaction in transactions),
        spans=frozenset(span.span_id for span in spans),
        lines=len(obs.logs.lines()),
        event_projects=frozenset(
            [event.project_id for event in events]
            + [transaction.project_id for transaction in transactions]
        ),
        span_projects=frozenset(span.project for span in spans if isinstance(span, SpanRow)),
    )


def marks(stack: Stack, closing: contextlib.ExitStack) -> dict[str, Callable[[], bool]]:
    """By product, a question whether it still is what it was: not restarted since.

    Of a container its start is known. Of an embedded product a connection is held, which a restart
    would end. Nothing is asked of it before: one that has answered is closed when it idles.
    """
    if stack.state.compose is not None:
        compose = stack.state.compose.compose

        def started(name: str) -> str:
            container = stack.status()[name]["name"]
            status, output = compose.engine(
                "inspect", "--format", "{{.State.StartedAt}}", container
            )
            assert status == 0, output
            return output

        before = {name: started(name) for name in stack.state.products}
        return {name: partial(lambda name: started(name) == before[name], name) for name in before}
    connections = {}
    for name, product in stack.state.products.items():
        connection = http.client.HTTPConnection(urlsplit(product.url).netloc, timeout=5)
        closing.callback(connection.close)
        connection.connect()
        connection.auto_open = 0
        connections[name] = connection
    return {name: partial(answers, connection) for name, connection in connections.items()}


def answers(connection: http.client.HTTPConnection) -> bool:
    """Whether the connection, this very one, still gets answers."""
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (http.client.HTTPException, OSError):
        return False
    return True
