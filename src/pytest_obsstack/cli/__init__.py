"""``obsstack``: keep a stack running without pytest, look at it, end it.

::

    lifetime    up, down
    look        status, logs
    doctor      doctor, send
    setup       sentry-setup
    common      what several of them take and print
"""

from __future__ import annotations

import sys

import pytest
import typer
from rich.console import Console
from rich.markup import escape

from pytest_obsstack.cli.doctor import doctor, send
from pytest_obsstack.cli.lifetime import down, up
from pytest_obsstack.cli.look import logs, status
from pytest_obsstack.cli.setup import sentry_setup
from pytest_obsstack.errors import ObsstackError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Run an observability stack for tests, look into it, and see whether telemetry arrives.",
)

app.command("sentry-setup")(sentry_setup)
for _command in (doctor, send, up, status, down, logs):
    app.command()(_command)


def main() -> None:
    """Entry point; an error of the product ends with its text and status 1, wrong use with 2."""
    try:
        app()
    except (ObsstackError, pytest.UsageError) as error:
        # Soft-wrapped: paths and URLs in a text stay whole, whatever the terminal's width.
        console = Console(stderr=True)
        console.print(escape(str(error)), style="red", highlight=False, soft_wrap=True)
        sys.exit(1 if isinstance(error, ObsstackError) else 2)
