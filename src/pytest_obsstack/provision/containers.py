"""A stack of containers from nothing to initialised: start, set the tracker up, tell the DSN."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_obsstack.endpoints import SentryEndpoint
from pytest_obsstack.errors import ObsstackError, StackUnavailable
from pytest_obsstack.options import Options
from pytest_obsstack.options.kinds import is_url
from pytest_obsstack.providers.attach import named_endpoints
from pytest_obsstack.providers.compose.command import Compose, ComposeFailed
from pytest_obsstack.providers.compose.engine import find_engine
from pytest_obsstack.providers.compose.failures import start_failure
from pytest_obsstack.providers.compose.launch import (
    PORT_CHOICES,
    PortsTaken,
    launch,
    start,
    start_reaper,
    take_down,
    wait_ready,
)
from pytest_obsstack.providers.compose.network import Network
from pytest_obsstack.providers.compose.project import (
    DSN_FILE,
    PARTS,
    Project,
    plan,
    write_variables,
)
from pytest_obsstack.providers.process import ProcessIdentity
from pytest_obsstack.providers.stack import Stack
from pytest_obsstack.providers.state import ComposeState, StackState
from pytest_obsstack.provision.callback import callback_address
from pytest_obsstack.provision.container_facts import (
    endpoints_of,
    flavour_of,
    images_of,
    products_of,
)
from pytest_obsstack.provision.names import Settings
from pytest_obsstack.wire.dsn import Dsn

_LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]")


@dataclass(frozen=True)
class Wanted:
    """A stack of containers that somebody asks for."""

    options: Options
    settings: Settings
    folder: Path
    """Of this stack; it exists."""
    run_id: str
    owner_pid: int
    kept: bool
    files: Sequence[Path] = ()
    """Compose files laid over the stack's own."""
    more_services: Sequence[str] = ()
    """The app's, so that all images are fetched before anything runs."""
    tell: Callable[[str], None] = print
    """Told what takes long: images that are built or pulled."""


def open_containers(wanted: Wanted) -> StackState:
    """Start everything but the app, and set the tracker up; returns when all answers.

    Raises ``StackUnavailable``; nothing is left behind then.
    """
    began = time.monotonic()
    # What the options lack is told before anything starts.
    named_endpoints(wanted.options)
    _check_reach(wanted.options)
    engine = find_engine(wanted.options.compose_command)
    for attempt in range(PORT_CHOICES):
        project = plan(
            wanted.options,
            engine,
            wanted.folder,
            run_id=wanted.run_id,
            owner_pid=wanted.owner_pid,
            kept=wanted.kept,
            files=wanted.files,
        )
        project.write()
        reaper = start_reaper(project.compose, wanted.owner_pid)
        try:
            return _open(wanted, project, reaper, began)
        except PortsTaken as taken:
            take_down(project.compose, reaper)
            if attempt == PORT_CHOICES - 1:
                raise start_failure(project.compose, str(taken)) from None
        except BaseException:
            _clean_up(project.compose)
            raise
    raise AssertionError("unreachable")


def _open(wanted: Wanted, project: Project, reaper: ProcessIdentity, began: float) -> StackState:
    timeout_s = wanted.options.start_timeout_s
    launch(project, more_services=wanted.more_services, tell=wanted.tell, timeout_s=timeout_s)
    endpoints = endpoints_of(project, wanted.options)
    if "sentry" in project.components:
        wait_ready(project, ["sentry"], timeout_s=timeout_s)
        endpoints = replace(endpoints, sentry=_set_up(wanted, project))
    if "collector" in project.components:
        dsn = None if endpoints.sentry is None else endpoints.sentry.dsn
        variables = _collector_variables(dsn, project.ports)
        write_variables(wanted.folder / DSN_FILE, variables)
        start(project.compose, [PARTS["collector"].service], timeout_s)
    wait_ready(project, project.components, timeout_s=timeout_s)
    bind, host = callback_address(project.compose)
    return StackState(
        kind="compose",
        run_id=wanted.run_id,
        folder=wanted.folder,
        endpoints=endpoints,
        products=products_of(project, images_of(project.compose), wanted.options),
        ready_after_s=time.monotonic() - began,
        kept=wanted.kept,
        compose=ComposeState(
            compose=project.compose,
            tracker=project.tracker,
            ports=dict(project.ports),
            ready_urls={name: project.ready_url(name) for name in project.components},
            callback_bind=bind,
            callback_host=host,
        ),
        process=reaper,
    )


def _clean_up(compose: Compose) -> None:
    """Remove what was started.

    The reaper stays, and looks once more when this process ends: the engine may still be making
    what a call that was cut short had asked for, and this attempt may have failed.
    """
    try:
        compose.down()
    except ComposeFailed:
        return


def _check_reach(options: Options) -> None:
    """Refuse a DSN by which a container would report to itself: every event would be lost."""
    tracker = options.use.get("sentry", "")
    if not is_url(tracker) or options.sentry_dsn is None:
        return
    host = Dsn.parse(options.sentry_dsn).host
    if host not in _LOOPBACK:
        return
    raise StackUnavailable(
        "Containers cannot reach the error tracker.",
        expected="a DSN (--obs-sentry-dsn) whose host is the same seen from a container",
        found=f"{host}, which in a container is the container itself",
        advice="let the tracker listen on an address of this machine's network and name that in "
        "the DSN, or let the stack have its own tracker: --obs-use sentry=lite",
    )


def send_traces_to(stack: Stack, dsn: str) -> None:
    """Let the collector send traces to the project of ``dsn``, and restart just that container."""
    compose = stack.state.compose
    if compose is None:
        raise ObsstackError("This stack does not run in containers.")
    path = Path(compose.compose.folder) / DSN_FILE
    write_variables(path, _collector_variables(dsn, compose.ports))
    stack.recreate("collector")


def _collector_variables(dsn: str | None, ports: Mapping[str, int]) -> dict[str, str]:
    """What the collector's container is told of the project that traces go to."""
    if dsn is None:
        return {}
    inside = Network.of(ports).inside(dsn)
    return {
        "SENTRY_OTLP_TRACES_ENDPOINT": Dsn.parse(inside).otlp_traces_url,
        "SENTRY_PUBLIC_KEY": Dsn.parse(inside).public_key,
    }


def _set_up(wanted: Wanted, project: Project) -> SentryEndpoint:
    from pytest_obsstack.provision.tracker_setup import set_up_tracker

    # What our own image stands in for is seen once its container is there.
    flavour = flavour_of(project, images_of(project.compose))
    url = project.url("sentry")
    found = set_up_tracker(
        flavour,
        url,
        email=project.variables["SENTRY_ADMIN_EMAIL"],
        password=project.admin_password,
        token=project.api_token if flavour == "embedded" else None,
        organization=wanted.settings.organization,
        team=wanted.settings.team,
        project=wanted.settings.project,
        platform=wanted.settings.platform,
        timeout_s=wanted.options.start_timeout_s,
    )
    return SentryEndpoint(
        url=url,
        token=found.token,
        organization=found.organization,
        project=found.project,
        # A tracker puts the address into a DSN under which it believes to be reached.
        dsn=str(replace(Dsn.parse(found.dsn), host="127.0.0.1", port=project.ports["SENTRY_PORT"])),
        flavour=flavour,
        admin_email=project.variables["SENTRY_ADMIN_EMAIL"],
        admin_password=project.admin_password,
    )
