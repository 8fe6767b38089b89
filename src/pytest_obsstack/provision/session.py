"""One pytest process' view of the run: opens the stack once for all workers, runs the app.

Works without pytest, so the command line opens and ends stacks by the same code.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import IO

from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.options import GUIDE_PORTS, Options, is_url
from pytest_obsstack.providers import attach
from pytest_obsstack.providers.app import AppProcess, AppSpec, port_is_free, start_app
from pytest_obsstack.providers.compose.apps import AppContainers, Network
from pytest_obsstack.providers.compose.command import ComposeFailed
from pytest_obsstack.providers.compose.failures import container_log, save_logs
from pytest_obsstack.providers.compose.launch import take_down
from pytest_obsstack.providers.compose.project import DEFAULT_TRACKER
from pytest_obsstack.providers.embedded import EmbeddedControl, start_embedded
from pytest_obsstack.providers.home import Home
from pytest_obsstack.providers.locks import lock_if_free, one_at_a_time
from pytest_obsstack.providers.readiness import probe_url
from pytest_obsstack.providers.stack import Stack
from pytest_obsstack.providers.state import (
    ComposeState,
    RunningApp,
    StackState,
    read_state,
    write_state,
)
from pytest_obsstack.provision import containers
from pytest_obsstack.provision.abilities import capabilities_of, tracker_capabilities
from pytest_obsstack.provision.containers import (
    Wanted,
    ended_by_hand,
    has_ended,
    open_containers,
)
from pytest_obsstack.provision.failed_start import recall, remember
from pytest_obsstack.provision.names import Settings

_STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Run:
    """One run of pytest (all its workers) or one call of ``obsstack up``."""

    folder: Path
    owner_pid: int
    """The process with which everything that is not kept ends."""
    worker: str = "main"
    """Name of this process among the workers: ``main``, ``gw0``, …"""
    workers: int = 1

    @property
    def state_path(self) -> Path:
        return self.folder / "state.json"

    @property
    def first_worker(self) -> bool:
        return self.worker in ("main", "gw0")


class Session:
    """Holds the stack and the apps of this process."""

    def __init__(self, options: Options, run: Run, settings: Settings | None = None) -> None:
        self.options = options
        self.run = run
        self.settings = settings or Settings()
        self.compose_files: Sequence[Path] = options.compose_file
        self.compose_services: Sequence[str] = ()
        """Services of the app, so that their images are there before anything starts."""
        self.tell: Callable[[str], None] = _silent
        """Told what takes long at the start of containers."""
        self._stack: Stack | None = None
        self._app: AppProcess | None = None
        self._app_count = 0
        self._kept_app_lock: IO[str] | None = None

    @property
    def stack(self) -> Stack:
        """The running stack; the first worker that asks starts it, the others read its state.

        Raises ``StackUnavailable`` or ``pytest.UsageError``.
        """
        if self._stack is None:
            self._stack = self._open()
        return self._stack

    @property
    def opened(self) -> bool:
        return self._stack is not None

    def _open(self) -> Stack:
        with one_at_a_time(self.run.folder / "stack.lock"):
            state = read_state(self.run.state_path)
            if state is None:
                failed = recall(self.run.folder)
                if failed is not None:
                    raise failed
                try:
                    state = self._attached() if self.options.stack == "attach" else self._own()
                except ObsstackError as error:
                    remember(self.run.folder, error)
                    raise
                write_state(self.run.state_path, state)
        return Stack(state, self._capabilities(state), start_timeout_s=self.options.start_timeout_s)

    def _capabilities(self, state: StackState) -> frozenset[str]:
        own = capabilities_of(state)
        if self.options.stack != "attach":
            return own
        found = attach.capabilities(
            self.options,
            state,
            own,
            tracker=tracker_capabilities(state),
            alone=self.run.workers == 1,
        )
        if state.app is None:
            found |= {"app_control", "exact_metrics"}
        return found

    def _attached(self) -> StackState:
        state = attach.attach(self.options, self.run.folder)
        broken = ended_by_hand(state)
        if broken is not None:
            raise broken
        return state

    def _own(self) -> StackState:
        """The kept stack, if there is one of the kind that is wanted, else a new one."""
        home = Home(self.options.home)
        home.clear_old_runs(self.run.folder)
        with one_at_a_time(home.kept_lock_path):
            kept = read_state(home.kept_path)
            if kept is not None and kept.alive and not self._vanished(kept):
                if self._usable(kept):
                    return kept
                kept = None
            if kept is not None and self.options.keep_stack:
                # Its app may have outlived it, and is known by this state alone.
                end_stack(kept)
                home.release(kept.folder.parent)
            keep = self.options.keep_stack
            state = (
                self._start_containers(keep=keep)
                if self.options.stack == "compose"
                else self._start_embedded(keep=keep)
            )
            if self.options.keep_stack:
                # A kept stack's folder must not be cleared away as an old run.
                home.mark_in_use(self.run.folder)
                write_state(home.kept_path, state)
                if state.process is not None:
                    state.process.release()
            return state

    def _vanished(self, kept: StackState) -> bool:
        """Whether a kept stack of containers that might serve has none any more: a new one will."""
        return kept.kind == self.options.stack == "compose" and has_ended(kept)

    def _usable(self, kept: StackState) -> bool:
        """Whether a kept stack that runs is the one wanted; one of another kind is left alone.

        Raises ``ObsstackError`` where it is not whole, or where a new one could not be kept beside
        it.
        """
        wanted = _tracker(self.options)
        found = None if kept.compose is None else kept.compose.tracker
        if kept.kind == self.options.stack and (kept.compose is None or found == wanted):
            broken = ended_by_hand(kept)
            if broken is not None:
                raise broken
            return True
        if self.options.keep_stack:
            raise ObsstackError(
                "There is a kept stack of another kind already.",
                expected=f"none, or one of --obs-stack={self.options.stack}"
                + (f" with {wanted}" if wanted else ""),
                found=f"{kept.kind}" + (f" with {found}" if found else "") + f", {kept.folder}",
                advice="`obsstack down` removes it; or give another --obs-home",
            )
        return False

    def _start_containers(self, *, keep: bool) -> StackState:
        return open_containers(
            Wanted(
                options=self.options,
                settings=self.settings,
                folder=self._stack_folder(),
                run_id=self.run.folder.name,
                owner_pid=os.getpid() if keep else self.run.owner_pid,
                kept=keep,
                files=self.compose_files,
                more_services=self.compose_services,
                tell=self.tell,
            )
        )

    def _stack_folder(self) -> Path:
        folder = self.run.folder / "stack"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def _start_embedded(self, *, keep: bool) -> StackState:
        folder = self._stack_folder()
        state = start_embedded(
            folder,
            run_id=self.run.folder.name,
            owner_pid=os.getpid() if keep else self.run.owner_pid,
            kept=keep,
            ports=self.options.port,
            prefer_guide_ports=keep,
        )
        try:
            return self._provisioned(state)
        except BaseException:
            end_stack(state)
            raise

    def _provisioned(self, state: StackState) -> StackState:
        """Create the project, and tell the collector where it is (the app is told at its start)."""
        from pytest_obsstack.clients.sentry.client import SentryClient
        from pytest_obsstack.provision.sentry_setup import sentry_setup

        if state.endpoints.sentry is None or state.control is None:
            raise ObsstackError("The embedded stack has no error tracker to set up.")
        with contextlib.closing(SentryClient(state.endpoints.sentry)) as client:
            project = sentry_setup(
                client,
                organization=self.settings.organization,
                team=self.settings.team,
                project=self.settings.project,
                platform=self.settings.platform,
            )
        sentry = replace(
            state.endpoints.sentry,
            organization=project.organization,
            project=project.project,
            dsn=project.dsn,
        )
        with contextlib.closing(EmbeddedControl(state.control)) as control:
            control.configure("collector", collector_settings(project.dsn))
            loki = self.options.use.get("loki", "")
            if is_url(loki):
                logs_endpoint = f"{loki.rstrip('/')}/otlp/v1/logs"
                control.configure("collector", {"logs_endpoint": logs_endpoint})
        endpoints = self._with_others(replace(state.endpoints, sentry=sentry))
        return state.with_endpoints(endpoints)

    def _with_others(self, endpoints: Endpoints) -> Endpoints:
        """Put servers that ``--obs-use COMPONENT=URL`` names in the place of embedded ones."""
        others = attach.named_endpoints(self.options)
        return replace(
            endpoints,
            collector=others.collector or endpoints.collector,
            prometheus=others.prometheus or endpoints.prometheus,
            loki=others.loki or endpoints.loki,
            tempo=others.tempo,
            grafana=others.grafana,
        )

    # ---- the app

    def app(self, spec: AppSpec) -> AppProcess:
        """The app of this worker: the running one of an attached stack, else started now."""
        if self._app is None:
            self._app = self._main_app(spec)
        return self._app

    @cached_property
    def _keeps_app(self) -> bool:
        """Whether the app of this worker belongs to a stack that goes on.

        Never to an attached one: what somebody else has started gets no app of this run's. Nor
        while another run on the same kept stack drives the kept app: then this one's ends with it.
        """
        if self.options.stack == "attach" or not self.run.first_worker or not self.stack.state.kept:
            return False
        self._kept_app_lock = lock_if_free(Home(self.options.home).kept_app_lock_path)
        return self._kept_app_lock is not None

    def _main_app(self, spec: AppSpec) -> AppProcess:
        state = self.stack.state
        if self.options.stack == "attach" and state.app is not None:
            return _described(spec, state.app, state.compose)
        if self._in_container(spec):
            return self._main_container(spec)
        keep = self._keeps_app
        port = self.options.port.get("app")
        wish_met = True
        if keep:
            # Another run may have put its app there since the stack was opened.
            state = read_state(Home(self.options.home).kept_path) or state
            if state.app is not None:
                _end_app(state.app)
            if port is None:
                wish_met = port_is_free(GUIDE_PORTS["app"])
                port = GUIDE_PORTS["app"] if wish_met else None
        if port is not None and not self.run.first_worker:
            port = None
        if port is not None and not port_is_free(port):
            raise ObsstackError(
                "The app cannot have its port.",
                expected=f"port {port} on 127.0.0.1 is free (--obs-port app={port})",
                found="somebody else listens there",
                advice="end that program, or leave out --obs-port to get a free port",
            )
        app = self.start_app(spec, name=self.run.worker, port=port)
        if keep:
            running = replace(app.left_running(), wish_met=wish_met)
            # What the run tells at its end, and what later runs read.
            for path in (self.run.state_path, Home(self.options.home).kept_path):
                write_state(path, state.with_app(running))
            for process in running.processes:
                process.release()
        return app

    def start_app(
        self,
        spec: AppSpec,
        *,
        name: str | None = None,
        port: int | None = None,
        endpoints: Endpoints | None = None,
    ) -> AppProcess:
        """Start an app of one's own against this stack; whoever calls it stops it.

        Raises ``StackUnavailable`` if it does not become ready.
        """
        self._app_count += 1
        # Counters begin anew with each process: as two instances they are never mixed up.
        own_name = f"{name or f'{self.run.worker}-{self._app_count}'}-{self.run.folder.name[-6:]}"
        seen = self.stack.endpoints
        if self._in_container(spec):
            app: AppProcess = self._containers.start_copy(
                spec, endpoints or seen, name=own_name, port=port
            )
            app.reaches = self._network.endpoints_inside(seen)
            return app
        app = start_app(
            spec,
            endpoints or seen,
            folder=self.run.folder,
            name=own_name,
            owner_pid=os.getpid(),
            probe=probe_url,
            port=port,
        )
        app.reaches = seen
        return app

    # ---- the app in containers

    def _in_container(self, spec: AppSpec) -> bool:
        return (
            self.stack.state.compose is not None
            and spec.compose_service is not None
            and spec.url is None
        )

    def _main_container(self, spec: AppSpec) -> AppProcess:
        """The app's own service for the first worker, which a kept stack keeps; others copy it."""
        state = self.stack.state
        keep = self._keeps_app
        shared = state.kept and not keep
        if state.compose is None or not self.run.first_worker or shared:
            return self.start_app(spec, name=self.run.worker)
        app = self._containers.start_main(
            spec,
            state.endpoints,
            name=f"{self.run.worker}-{state.run_id[-6:]}",
            port=state.compose.ports["APP_PORT"],
            fixed_port="app" in self.options.port,
        )
        app.reaches = self._network.endpoints_inside(state.endpoints)
        running = app.left_running()
        for path in (self.run.state_path, *([Home(self.options.home).kept_path] if keep else [])):
            write_state(path, state.with_app(running))
        return app

    @cached_property
    def _network(self) -> Network:
        compose = self.stack.state.compose
        return Network.of({} if compose is None else compose.ports)

    @cached_property
    def _containers(self) -> AppContainers:
        state = self.stack.state
        if state.compose is None:
            raise ObsstackError("This stack does not run in containers.")
        return AppContainers(
            state.compose.compose,
            self._network,
            self.run.folder,
            timeout_s=self.options.start_timeout_s,
            probe=probe_url,
        )

    def close(self) -> None:
        """End what this process started for itself: its app, its connections."""
        if self._app is not None and not self._keeps_app:
            self._app.stop()
        self._app = None
        if self._stack is not None:
            self._stack.close()
        if self._kept_app_lock is not None:
            self._kept_app_lock.close()


