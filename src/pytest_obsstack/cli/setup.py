"""``obsstack sentry-setup``: a project that can be reported to, in a tracker that runs already."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from pytest_obsstack.endpoints import TrackerFlavour

_FLAVOURS = {
    "sentry": "sentry",
    "glitchtip": "glitchtip",
    "bugsink": "bugsink",
    "lite": "embedded",
    "embedded": "embedded",
}


def sentry_setup(
    *,
    url: Annotated[str, typer.Option(help="Where the tracker answers.")],
    flavour: Annotated[
        str, typer.Option(help="sentry (also sentry.io), glitchtip, bugsink or lite.")
    ] = "sentry",
    email: Annotated[
        str | None,
        typer.Option(help="User who makes a token; its password is read from the environment."),
    ] = None,
    password: Annotated[
        str | None,
        typer.Option(
            envvar="SENTRY_ADMIN_PASSWORD", help="Better as the variable: arguments can be seen."
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="SENTRY_API_TOKEN",
            help="A token that exists already. Better as the variable: arguments can be seen.",
        ),
    ] = None,
    organization: Annotated[str, typer.Option(help="Slug.")] = "obsstack",
    team: Annotated[str, typer.Option(help="Slug.")] = "obsstack",
    project: Annotated[str, typer.Option(help="Slug.")] = "simple-app",
    platform: Annotated[str, typer.Option()] = "python-flask",
    dsn_host: Annotated[
        str | None,
        typer.Option(
            metavar="HOST[:PORT]", help="How the app reaches the tracker, if otherwise than here."
        ),
    ] = None,
    write_env: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write SENTRY_DSN and what the collector needs into this file (mode 0600).",
        ),
    ] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", help="Seconds for the tracker to become healthy.")
    ] = 120.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, token and DSN included.")
    ] = False,
) -> None:
    """Create user, organisation, team, project and key without a person; again, it changes nothing.

    Works with GlitchTip, Bugsink, the image lite and a running self-hosted Sentry.
    """
    from pytest_obsstack.provision.dsn_env import dsn_variables, write_dsn_env
    from pytest_obsstack.provision.tracker_setup import set_up_tracker

    if flavour not in _FLAVOURS:
        raise typer.BadParameter(f"--flavour {flavour}: expected one of {', '.join(_FLAVOURS)}")
    found = set_up_tracker(
        cast("TrackerFlavour", _FLAVOURS[flavour]),
        url,
        email=email or os.environ.get("SENTRY_ADMIN_EMAIL"),
        password=password,
        token=token,
        organization=organization,
        team=team,
        project=project,
        platform=platform,
        timeout_s=timeout_s,
    )
    variables = dsn_variables(found, dsn_host=dsn_host)
    if write_env is not None:
        write_dsn_env(write_env, found, dsn_host=dsn_host)
    told: dict[str, Any] = {
        "url": url.rstrip("/"),
        "organization": found.organization,
        "project": found.project,
        "project_id": found.project_id,
        "dsn": variables["SENTRY_DSN"],
        "token": found.token,
        "otlp_traces_url": variables.get("SENTRY_OTLP_TRACES_ENDPOINT"),
    }
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    for name in ("organization", "project", "dsn"):
        typer.echo(f"{name:<14}{told[name]}")
    if write_env is not None:
        typer.echo(f"{'written to':<14}{write_env}")
