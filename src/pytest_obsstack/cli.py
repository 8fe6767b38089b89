"""``obsstack``: keep a stack running without pytest, look at it, end it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.evidence.summary import kept_lines
from pytest_obsstack.options import COMPONENTS, Options, parse_port
from pytest_obsstack.providers.home import Home, find_home
from pytest_obsstack.providers.locks import one_at_a_time
from pytest_obsstack.providers.state import StackState, read_state

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Run an observability stack for tests: up, down, status, logs.",
)

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", help="Folder of the kept stack; by default .obsstack of the project around here."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, tokens and keys included.")]


def main() -> None:
    """Entry point; errors of the product end with their text and exit status 1."""
    try:
        app()
    except ObsstackError as error:
        # Soft-wrapped: paths and URLs in a text stay whole, whatever the terminal's width.
        console = Console(stderr=True)
        console.print(escape(str(error)), style="red", highlight=False, soft_wrap=True)
        sys.exit(1)


@app.command()
def up(
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
    port: Annotated[
        list[str] | None,
        typer.Option(help="COMPONENT=PORT: a port that it must have. May be repeated."),
    ] = None,
    with_app: Annotated[
        bool, typer.Option("--app/--no-app", help="Start the guide's sample app, too.")
    ] = True,
) -> None:
    """Start the embedded stack and leave it running; if it runs already, say so."""
    from pytest_obsstack.providers.app import simple_app
    from pytest_obsstack.provision.session import Run, Session, end_stack

    place = Home(home or find_home(Path.cwd()))
    options = Options(keep_stack=True, home=place.path, port=_ports(port or []))
    session = Session(options, Run(place.new_run(), owner_pid=0))
    already = _kept(place)
    state = session.stack.state
    try:
        if with_app and not _app_runs(state):
            session.app(simple_app())
    except BaseException:
        # A stack that was there before the call stays; one that is of no use without its app, not.
        if already is None or not already.alive:
            end_stack(state)
            place.kept_path.unlink(missing_ok=True)
            place.release(state.folder.parent)
        raise
    finally:
        session.close()
    _print_state(_kept(place) or state, as_json=as_json)


@app.command()
def status(*, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show the stack that was left running; exit status 1 where there is none."""
    state = _running(Home(home or find_home(Path.cwd())))
    _print_state(state, as_json=as_json)


@app.command()
def down(*, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """End the stack that was left running; what arrived stays in the run's folder."""
    from pytest_obsstack.provision.session import end_stack

    place = Home(home or find_home(Path.cwd()))
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


@app.command()
def logs(
    component: Annotated[str, typer.Argument(help="sentry, collector, prometheus, loki or app.")],
    *,
    home: HomeOption = None,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Print the last log lines of a component of the running stack."""
    from pytest_obsstack.providers.process import tail

    if component not in COMPONENTS:
        raise typer.BadParameter(f"{component!r}; expected one of {', '.join(COMPONENTS)}")
    state = _running(Home(home or find_home(Path.cwd())))
    if component == "app":
        path = Path(state.app.log) if state.app and state.app.log else None
    else:
        path = state.folder / "embedded.log"
    if path is None:
        raise ObsstackError(
            "The app's log is not known.", expected="an app that was started with the stack"
        )
    found = tail(path, lines)
    if as_json:
        _print_json({"component": component, "lines": found})
    else:
        for line in found:
            typer.echo(line)


def _app_runs(state: StackState) -> bool:
    return state.app is not None and all(process.alive for process in state.app.processes)


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
    return state


def _ports(texts: list[str]) -> dict[str, int]:
    ports = {}
    for text in texts:
        try:
            component, port = parse_port(text)
        except ValueError as error:
            raise typer.BadParameter(f"--port {text}: {error}") from error
        ports[component] = port
    return ports


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


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))


def _say(value: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        _print_json(value)
    elif value["stopped"]:
        typer.echo(f"stopped; what arrived is in {value['folder']}")
    else:
        typer.echo(value["reason"])
