"""What several commands take and print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from pytest_obsstack.providers.home import Home, find_home

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", help="Folder of the kept stack; by default .obsstack of the project around here."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, tokens and keys included.")]


def home_of(path: Path | None) -> Home:
    """The folder that is named, else that of the project around here."""
    return Home(path or find_home(Path.cwd()))


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))
