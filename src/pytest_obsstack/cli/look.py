"""``obsstack status`` and ``obsstack logs``: look at the stack that was left running."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pytest_obsstack.cli.common import HomeOption, JsonOption, home_of, print_json
from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.evidence.summary import kept_lines
from pytest_obsstack.options.kinds import STARTED
from pytest_obsstack.providers.home import Home
from pytest_obsstack.providers.state import ComposeState, StackState, read_state


def status(*, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show the stack that was left running; exit status 1 where there is none."""
    state = running_stack(home_of(home))
    print_state(state, as_json=as_json)


def logs(
    component: Annotated[
        str,
        typer.Argument(
            help="sentry, collector, prometheus, loki or app; of containers also any service."
        ),
    ],
    *,
    home: HomeOption = None,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Print the last log lines of a component of the running stack."""
    place = home_of(home)
    known = STARTED["embedded"]
    kept = read_state(place.kept_path)
    if (kept is None or kept.compose is None) and component not in known:
        raise typer.BadParameter(f"{component!r}; expected one of {', '.join(known)}")
    state = running_stack(place)
    found = _log_of(state, component, lines)
    if as_json:
        print_json({"component": component, "lines": found})
    else:
        for line in found:
            typer.echo(line)


def _log_of(state: StackState, component: str, lines: int) -> list[str]:
    from pytest_obsstack.providers.process import tail

    if state.compose is not None:
        from pytest_obsstack.providers.compose.control import ComposeControl

        # It names the services that there are for one that there is not.
        return ComposeControl(state.compose, 0.0).logs(component, lines)
    if component != "app":
        return tail(state.folder / "embedded.log", lines)
    if state.app is None or state.app.log is None:
        raise ObsstackError(
            "The app's log is not known.", expected="an app that was started with the stack"
        )
    return tail(Path(state.app.log), lines)


def running_stack(place: Home) -> StackState:
    state = read_state(place.kept_path)
    if state is None:
        raise ObsstackError(
            "No stack is running.",
            expected=f"a stack that was left running, in {place.kept_path}",
            found="no such file",
            advice="`obsstack up` starts one",
        )
    state.require_alive()
    if state.compose is not None:
        from pytest_obsstack.provision.kept_containers import ended_by_hand

        broken = ended_by_hand(state)
        if broken is not None:
            raise broken
    return state


def print_state(state: StackState, *, as_json: bool) -> None:
    if as_json:
        print_json(described(state))
        return
    console = Console()
    table = Table(
        title=f"obsstack: {state.kind} stack, run {state.run_id}", box=None, title_justify="left"
    )
    for column in ("component", "URL", "version", "stands in for"):
        # A URL that is cut cannot be copied.
        table.add_column(column, no_wrap=column == "URL")
    for name, product in state.products.items():
        table.add_row(name, product.url, product.version, product.stands_in_for or "")
    if state.app is not None:
        table.add_row("app", state.app.url, state.app.service, "")
    console.print(table)
    for line in kept_lines(state):
        console.print(escape(line), highlight=False, soft_wrap=True)


def described(state: StackState) -> dict[str, Any]:
    """Every endpoint, key and token, as ``--json`` prints them."""
    endpoints: Endpoints = state.endpoints
    return {
        "kind": state.kind,
        "run_id": state.run_id,
        "folder": str(state.folder),
        "ready_after_s": round(state.ready_after_s, 3),
        "containers": None if state.compose is None else _containers(state.compose),
        "pid": None if state.process is None else state.process.pid,
        "endpoints": endpoints.to_json(),
        "products": {
            name: {
                "url": product.url,
                "version": product.version,
                "stands_in_for": product.stands_in_for,
                "usual_port": product.wish_met,
            }
            for name, product in state.products.items()
        },
        "app": None
        if state.app is None
        else {
            "url": state.app.url,
            "service": state.app.service,
            "instance": state.app.instance,
            "usual_port": state.app.wish_met,
        },
    }


def _containers(compose: ComposeState) -> dict[str, Any]:
    return {
        "project": compose.compose.project,
        "tracker": compose.tracker,
        "command": list(compose.compose.words),
        "files": list(compose.compose.files),
        "variables": list(compose.compose.env_files),
    }
