"""Whether a stack of containers that was left running is still there, whole or in part."""

from __future__ import annotations

from pytest_obsstack.errors import ObsstackError, StackUnavailable
from pytest_obsstack.providers.compose.command import ComposeFailed, reason
from pytest_obsstack.providers.compose.launch import missing_services
from pytest_obsstack.providers.compose.project import PARTS
from pytest_obsstack.providers.state import ComposeState, StackState


def has_ended(state: StackState) -> bool:
    """Whether nothing of a stack runs any more, though containers that ended may be there.

    Raises ``StackUnavailable`` where the engine does not tell.
    """
    if state.compose is None:
        return not state.alive
    services = _services(state.compose)
    return len(_missing(state.compose)) == len(services)


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
