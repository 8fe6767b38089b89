"""A stack of containers from nothing to initialised: start, set the tracker up, tell the DSN."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path

from pytest_obsstack.endpoints import (
    CollectorEndpoint,
    Endpoints,
    GrafanaEndpoint,
    LokiEndpoint,
    PrometheusEndpoint,
    SentryEndpoint,
    TempoEndpoint,
    TrackerFlavour,
)
from pytest_obsstack.errors import ObsstackError, StackUnavailable
from pytest_obsstack.options import Options, is_url
from pytest_obsstack.providers.attach import named_endpoints
from pytest_obsstack.providers.compose.apps import Network
from pytest_obsstack.providers.compose.command import Compose, ComposeFailed, reason
from pytest_obsstack.providers.compose.engine import find_engine
from pytest_obsstack.providers.compose.failures import start_failure
from pytest_obsstack.providers.compose.launch import (
    PORT_CHOICES,
    PortsTaken,
    launch,
    missing_services,
    start,
    start_reaper,
    take_down,
    wait_ready,
)
from pytest_obsstack.providers.compose.project import (
    DSN_FILE,
    LABEL,
    PARTS,
    Project,
    plan,
    write_variables,
)
from pytest_obsstack.providers.process import ProcessIdentity
from pytest_obsstack.providers.stack import Stack
from pytest_obsstack.providers.state import ComposeState, ProductState, StackState
from pytest_obsstack.provision.names import Settings
from pytest_obsstack.wire.dsn import Dsn

_HOST_GATEWAY = "host.docker.internal"
_IN_ADDRESSES = "0123456789abcdef.:"
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
    images = _images(project.compose)
    endpoints = _endpoints(project, wanted.options)
    if "sentry" in project.components:
        wait_ready(project, ["sentry"], timeout_s=timeout_s)
        endpoints = replace(endpoints, sentry=_set_up(wanted, project, images))
    if "collector" in project.components:
        dsn = None if endpoints.sentry is None else endpoints.sentry.dsn
        variables = _collector_variables(dsn, project.ports)
        write_variables(wanted.folder / DSN_FILE, variables)
        start(project.compose, [PARTS["collector"].service], timeout_s)
    wait_ready(project, project.components, timeout_s=timeout_s)
    bind, host = _callback(project.compose)
    return StackState(
        kind="compose",
        run_id=wanted.run_id,
        folder=wanted.folder,
        endpoints=endpoints,
        products=_products(project, images, wanted.options),
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


def _set_up(
    wanted: Wanted, project: Project, images: Mapping[str, Mapping[str, str]]
) -> SentryEndpoint:
    from pytest_obsstack.provision.tracker_setup import set_up_tracker

    flavour = _flavour(project, images)
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


def _flavour(project: Project, images: Mapping[str, Mapping[str, str]]) -> TrackerFlavour:
    """How the tracker has to be spoken to: as its image says, where ours stands in for it."""
    labelled = images.get("sentry", {}).get(f"{LABEL}.flavour")
    if labelled == "embedded" or project.tracker == "lite":
        return "embedded"
    if project.tracker == "bugsink":
        return "bugsink"
    return "glitchtip"


def _endpoints(project: Project, options: Options) -> Endpoints:
    """Where everything is, the tracker of this project apart."""
    others = named_endpoints(options)
    have = set(project.components)
    return Endpoints(
        sentry=others.sentry,
        collector=CollectorEndpoint(
            project.url("collector"),
            project.url("collector", variable="COLLECTOR_METRICS_PORT") + "/metrics",
        )
        if "collector" in have
        else others.collector,
        prometheus=PrometheusEndpoint(project.url("prometheus"))
        if "prometheus" in have
        else others.prometheus,
        loki=LokiEndpoint(project.url("loki")) if "loki" in have else others.loki,
        tempo=TempoEndpoint(project.url("tempo")) if "tempo" in have else others.tempo,
        grafana=GrafanaEndpoint(project.url("grafana"), "admin", project.grafana_password)
        if "grafana" in have
        else others.grafana,
    )


def _images(compose: Compose) -> dict[str, dict[str, str]]:
    """By service: the labels of its container, and its image as ``image``."""
    found: dict[str, dict[str, str]] = {}
    for container in compose.containers():
        labels = container.get("Labels", {})
        if isinstance(labels, str):
            labels = dict(pair.partition("=")[::2] for pair in labels.split(","))
        found[container["Service"]] = {**labels, "image": container.get("Image", "")}
    return found


def _products(
    project: Project, images: Mapping[str, Mapping[str, str]], options: Options
) -> dict[str, ProductState]:
    images = {**_images(project.compose), **images}
    products = {}
    for name in project.components:
        facts = images.get(PARTS[name].service, {})
        tag = facts.get("image", "").rpartition(":")[2].partition("@")[0]
        products[name] = ProductState(
            url=project.url(name),
            version=facts.get(f"{LABEL}.version") or tag or "unknown",
            stands_in_for=facts.get(f"{LABEL}.stands-in-for"),
            wish_met=project.wishes_met.get(name, True),
        )
    for name, url in options.use.items():
        if is_url(url) and name != "app":
            products[name] = ProductState(url, version="unknown")
    return products


def _callback(compose: Compose) -> tuple[str, str]:
    """Where a test's server has to listen for containers to reach it, and what they call it.

    The compose files give the machine the name ``host.docker.internal``. On Linux that is the
    gateway of the engine's own bridge, an address of this machine alone; where the engine runs in a
    machine of its own (Docker Desktop), it hands such connections on to this machine's loopback.
    """
    template = "{{range .IPAM.Config}}{{.Gateway}} {{.Subnet}}\n{{end}}"
    status, output = compose.engine("network", "inspect", "--format", template, "bridge")
    for address in _gateways(output) if status == 0 else ():
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as candidate:
            try:
                candidate.bind((address, 0))
            except OSError:
                continue
        return address, _HOST_GATEWAY
    return "127.0.0.1", _HOST_GATEWAY


def has_ended(state: StackState) -> bool:
    """Whether nothing of a stack runs any more, though containers that ended may be there.

    Raises ``StackUnavailable`` where the engine does not tell.
    """
    if state.compose is None:
        return not state.alive
    services = _services(state.compose)
    return len(_missing(state.compose)) == len(services)


def _gateways(lines: str) -> Iterator[str]:
    """The gateway of each line ``GATEWAY SUBNET``; without one, the subnet's first address."""
    for line in lines.splitlines():
        gateway, _, subnet = line.rpartition(" ")
        # Templates write "<no value>" for what is not there.
        if gateway and set(gateway) <= set(_IN_ADDRESSES):
            yield gateway
        elif "/" in subnet:
            yield str(next(ip_network(subnet, strict=False).hosts()))


