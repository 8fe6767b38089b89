"""Ending what runs: a stack with its app, whoever has started it, and the stack of a run."""

from __future__ import annotations

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.providers.compose.command import ComposeFailed
from pytest_obsstack.providers.compose.failures import save_logs
from pytest_obsstack.providers.compose.launch import take_down
from pytest_obsstack.providers.home import Home
from pytest_obsstack.providers.locks import one_at_a_time
from pytest_obsstack.providers.state import RunningApp, StackState, read_state
from pytest_obsstack.provision.run import Run

_STOP_TIMEOUT_S = 10.0


def end_stack(state: StackState) -> bool:
    """End the stack's processes or containers, its app included; True when all are gone.

    Raises ``ObsstackError`` where Compose cannot remove the containers.
    """
    gone = True
    if state.app is not None:
        gone = end_app(state.app)
    if state.compose is not None:
        _remove_containers(state)
        return gone
    if state.process is not None:
        gone = state.process.stop(_STOP_TIMEOUT_S) and gone
    return gone


def end_kept(home: Home, state: StackState) -> None:
    """End the kept stack and forget it; its run's folder may be cleared away from now on.

    Raises ``ObsstackError`` where it does not end: then it stays known, for another attempt.
    """
    with one_at_a_time(home.kept_lock_path):
        if not end_stack(state):
            raise ObsstackError(
                "The stack did not end.",
                expected=f"its processes end within {_STOP_TIMEOUT_S:g} s of SIGTERM",
                found=f"process {state.process.pid if state.process else '?'} is still there",
                advice="end it by hand, then run `obsstack down` again",
            )
        home.kept_path.unlink(missing_ok=True)
        home.release(state.folder.parent)


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
        raise ObsstackError(
            "The containers of the stack could not be removed.",
            expected=f"`{' '.join(compose.down_command())}` succeeds",
            found=failed.found,
            advice="run that command once the engine answers, or `obsstack down --all`",
            log_lines=failed.last_lines,
        ) from None


def end_app(app: RunningApp) -> bool:
    """End the processes of an app and of the services that it calls; True when all are gone."""
    for process in app.processes:
        process.ask_to_stop()
    ended = [process.stop(_STOP_TIMEOUT_S) for process in app.processes]
    return all(ended)
