"""``obsstack doctor`` and ``obsstack send``: does telemetry arrive, without a test and an app."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pytest
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pytest_obsstack.cli.common import HomeOption, home_of

if TYPE_CHECKING:
    from pytest_obsstack.provision.doctor.choose import Given
    from pytest_obsstack.provision.doctor.finding import Finding, Report
    from pytest_obsstack.provision.doctor.sending import SentEvent
    from pytest_obsstack.provision.doctor.subject import Subject

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "skipped": "dim"}

DsnOption = Annotated[
    str | None,
    typer.Option(
        "--dsn", help="By default that of the stack, else SENTRY_DSN. Arguments can be seen."
    ),
]
UseOption = Annotated[
    list[str] | None,
    typer.Option(
        "--use",
        metavar="COMPONENT=URL",
        help="A server, as --obs-use of pytest; by default OBS_USE, else the kept stack. May be "
        "repeated. An error tracker needs OBS_SENTRY_TOKEN, too.",
    ),
]
OrganizationOption = Annotated[
    str | None,
    typer.Option("--sentry-organization", help="Slug; or OBS_SENTRY_ORGANIZATION."),
]
ProjectOption = Annotated[
    str | None, typer.Option("--sentry-project", help="Slug; or OBS_SENTRY_PROJECT.")
]
FlavourOption = Annotated[
    str | None,
    typer.Option(
        "--sentry-flavour", help="sentry, glitchtip, bugsink or embedded; or OBS_SENTRY_FLAVOUR."
    ),
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=0.1, help="Seconds to look for each thing that was sent.")
]


def doctor(
    *,
    home: HomeOption = None,
    use: UseOption = None,
    dsn: DsnOption = None,
    organization: OrganizationOption = None,
    project: ProjectOption = None,
    flavour: FlavourOption = None,
    allow_writes: Annotated[
        bool,
        typer.Option(
            "--allow-writes",
            help="Send a canary of each signal to servers that `obsstack up` did not start.",
        ),
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="CHECK", help="This check alone. May be repeated."),
    ] = None,
    timeout_s: TimeoutOption = 10.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; it holds no secrets.")
    ] = False,
) -> None:
    """Check that each signal arrives, hop by hop; exit status 1 where one does not.

    Looks at the kept stack, at servers that are named, or at a DSN alone.
    """
    from pytest_obsstack.provision.doctor.checks import NAMES, examine
    from pytest_obsstack.provision.doctor.choose import Given

    wanted = only or []
    for name in wanted:
        if name not in NAMES:
            raise typer.BadParameter(f"--only {name}: expected one of {', '.join(NAMES)}")
    given = Given(
        use=use or [],
        dsn=dsn,
        allow_writes=allow_writes,
        organization=organization,
        project=project,
        flavour=flavour,
    )
    with _subject(given, home, timeout_s) as subject, _progress() as tell:
        report = examine(subject, wanted, tell=tell)
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2, ensure_ascii=False))
    else:
        print_report(report, Console())
    raise typer.Exit(report.exit_status)


def send(
    *,
    home: HomeOption = None,
    use: UseOption = None,
    dsn: DsnOption = None,
    organization: OrganizationOption = None,
    project: ProjectOption = None,
    flavour: FlavourOption = None,
    message: Annotated[
        str, typer.Option(help="The event's message.")
    ] = "A test event of obsstack send",
    level: Annotated[str, typer.Option(help="fatal, error, warning, info or debug.")] = "error",
    timeout_s: TimeoutOption = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Send one test event; exit status 1 where it is refused or does not arrive."""
    from pytest_obsstack.provision.doctor.choose import Given
    from pytest_obsstack.provision.doctor.sending import LEVELS, send_event

    if level not in LEVELS:
        raise typer.BadParameter(f"--level {level}: expected one of {', '.join(LEVELS)}")
    given = Given(
        use=use or [], dsn=dsn, organization=organization, project=project, flavour=flavour
    )
    with _subject(given, home, timeout_s) as subject:
        sent = send_event(subject, message=message, level=level)
    if as_json:
        typer.echo(json.dumps(sent.to_json(), indent=2, ensure_ascii=False))
    else:
        _print_sent(sent)
    raise typer.Exit(sent.exit_status)


@contextlib.contextmanager
def _subject(given: Given, home: Path | None, timeout_s: float) -> Iterator[Subject]:
    from pytest_obsstack.provision.doctor.choose import choose
    from pytest_obsstack.provision.doctor.subject import Subject

    try:
        setup = choose(given, home_of(home), os.environ)
    except pytest.UsageError as error:
        raise typer.BadParameter(str(error)) from error
    subject = Subject(setup, timeout_s=timeout_s)
    try:
        yield subject
    finally:
        subject.close()


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Shows what is being checked, on a terminal; nothing of it stays."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("") as status:
        yield lambda name: status.update(f"checking {name}")


def print_report(report: Report, console: Console) -> None:
    """The rows as a table; what to do stands below what was found."""
    table = Table(box=None, pad_edge=False, show_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("check", no_wrap=True)
    table.add_column("found", overflow="fold")
    for finding in report.findings:
        status = finding.outcome.status
        table.add_row(Text(status, _STYLES[status]), finding.label, _told(finding))
    console.print(Text(f"obsstack doctor: {report.subject}"), soft_wrap=True)
    console.print()
    console.print(table)
    console.print()
    counts = report.counts
    summary = ", ".join(f"{counts[status]} {word}" for status, word in _WORDS.items())
    console.print(Text(summary, "bold red" if report.exit_status else ""))


_WORDS = {"ok": "ok", "warn": "to look at", "fail": "failed", "skipped": "skipped"}


def _told(finding: Finding) -> Text:
    outcome = finding.outcome
    text = Text(outcome.found)
    if outcome.took_s is not None and outcome.status == "ok":
        text.append(f", {_shown_time(outcome.took_s)}")
    if outcome.hop is not None:
        text.append(f"\nstops at: {outcome.hop}")
    if outcome.do is not None:
        text.append(f"\ndo: {outcome.do}")
    return text


def _shown_time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _print_sent(sent: SentEvent) -> None:
    outcome = sent.outcome
    took = "" if outcome.took_s is None else f", {_shown_time(outcome.took_s)}"
    lines = [
        ("sent to", sent.dsn),
        ("event id", sent.event_id),
        ("trace id", sent.trace_id),
        ("result", f"{outcome.found}{took}"),
        ("do", outcome.do),
        ("link", sent.link),
    ]
    for name, value in lines:
        if value is not None:
            typer.echo(f"{name:<10}{value}")
