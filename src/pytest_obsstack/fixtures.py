"""The fixtures: thin wrappers, each of which a user's conftest may override."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_obsstack.run_state import OBSERVER, OPTIONS, SESSION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import ModuleType

    from pytest_obsstack.clients.grafana.client import GrafanaClient
    from pytest_obsstack.clients.loki.client import LokiClient
    from pytest_obsstack.clients.prometheus.client import PrometheusClient
    from pytest_obsstack.clients.sentry.tracker import Tracker
    from pytest_obsstack.endpoints import Endpoints
    from pytest_obsstack.expect.alerts import AlertReceiver
    from pytest_obsstack.expect.opening import Bench
    from pytest_obsstack.expect.probe import Probe
    from pytest_obsstack.providers.app import AppProcess
    from pytest_obsstack.providers.app_spec import AppSpec
    from pytest_obsstack.providers.stack import Stack
    from pytest_obsstack.provision.names import Settings
    from pytest_obsstack.provision.session import Session


@pytest.fixture(scope="session")
def obs_settings() -> Settings:
    """Override: names of the organisation, team and project that the run creates."""
    from pytest_obsstack.provision.names import Settings

    return Settings()


@pytest.fixture(scope="session")
def obs_app_spec() -> AppSpec:
    """Override: your app, as an ``AppSpec``. By default the guide's Flask app."""
    from pytest_obsstack.providers.app_spec import simple_app

    return simple_app()


@pytest.fixture(scope="session")
def obs_compose_files(pytestconfig: pytest.Config) -> Sequence[Path]:
    """Override: compose files of your own, laid over the stack's (``--obs-compose-file``)."""
    return pytestconfig.stash[OPTIONS].compose_file


@pytest.fixture(scope="session")
def obs_session(
    request: pytest.FixtureRequest,
    pytestconfig: pytest.Config,
    obs_settings: Settings,
    obs_compose_files: Sequence[Path],
) -> Session:
    """This process' part of the run; starts nothing by itself."""
    session = pytestconfig.stash[SESSION].get()
    session.settings = obs_settings
    session.compose_files = obs_compose_files
    if session.options.stack == "compose":
        spec = request.getfixturevalue("obs_app_spec")
        session.compose_services = spec.compose_services()
        session.tell = _told_at_the_terminal(pytestconfig)
    return session


@pytest.fixture
def obs_needs(request: pytest.FixtureRequest, obs_session: Session) -> None:
    """Skips a test whose ``obs_requires`` the stack does not meet; asked for by the plugin."""
    from pytest_obsstack.evidence.needs import skip_or_fail

    skip_or_fail(request.node, obs_session.stack, strict=obs_session.options.strict)


@pytest.fixture(scope="session")
def obs_stack(obs_session: Session) -> Stack:
    """The running stack: endpoints, capabilities, ``stop``, ``start``, ``fail``, ``logs``."""
    return obs_session.stack


@pytest.fixture(scope="session")
def obs_endpoints(obs_stack: Stack) -> Endpoints:
    """Where each product answers."""
    return obs_stack.endpoints


@pytest.fixture(scope="session")
def obs_dsn(obs_endpoints: Endpoints) -> str:
    """The DSN of the project, as an app of this run can reach it."""
    if obs_endpoints.sentry is None or obs_endpoints.sentry.dsn is None:
        pytest.fail(
            "No DSN is known.\n"
            "  expected  a stack with an error tracker\n"
            "  found     none, or an attached one without --obs-sentry-dsn"
        )
    return obs_endpoints.sentry.dsn


@pytest.fixture(scope="session")
def obs_app(obs_session: Session, obs_app_spec: AppSpec) -> AppProcess:
    """The app under test, ready: ``url``, ``environment``, ``log_lines()``."""
    return obs_session.app(obs_app_spec)


@pytest.fixture(scope="session")
def obs_bench(
    pytestconfig: pytest.Config, obs_session: Session, obs_stack: Stack
) -> Iterator[Bench]:
    """What the tests of this process share: connections to the stack and to the app."""
    from pytest_obsstack.expect.opening import Bench

    observer = pytestconfig.stash.get(OBSERVER, None)
    bench = Bench(obs_stack, obs_session.options, observer)
    yield bench
    bench.close()


@pytest.fixture(scope="session")
def obs_sentry(obs_bench: Bench) -> Tracker:
    """Client of the error tracker: ``SentryClient``, or the adapter of GlitchTip or Bugsink.

    Read-only on a stack that the run did not start.
    """
    return obs_bench.clients.sentry


