"""The embedded stack from nothing to initialised: start, create the project, tell the collector."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.options import Options
from pytest_obsstack.options.kinds import is_url
from pytest_obsstack.providers.attach import named_endpoints
from pytest_obsstack.providers.embedded import EmbeddedControl, start_embedded
from pytest_obsstack.providers.state import StackState
from pytest_obsstack.provision.collector_target import collector_settings
from pytest_obsstack.provision.ending import end_stack
from pytest_obsstack.provision.names import Settings


def open_embedded(
    options: Options,
    settings: Settings,
    folder: Path,
    *,
    run_id: str,
    owner_pid: int,
    keep: bool,
) -> StackState:
    """Start all four products in ``folder``; returns when they answer and the project is there.

    Raises ``StackUnavailable``; nothing is left behind then.
    """
    state = start_embedded(
        folder,
        run_id=run_id,
        owner_pid=owner_pid,
        kept=keep,
        ports=options.port,
        prefer_guide_ports=keep,
    )
    try:
        return _provisioned(options, settings, state)
    except BaseException:
        end_stack(state)
        raise


def _provisioned(options: Options, settings: Settings, state: StackState) -> StackState:
    """Create the project, and tell the collector where it is (the app is told at its start)."""
    from pytest_obsstack.clients.sentry.client import SentryClient
    from pytest_obsstack.provision.sentry_setup import sentry_setup

    if state.endpoints.sentry is None or state.control is None:
        raise ObsstackError("The embedded stack has no error tracker to set up.")
    with contextlib.closing(SentryClient(state.endpoints.sentry)) as client:
        project = sentry_setup(
            client,
            organization=settings.organization,
            team=settings.team,
            project=settings.project,
            platform=settings.platform,
        )
    sentry = replace(
        state.endpoints.sentry,
        organization=project.organization,
        project=project.project,
        dsn=project.dsn,
    )
    with contextlib.closing(EmbeddedControl(state.control)) as control:
        control.configure("collector", collector_settings(project.dsn))
        loki = options.use.get("loki", "")
        if is_url(loki):
            logs_endpoint = f"{loki.rstrip('/')}/otlp/v1/logs"
            control.configure("collector", {"logs_endpoint": logs_endpoint})
    return state.with_endpoints(_with_others(options, replace(state.endpoints, sentry=sentry)))


def _with_others(options: Options, endpoints: Endpoints) -> Endpoints:
    """Put servers that ``--obs-use COMPONENT=URL`` names in the place of embedded ones."""
    others = named_endpoints(options)
    return replace(
        endpoints,
        collector=others.collector or endpoints.collector,
        prometheus=others.prometheus or endpoints.prometheus,
        loki=others.loki or endpoints.loki,
        tempo=others.tempo,
        grafana=others.grafana,
    )
