"""``obsstack``: keep a stack running without pytest, look at it, end it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pytest_obsstack.cli_doctor import doctor, send
from pytest_obsstack.cli_setup import sentry_setup
from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.evidence.summary import kept_lines
from pytest_obsstack.options import STARTED, TABLE, Option, Options, build_options
from pytest_obsstack.providers.home import Home, find_home
from pytest_obsstack.providers.locks import one_at_a_time
from pytest_obsstack.providers.state import ComposeState, StackState, read_state

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Run an observability stack for tests, look into it, and see whether telemetry arrives.",
)

app.command("sentry-setup")(sentry_setup)
app.command()(doctor)
app.command()(send)

_BY_VARIABLE = (
    *("compose_command", "start_timeout", "timeout_factor"),
    *("sentry_token", "sentry_organization", "sentry_project", "sentry_flavour", "sentry_dsn"),
)
"""Options that ``up`` takes from the variables that pytest takes them from, too."""

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", help="Folder of the kept stack; by default .obsstack of the project around here."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, tokens and keys included.")]


def main() -> None:
    """Entry point; an error of the product ends with its text and status 1, wrong use with 2."""
    try:
        app()
    except (ObsstackError, pytest.UsageError) as error:
        # Soft-wrapped: paths and URLs in a text stay whole, whatever the terminal's width.
        console = Console(stderr=True)
        console.print(escape(str(error)), style="red", highlight=False, soft_wrap=True)
        sys.exit(1 if isinstance(error, ObsstackError) else 2)


@app.command()
def up(
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
    stack: Annotated[str, typer.Option(help="embedded, or compose for containers.")] = "embedded",
    use: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COMPONENT=CHOICE-or-URL", help="As --obs-use of pytest. May be repeated."
        ),
    ] = None,
    port: Annotated[
        list[str] | None,
        typer.Option(metavar="COMPONENT=PORT", help="A port that it must have. May be repeated."),
    ] = None,
    compose_file: Annotated[
        list[Path] | None,
        typer.Option(help="A compose file laid over the stack's own. May be repeated."),
    ] = None,
    with_app: Annotated[
        bool, typer.Option("--app/--no-app", help="Start the guide's sample app, too.")
    ] = True,
) -> None:
    """Start a stack and leave it running; if it runs already, say so.

    OBS_COMPOSE_COMMAND, OBS_START_TIMEOUT and OBS_SENTRY_… count as they do for pytest.
    """
    from pytest_obsstack.providers.app_spec import simple_app
    from pytest_obsstack.provision.ending import end_stack
    from pytest_obsstack.provision.kept_containers import app_runs
    from pytest_obsstack.provision.run import Run
    from pytest_obsstack.provision.session import Session

    place = Home(home or find_home(Path.cwd()))
    options = _options(stack, use or [], port or [], compose_file or [], place)
    session = Session(options, Run(place.new_run(), owner_pid=0))
    session.tell = lambda text: typer.echo(text, err=True)
    if with_app and stack == "compose":
        session.compose_services = simple_app().compose_services()
    already = _kept(place)
    state = session.stack.state
    try:
        if with_app and not app_runs(state):
            session.app(simple_app())
    except BaseException:
        # A stack that was there before the call stays; one that is of no use without its app, not.
        if already is None or already.run_id != state.run_id:
            end_stack(state)
            place.kept_path.unlink(missing_ok=True)
            place.release(state.folder.parent)
        raise
    finally:
        session.close()
    _print_state(_kept(place) or state, as_json=as_json)


def _options(
    stack: str, use: list[str], port: list[str], compose_file: list[Path], place: Home
) -> Options:
    """The options of ``up``, checked as those of pytest are."""
    texts: dict[str, list[str]] = {"stack": [stack], "use": use, "port": port}
    values: dict[str, Any] = {option.name: _surrounding(option) for option in TABLE}
    for option in TABLE:
        parsed = [_parsed(option, text) for text in texts.get(option.name, ())]
        if option.kind == "list":
            values[option.name] = tuple(parsed)
        elif parsed:
            values[option.name] = parsed[0]
    values |= {
        "keep_stack": True,
        "home": str(place.path.resolve()),
        "compose_file": [str(path.resolve()) for path in compose_file],
    }
    try:
        return build_options(values, Path.cwd(), ())
    except pytest.UsageError as error:
        raise typer.BadParameter(str(error).replace("--obs-", "--")) from error


def _surrounding(option: Option) -> Any:
    """The value of an option's variable, of those that have no flag here; else the default."""
    text = os.environ.get(option.variable)
    if text is None or option.name not in _BY_VARIABLE:
        return option.default
    try:
        return option.parse(text)
    except ValueError as error:
        shown = "(hidden)" if option.secret else repr(text)
        raise typer.BadParameter(f"{option.variable}: {error}; found {shown}") from error