@pytest.fixture(scope="session")
def obs_prometheus(obs_bench: Bench) -> PrometheusClient:
    """Client of Prometheus' HTTP API; ``connect()`` gives a ``PrometheusConnect``."""
    return obs_bench.clients.prometheus


@pytest.fixture(scope="session")
def obs_loki(obs_bench: Bench) -> LokiClient:
    """Client of Loki's HTTP API."""
    return obs_bench.clients.loki


@pytest.fixture(scope="session")
def obs_grafana(obs_bench: Bench) -> GrafanaClient:
    """Client of Grafana's HTTP API: data sources, dashboards, the queries of their panels."""
    return obs_bench.clients.grafana


@pytest.fixture
def obs(request: pytest.FixtureRequest, obs_bench: Bench, obs_app: AppProcess) -> Iterator[Probe]:
    """Drive the app and assert on what arrived, all within this test's own trace."""
    node = request.node
    with obs_bench.probe(
        obs_app,
        wants_metrics=_mentions_metrics(node),
        exclusive=node.get_closest_marker("obs_exclusive") is not None,
    ) as probe:
        node.user_properties.append(("obs_trace_id", probe.trace_id))
        node.user_properties.extend(probe.links())
        yield probe


@pytest.fixture
def obs_alert_receiver(obs: Probe) -> Iterator[AlertReceiver]:
    """A receiver of this test's own: an Alertmanager, and the target of alerts' webhooks.

    With ``expect_alert``, ``expect_resolved`` and ``expect_no_alert``.
    """
    from pytest_obsstack.expect.alerts import alert_receiver

    with alert_receiver(obs) as receiver:
        yield receiver


@pytest.fixture
def obs_with_app(
    obs_session: Session, obs_bench: Bench, obs_app_spec: AppSpec
) -> Callable[..., AbstractContextManager[Probe]]:
    """Run one more copy of the app with other settings.

    For use as ``with obs_with_app({"NAME": "value"}) as obs``.
    Takes variables that win over those of ``obs_app_spec``, and ``endpoints=`` other than the
    stack's. The copy ends with the block. Needs the capability ``app_control``.
    """
    import contextlib
    from dataclasses import replace

    @contextlib.contextmanager
    def run(
        env: Mapping[str, str] | None = None, *, endpoints: Endpoints | None = None
    ) -> Iterator[Probe]:
        spec = replace(obs_app_spec, env={**obs_app_spec.env, **(env or {})})
        app = obs_session.start_app(spec, endpoints=endpoints)
        try:
            with obs_bench.probe(app, wants_metrics=True) as probe:
                yield probe
        finally:
            app.stop()

    return run


@pytest.fixture
def obs_sentry_sdk(obs: Probe, obs_dsn: str, obs_app_spec: AppSpec) -> Iterator[ModuleType]:
    """``sentry_sdk``, initialised in this process against the stack, in this test's trace.

    For apps that run inside the test process. The SDK is flushed and switched off afterwards.
    """
    import sentry_sdk

    sentry_sdk.init(
        dsn=obs_dsn,
        environment=obs_app_spec.environment,
        release=obs_app_spec.release,
        traces_sample_rate=1.0,
    )
    sentry_sdk.continue_trace(dict(obs.headers))
    try:
        yield sentry_sdk
    finally:
        sentry_sdk.flush(timeout=5)
        sentry_sdk.get_client().close()
        sentry_sdk.get_global_scope().set_client(None)


def _told_at_the_terminal(config: pytest.Config) -> Callable[[str], None]:
    """Writes to the terminal past pytest's capturing; a worker of xdist has no terminal."""
    terminal: Any = config.pluginmanager.getplugin("terminalreporter")
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    if terminal is None or capture is None:
        return lambda _text: None

    def tell(text: str) -> None:
        with capture.global_and_fixture_disabled():
            terminal.ensure_newline()
            terminal.write_line(f"obsstack: {text}")

    return tell


def _mentions_metrics(item: pytest.Item) -> bool:
    """Whether the test says that it looks at metrics: by its needs, or in its code.

    Such a test waits before its first request until the app has exported all earlier counts.
    """
    for mark in item.iter_markers("obs_requires"):
        if "metrics" in mark.args or "exact_metrics" in mark.args:
            return True
    code = getattr(getattr(item, "function", None), "__code__", None)
    return code is not None and "metrics" in code.co_names
