"""One pytest process' view of the run: opens the stack once for all workers, runs the app.

Works without pytest, so the command line opens and ends stacks by the same code.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.options import Options
from pytest_obsstack.options.kinds import is_url
from pytest_obsstack.providers import attach
from pytest_obsstack.providers.app import AppProcess
from pytest_obsstack.providers.app_spec import AppSpec
from pytest_obsstack.providers.compose.project import DEFAULT_TRACKER
from pytest_obsstack.providers.home import Home
from pytest_obsstack.providers.locks import one_at_a_time
from pytest_obsstack.providers.stack import Stack
from pytest_obsstack.providers.state import StackState, read_state, write_state
from pytest_obsstack.provision.abilities import capabilities_of, tracker_capabilities
from pytest_obsstack.provision.apps import Apps
from pytest_obsstack.provision.containers import Wanted, open_containers
from pytest_obsstack.provision.embedded_stack import open_embedded
from pytest_obsstack.provision.ending import end_stack
from pytest_obsstack.provision.failed_start import recall, remember
from pytest_obsstack.provision.kept_containers import ended_by_hand, has_ended
from pytest_obsstack.provision.names import Settings
from pytest_obsstack.provision.run import Run


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
                    self._check_named_tracker()
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

    def _check_named_tracker(self) -> None:
        """What is wrong with a tracker at a URL is told before anything starts."""
        sentry = attach.named_endpoints(self.options).sentry
        if sentry is not None:
            from pytest_obsstack.provision.asked_project import require_own_dsn

            require_own_dsn(sentry)

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
        return open_embedded(
            self.options,
            self.settings,
            self._stack_folder(),
            run_id=self.run.folder.name,
            owner_pid=os.getpid() if keep else self.run.owner_pid,
            keep=keep,
        )

    def app(self, spec: AppSpec) -> AppProcess:
        """The app of this worker: the running one of an attached stack, else started now."""
        return self._apps.main(spec)

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
        return self._apps.start(spec, name=name, port=port, endpoints=endpoints)

    def close(self) -> None:
        """End what this process started for itself: its app, its connections."""
        if "_apps" in self.__dict__:
            self._apps.close()
            del self._apps
        if self._stack is not None:
            self._stack.close()

    @cached_property
    def _apps(self) -> Apps:
        return Apps(self.options, self.run, self.stack)


def _tracker(options: Options) -> str | None:
    choice = options.use.get("sentry", DEFAULT_TRACKER)
    return None if options.stack != "compose" or is_url(choice) else choice


def _silent(_text: str) -> None:
    """Nobody is told."""