def _parsed(option: Option, text: str) -> Any:
    try:
        return option.parse(text)
    except ValueError as error:
        raise typer.BadParameter(f"--{option.name} {text}: {error}") from error


@app.command()
def status(*, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show the stack that was left running; exit status 1 where there is none."""
    state = _running(Home(home or find_home(Path.cwd())))
    _print_state(state, as_json=as_json)


@app.command()
def down(
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Remove every stack of containers that this package has left on the machine.",
        ),
    ] = False,
) -> None:
    """End the stack that was left running; what arrived stays in the run's folder."""
    from pytest_obsstack.provision.ending import end_stack

    place = Home(home or find_home(Path.cwd()))
    if everything:
        _down_all(place, as_json=as_json)
        return
    state = _kept(place)
    if state is None:
        _say({"stopped": False, "reason": "no stack was left running"}, as_json=as_json)
        return
    with one_at_a_time(place.kept_lock_path):
        gone = end_stack(state)
        if not gone:
            raise ObsstackError(
                "The stack did not end.",
                expected="its processes end within 10 s of SIGTERM",
                found=f"process {state.process.pid if state.process else '?'} is still there",
                advice="end it by hand, then run `obsstack down` again",
            )
        place.kept_path.unlink(missing_ok=True)
        place.release(state.folder.parent)
    _say({"stopped": True, "folder": str(state.folder)}, as_json=as_json)


def _down_all(place: Home, *, as_json: bool) -> None:
    """Remove the kept stack, and all projects of containers but those of runs still at work."""
    from pytest_obsstack.providers.compose.engine import find_engine
    from pytest_obsstack.providers.compose.leftovers import find_leftovers, remove
    from pytest_obsstack.provision.ending import end_stack

    state = _kept(place)
    if state is not None:
        with one_at_a_time(place.kept_lock_path):
            end_stack(state)
            place.kept_path.unlink(missing_ok=True)
            place.release(state.folder.parent)
    engine = find_engine(os.environ.get("OBS_COMPOSE_COMMAND"))
    left = find_leftovers(engine)
    stays = {leftover.project: leftover.stays for leftover in left if leftover.stays}
    removed = []
    for leftover in left:
        if not leftover.stays:
            remove(engine, leftover)
            removed.append(leftover.project)
    if state is not None:
        removed.insert(0, _name(state))
    if as_json:
        _print_json({"removed": removed, "left": stays})
        return
    for project in removed:
        typer.echo(f"removed {project}")
    for project, why in stays.items():
        typer.echo(f"left {project}: {why}")
    if not left and state is None:
        typer.echo("nothing was left")


def _name(state: StackState) -> str:
    return "the embedded stack" if state.compose is None else state.compose.compose.project


@app.command()
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
    place = Home(home or find_home(Path.cwd()))
    known = STARTED["embedded"]
    kept = _kept(place)
    if (kept is None or kept.compose is None) and component not in known:
        raise typer.BadParameter(f"{component!r}; expected one of {', '.join(known)}")
    state = _running(place)
    found = _log_of(state, component, lines)
    if as_json:
        _print_json({"component": component, "lines": found})
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


def _kept(place: Home) -> StackState | None:
    return read_state(place.kept_path)


def _running(place: Home) -> StackState:
    state = _kept(place)
    if state is None:
        raise ObsstackError(
            "No stack is running.",
            expected=f"a stack that was left running, in {place.kept_path}",
            found="no such file",
            advice="`obsstack up` starts one",
        )
    if not state.alive:
        raise ObsstackError(
            "The stack has ended.",
            expected=f"process {state.process.pid if state.process else '?'} runs",
            found="it does not",
            advice="`obsstack down` clears it away, `obsstack up` starts a new one",
        )
    if state.compose is not None:
        from pytest_obsstack.provision.kept_containers import ended_by_hand

        broken = ended_by_hand(state)
        if broken is not None:
            raise broken
    return state


def _print_state(state: StackState, *, as_json: bool) -> None:
    if as_json:
        _print_json(described(state))
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


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))


def _say(value: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        _print_json(value)
    elif value["stopped"]:
        typer.echo(f"stopped; what arrived is in {value['folder']}")
    else:
        typer.echo(value["reason"])