def collector_settings(dsn: str) -> dict[str, object]:
    """The collector's settings that send traces to the project of ``dsn``."""
    from pytest_obsstack.wire.dsn import Dsn

    parsed = Dsn.parse(dsn)
    return {
        "traces_endpoint": parsed.otlp_traces_url,
        "traces_headers": {"x-sentry-auth": f"sentry sentry_key={parsed.public_key}"},
    }


def send_traces_to(stack: Stack, dsn: str) -> None:
    """Let the collector send traces to the project of ``dsn``, as an edit and a restart would."""
    if stack.state.compose is not None:
        containers.send_traces_to(stack, dsn)
        return
    stack.configure("collector", collector_settings(dsn))
    stack.restart("collector")


def end_stack(state: StackState) -> bool:
    """End the stack's processes or containers, its app included; True when all are gone.

    Raises ``ObsstackError`` where Compose cannot remove the containers.
    """
    gone = True
    if state.app is not None:
        gone = _end_app(state.app)
    if state.compose is not None:
        _remove_containers(state)
        return gone
    if state.process is not None:
        gone = state.process.stop(_STOP_TIMEOUT_S) and gone
    return gone


def end_run(run: Run, *, keep_logs: bool = False) -> StackState | None:
    """End the stack of a run unless it is kept; returns its state, ``None`` if none was started.

    ``keep_logs``: the logs of all containers are kept in the run's folder first.
    """
    state = read_state(run.state_path)
    if state is None:
        return None
    if state.compose is not None and keep_logs and state.kind == "compose":
        save_logs(state.compose.compose, run.folder / "logs")
    if state.kind != "attach" and not state.kept:
        end_stack(state)
    return state


