"""``obsstack up`` and ``obsstack down``: leave a stack running, and end it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer

from pytest_obsstack.cli.common import HomeOption, JsonOption, home_of, print_json
from pytest_obsstack.cli.look import print_state
from pytest_obsstack.options import Options, build_options
from pytest_obsstack.options.table import TABLE, Option
from pytest_obsstack.providers.home import Home
from pytest_obsstack.providers.state import StackState, read_state

_BY_VARIABLE = (
    *("compose_command", "start_timeout", "timeout_factor"),
    *("sentry_token", "sentry_organization", "sentry_project", "sentry_flavour", "sentry_dsn"),
)
"""Options that ``up`` takes from the variables that pytest takes them from, too."""


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
    from pytest_obsstack.provision.ending import end_kept
    from pytest_obsstack.provision.kept_containers import app_runs
    from pytest_obsstack.provision.run import Run
    from pytest_obsstack.provision.session import Session

    place = home_of(home)
    options = _options(stack, use or [], port or [], compose_file or [], place)
    session = Session(options, Run(place.new_run(), owner_pid=0))
    session.tell = lambda text: typer.echo(text, err=True)
    if with_app and stack == "compose":
        session.compose_services = simple_app().compose_services()
    already = read_state(place.kept_path)
    state = session.stack.state
    try:
        if with_app and not app_runs(state):
            session.app(simple_app())
    except BaseException:
        # A stack that was there before the call stays; one that is of no use without its app, not.
        if already is None or already.run_id != state.run_id:
            end_kept(place, state)
        raise
    finally:
        session.close()
    print_state(read_state(place.kept_path) or state, as_json=as_json)


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
    from pytest_obsstack.provision.ending import end_kept

    place = home_of(home)
    if everything:
        _down_all(place, as_json=as_json)
        return
    state = read_state(place.kept_path)
    if state is None:
        _say({"stopped": False, "reason": "no stack was left running"}, as_json=as_json)
        return
    end_kept(place, state)
    _say({"stopped": True, "folder": str(state.folder)}, as_json=as_json)


def _down_all(place: Home, *, as_json: bool) -> None:
    """Remove the kept stack, and all projects of containers but those of runs still at work."""
    from pytest_obsstack.providers.compose.engine import find_engine
    from pytest_obsstack.providers.compose.leftovers import find_leftovers, remove
    from pytest_obsstack.provision.ending import end_kept

    state = read_state(place.kept_path)
    if state is not None:
        end_kept(place, state)
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
        print_json({"removed": removed, "left": stays})
        return
    for project in removed:
        typer.echo(f"removed {project}")
    for project, why in stays.items():
        typer.echo(f"left {project}: {why}")
    if not left and state is None:
        typer.echo("nothing was left")


def _name(state: StackState) -> str:
    return "the embedded stack" if state.compose is None else state.compose.compose.project


def _say(value: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(value)
    elif value["stopped"]:
        typer.echo(f"stopped; what arrived is in {value['folder']}")
    else:
        typer.echo(value["reason"])


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
        return option.read(text, option.variable)
    except pytest.UsageError as error:
        raise typer.BadParameter(str(error)) from error


def _parsed(option: Option, text: str) -> Any:
    try:
        return option.parse(text)
    except ValueError as error:
        raise typer.BadParameter(f"--{option.name} {text}: {error}") from error