def ended_by_hand(state: StackState) -> ObsstackError | None:
    """The error for a kept stack of which containers are gone; ``None`` where all are there."""
    if state.compose is None:
        return None
    missing = _missing(state.compose)
    if not missing:
        return None
    services = _services(state.compose)
    whole = len(missing) == len(services)
    return StackUnavailable(
        "The kept stack has ended." if whole else "The kept stack is not whole any more.",
        expected=f"containers of project {state.compose.compose.project} run for "
        + ", ".join(services),
        found="none runs" if whole else f"none runs for {', '.join(missing)}",
        advice="`obsstack down` clears it away, `obsstack up` starts a new one",
    )


def app_runs(state: StackState) -> bool:
    """Whether the app that a stack was left with is still there."""
    if state.app is None:
        return False
    if state.app.container is None or state.compose is None:
        return all(process.alive for process in state.app.processes)
    status, output = state.compose.compose.engine(
        "inspect", "--format", "{{.State.Running}}", state.app.container
    )
    return status == 0 and output.strip() == "true"


def _services(compose: ComposeState) -> list[str]:
    return [PARTS[name].service for name in compose.ready_urls]


def _missing(compose: ComposeState) -> list[str]:
    """Services of the stack that have no running container."""
    try:
        return missing_services(compose.compose, _services(compose))
    except ComposeFailed as failed:
        raise StackUnavailable(
            "It cannot be told whether the kept stack runs.",
            expected=f"Compose lists the containers of project {compose.compose.project}",
            found=reason(failed.output),
            advice="start the engine again; --obs-stack=embedded needs none",
        ) from None
