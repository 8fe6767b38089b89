"""Using a stack that somebody else started: nothing is started, nothing is ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from pytest_obsstack.endpoints import (
    CollectorEndpoint,
    Endpoints,
    GrafanaEndpoint,
    LokiEndpoint,
    PrometheusEndpoint,
    SentryEndpoint,
    TempoEndpoint,
)
from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.options import Options
from pytest_obsstack.options.kinds import is_url
from pytest_obsstack.providers.capabilities import NEEDS_CONTROL, NEEDS_WRITES
from pytest_obsstack.providers.home import Home
from pytest_obsstack.providers.state import ProductState, RunningApp, StackState, read_state

_BY_COMPONENT = {
    "collector": frozenset({"otlp_traces"}),
    "prometheus": frozenset({"metrics", "exemplars"}),
    "loki": frozenset({"logs"}),
    "tempo": frozenset({"spans"}),
    "grafana": frozenset({"grafana"}),
}


def attach(options: Options, folder: Path) -> StackState:
    """The state of the stack that the options name, else of the kept one.

    Raises ``pytest.UsageError`` where neither is given, and ``StackUnavailable`` where the kept
    stack has ended.
    """
    if not options.use:
        return _kept(options)
    endpoints = named_endpoints(options)
    app_url = options.use.get("app")
    urls = {name: url for name, url in options.use.items() if name != "app"}
    return StackState(
        kind="attach",
        run_id=folder.name,
        folder=folder,
        endpoints=endpoints,
        products={name: ProductState(url, version="unknown") for name, url in urls.items()},
        ready_after_s=0.0,
        app=None if app_url is None else RunningApp(app_url, instance="", service=""),
    )


def capabilities(
    options: Options,
    state: StackState,
    own: frozenset[str],
    *,
    tracker: frozenset[str],
    alone: bool,
) -> frozenset[str]:
    """What an attached stack can show; ``alone`` means that no other worker uses it.

    ``own`` is what the stack could show to the run that started it, where this package did, and
    ``tracker`` what error trackers of its kind can show, where there is one.
    """
    if own:
        result = own - {"app_control"}
        if not alone:
            result -= {"exact_metrics"}
    else:
        have = state.endpoints.to_json()
        parts = (named for name, named in _BY_COMPONENT.items() if have.get(name) is not None)
        result = tracker.union(*parts)
        if options.allow_writes:
            result |= {"writes"}
    return result if options.allow_writes else result - NEEDS_WRITES - NEEDS_CONTROL


def _kept(options: Options) -> StackState:
    path = Home(options.home).kept_path
    state = read_state(path)
    if state is None:
        raise pytest.UsageError(
            "--obs-stack=attach: there is no stack to attach to\n"
            "  expected  --obs-use COMPONENT=URL for each component, or a stack that was left "
            "running by `obsstack up` or --obs-keep-stack\n"
            f"  found     no --obs-use, and no {path}"
        )
    if not state.alive:
        raise StackUnavailable(
            "The kept stack has ended.",
            expected=f"the process of {path} runs",
            found=f"no process {state.process.pid if state.process else '?'} of that start time",
            advice="`obsstack down` clears it away, `obsstack up` starts a new one",
        )
    return replace(state, kind="attach")


def named_endpoints(options: Options) -> Endpoints:
    """The servers that ``--obs-use COMPONENT=URL`` names; ``None`` for the others."""
    use = {name: choice for name, choice in options.use.items() if is_url(choice)}
    sentry = None
    if "sentry" in use:
        sentry = SentryEndpoint(
            url=use["sentry"].rstrip("/"),
            token=options.sentry_token,
            organization=options.sentry_organization,
            project=options.sentry_project,
            dsn=options.sentry_dsn,
            flavour=options.sentry_flavour,
        )
        missing = [
            name
            for name, value in (
                ("OBS_SENTRY_TOKEN", options.sentry_token),
                ("--obs-sentry-organization", options.sentry_organization),
                ("--obs-sentry-project", options.sentry_project),
            )
            # Bugsink has no organisations.
            if value is None
            and not (options.sentry_flavour == "bugsink" and "organization" in name)
        ]
        if missing:
            raise pytest.UsageError(
                f"--obs-use sentry={use['sentry']}: an attached Sentry needs {', '.join(missing)}"
            )
    return Endpoints(
        sentry=sentry,
        collector=(CollectorEndpoint(use["collector"].rstrip("/")) if "collector" in use else None),
        prometheus=(
            PrometheusEndpoint(use["prometheus"].rstrip("/")) if "prometheus" in use else None
        ),
        loki=LokiEndpoint(use["loki"].rstrip("/")) if "loki" in use else None,
        tempo=TempoEndpoint(use["tempo"].rstrip("/")) if "tempo" in use else None,
        grafana=_grafana(use["grafana"]) if "grafana" in use else None,
    )


def _grafana(url: str) -> GrafanaEndpoint:
    """Whom to log in as stands in the URL: ``https://user:password@host``."""
    parts = urlsplit(url.rstrip("/"))
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    if parts.username is None:
        return GrafanaEndpoint(bare)
    password = None if parts.password is None else unquote(parts.password)
    return GrafanaEndpoint(bare, unquote(parts.username), password)
