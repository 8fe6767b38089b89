"""The apps of one pytest process: its main one, as a process or a container, and copies of it."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import IO

from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.options import Options
from pytest_obsstack.options.kinds import GUIDE_PORTS
from pytest_obsstack.providers.app import AppProcess, start_app
from pytest_obsstack.providers.app_spec import AppSpec
from pytest_obsstack.providers.compose.apps import AppContainers
from pytest_obsstack.providers.compose.failures import container_log
from pytest_obsstack.providers.compose.network import Network
from pytest_obsstack.providers.home import Home
from pytest_obsstack.providers.locks import lock_if_free
from pytest_obsstack.providers.ports import port_is_free, require_free_port
from pytest_obsstack.providers.readiness import probe_url
from pytest_obsstack.providers.stack import Stack
from pytest_obsstack.providers.state import ComposeState, RunningApp, read_state, write_state
from pytest_obsstack.provision.ending import end_app
from pytest_obsstack.provision.run import Run


class Apps:
    """Starts apps against a stack, and ends those that do not belong to it."""

    def __init__(self, options: Options, run: Run, stack: Stack) -> None:
        self._options = options
        self._run = run
        self._stack = stack
        self._main: AppProcess | None = None
        self._count = 0
        self._kept_app_lock: IO[str] | None = None

    def main(self, spec: AppSpec) -> AppProcess:
        """The app of this worker: the running one of an attached stack, else started now."""
        if self._main is None:
            self._main = self._start_main(spec)
        return self._main

    def close(self) -> None:
        """End the main app, unless it belongs to a stack that goes on."""
        if self._main is not None and not self._keeps_app:
            self._main.stop()
        self._main = None
        if self._kept_app_lock is not None:
            self._kept_app_lock.close()

    @cached_property
    def _keeps_app(self) -> bool:
        """Whether the app of this worker belongs to a stack that goes on.

        Never to an attached one: what somebody else has started gets no app of this run's. Nor
        while another run on the same kept stack drives the kept app: then this one's ends with it.
        """
        kept = self._stack.state.kept and self._options.stack != "attach"
        if not kept or not self._run.first_worker:
            return False
        self._kept_app_lock = lock_if_free(Home(self._options.home).kept_app_lock_path)
        return self._kept_app_lock is not None

    def _start_main(self, spec: AppSpec) -> AppProcess:
        state = self._stack.state
        if self._options.stack == "attach" and state.app is not None:
            return _described(spec, state.app, state.compose)
        if self._in_container(spec):
            return self._main_container(spec)
        keep = self._keeps_app
        port = self._options.port.get("app")
        wish_met = True
        if keep:
            # Another run may have put its app there since the stack was opened.
            state = read_state(Home(self._options.home).kept_path) or state
            if state.app is not None:
                end_app(state.app)
            if port is None:
                wish_met = port_is_free(GUIDE_PORTS["app"])
                port = GUIDE_PORTS["app"] if wish_met else None
        if port is not None and not self._run.first_worker:
            port = None
        if port is not None:
            require_free_port("app", port, what="The app")
        app = self.start(spec, name=self._run.worker, port=port)
        if keep:
            running = replace(app.left_running(), wish_met=wish_met)
            # What the run tells at its end, and what later runs read.
            for path in (self._run.state_path, Home(self._options.home).kept_path):
                write_state(path, state.with_app(running))
            for process in running.processes:
                process.release()
        return app

    def start(
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
        self._count += 1
        # Counters begin anew with each process: as two instances they are never mixed up.
        own_name = f"{name or f'{self._run.worker}-{self._count}'}-{self._run.folder.name[-6:]}"
        seen = self._stack.endpoints
        if self._in_container(spec):
            app: AppProcess = self._containers.start_copy(
                spec, endpoints or seen, name=own_name, port=port
            )
            app.reaches = self._network.endpoints_inside(seen)
            return app
        app = start_app(
            spec,
            endpoints or seen,
            folder=self._run.folder,
            name=own_name,
            owner_pid=os.getpid(),
            probe=probe_url,
            port=port,
        )
        app.reaches = seen
        return app

    def _in_container(self, spec: AppSpec) -> bool:
        return (
            self._stack.state.compose is not None
            and spec.compose_service is not None
            and spec.url is None
        )

    def _main_container(self, spec: AppSpec) -> AppProcess:
        """The app's own service for the first worker, which a kept stack keeps; others copy it."""
        state = self._stack.state
        keep = self._keeps_app
        shared = state.kept and not keep
        if state.compose is None or not self._run.first_worker or shared:
            return self.start(spec, name=self._run.worker)
        app = self._containers.start_main(
            spec,
            state.endpoints,
            name=f"{self._run.worker}-{state.run_id[-6:]}",
            port=state.compose.ports["APP_PORT"],
            fixed_port="app" in self._options.port,
        )
        app.reaches = self._network.endpoints_inside(state.endpoints)
        port = state.compose.ports["APP_PORT"]
        met = port == self._options.port.get("app", GUIDE_PORTS["app"])
        running = replace(app.left_running(), wish_met=met or not keep)
        for path in (self._run.state_path, *([Home(self._options.home).kept_path] if keep else [])):
            write_state(path, state.with_app(running))
        return app

    @cached_property
    def _network(self) -> Network:
        compose = self._stack.state.compose
        return Network.of({} if compose is None else compose.ports)

    @cached_property
    def _containers(self) -> AppContainers:
        state = self._stack.state
        if state.compose is None:
            raise ObsstackError("This stack does not run in containers.")
        return AppContainers(
            state.compose.compose,
            self._network,
            self._run.folder,
            timeout_s=self._options.start_timeout_s,
            probe=probe_url,
        )


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