def _remove_containers(state: StackState) -> None:
    if state.compose is None:
        return
    compose = state.compose.compose
    try:
        take_down(compose, state.process)
    except ComposeFailed as failed:
        lines = failed.last_lines
        raise ObsstackError(
            "The containers of the stack could not be removed.",
            expected=f"`{' '.join(compose.down_command())}` succeeds",
            found=lines[-1] if lines else "it failed without a word",
            advice="run that command once the engine answers, or `obsstack down --all`",
            log_lines=lines,
        ) from failed


def _tracker(options: Options) -> str | None:
    choice = options.use.get("sentry", DEFAULT_TRACKER)
    return None if options.stack != "compose" or is_url(choice) else choice


def _silent(_text: str) -> None:
    """Nobody is told."""


def _end_app(app: RunningApp) -> bool:
    for process in app.processes:
        process.ask_to_stop()
    ended = [process.stop(_STOP_TIMEOUT_S) for process in app.processes]
    return all(ended)


def _described(
    spec: AppSpec, running: RunningApp, compose: ComposeState | None = None
) -> AppProcess:
    described = replace(spec, service=running.service or spec.service)
    app = AppProcess(described, running.url.rstrip("/"), running.instance)
    app.environment = dict(running.environment)
    app.attached_log = None if running.log is None else Path(running.log)
    if running.container is not None and compose is not None:
        app.read_log = partial(container_log, compose.compose, running.container)
    for variable, companion in spec.companions.items():
        part = running.companions.get(variable)
        if part is None and companion.url is not None:
            part = RunningApp(companion.url, instance="", service=companion.service)
        if part is not None:
            app.companions[variable] = _described(companion, part, compose)
    return app
