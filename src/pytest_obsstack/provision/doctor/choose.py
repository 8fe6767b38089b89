"""What is to be examined: the kept stack, servers that are named, or a DSN alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.options import Options, build_options
from pytest_obsstack.options.kinds import is_url
from pytest_obsstack.options.table import TABLE
from pytest_obsstack.providers.attach import named_endpoints
from pytest_obsstack.providers.home import Home
from pytest_obsstack.providers.state import StackState, read_state
from pytest_obsstack.provision.doctor.subject import Setup
from pytest_obsstack.wire.dsn import Dsn, InvalidDsn

_READ = (
    *("use", "allow_writes", "sentry_token", "sentry_organization"),
    *("sentry_project", "sentry_flavour", "sentry_dsn"),
)
"""The options of pytest that a diagnosis takes, too."""


@dataclass(frozen=True)
class Given:
    """What the command line says; ``None`` where it says nothing."""

    use: Sequence[str] = ()
    dsn: str | None = None
    allow_writes: bool = False
    organization: str | None = None
    project: str | None = None
    flavour: str | None = None


def choose(given: Given, home: Home, environ: Mapping[str, str]) -> Setup:
    """The setup by the command line, else by ``OBS_*``, else the kept stack, else SENTRY_DSN.

    Raises ``pytest.UsageError`` for a wrong option, and where there is nothing to examine;
    ``StackUnavailable`` where the kept stack has ended.
    """
    options = _options(given, environ)
    # An app is not examined: it is what the servers are there for.
    if options.use.keys() - {"app"}:
        return _attached(given, options, environ)
    kept = read_state(home.kept_path)
    if kept is not None and (given.dsn is None or _is_of(given.dsn, kept)):
        return _kept(kept, given, environ)
    dsn = given.dsn or options.sentry_dsn or environ.get("SENTRY_DSN")
    if dsn:
        return Setup("a DSN alone", Endpoints(), dsn, may_write=options.allow_writes)
    raise pytest.UsageError(
        "there is nothing to examine\n"
        "  expected  a stack that was left running (`obsstack up`), --use COMPONENT=URL, or --dsn\n"
        f"  found     no {home.kept_path}, no OBS_USE and no SENTRY_DSN"
    )


def _kept(state: StackState, given: Given, environ: Mapping[str, str]) -> Setup:
    sentry = state.endpoints.sentry
    compose = state.compose
    state.require_alive()
    own = None if sentry is None else sentry.dsn
    dsn = given.dsn or own
    return Setup(
        f"the kept {state.kind} stack, run {state.run_id}",
        state.endpoints,
        dsn,
        other_dsn=_other(environ, dsn),
        here=True,
        health_url=None if compose is None else compose.ready_urls.get("collector"),
    )


def _attached(given: Given, options: Options, environ: Mapping[str, str]) -> Setup:
    for name, url in options.use.items():
        _check_url(name, url)
    endpoints = _endpoints(options)
    names = ", ".join(name for name in options.use if name != "app")
    dsn = given.dsn or options.sentry_dsn or environ.get("SENTRY_DSN")
    if endpoints.sentry is not None and given.dsn is not None:
        endpoints = replace(endpoints, sentry=replace(endpoints.sentry, dsn=given.dsn))
    return Setup(
        f"servers that are named: {names}",
        endpoints,
        dsn,
        other_dsn=_other(environ, dsn),
        may_write=options.allow_writes,
    )


def _endpoints(options: Options) -> Endpoints:
    try:
        return named_endpoints(options)
    except pytest.UsageError as error:
        raise pytest.UsageError(_own_words(str(error))) from error


def _options(given: Given, environ: Mapping[str, str]) -> Options:
    """As pytest reads them, but from ``--use`` and its like, and from ``OBS_*`` alone."""
    texts: dict[str, list[str]] = {
        "use": list(given.use),
        "sentry_organization": _listed(given.organization),
        "sentry_project": _listed(given.project),
        "sentry_flavour": _listed(given.flavour),
    }
    values: dict[str, Any] = {option.name: option.default for option in TABLE}
    for option in TABLE:
        if option.name not in _READ:
            continue
        source = "--" + option.name.replace("_", "-")
        words = texts.get(option.name, [])
        if not words and option.variable in environ:
            source, text = option.variable, environ[option.variable]
            words = text.split() if option.kind == "list" else [text]
        parsed = [option.read(word, source) for word in words]
        if option.name == "use":
            # A word chooses what a run in containers starts; here it names no server.
            from_variable = source == option.variable
            values["use"] = tuple(
                (name, choice) for name, choice in parsed if is_url(choice) or not from_variable
            )
        elif parsed:
            values[option.name] = parsed[0]
    values["allow_writes"] = given.allow_writes or values["allow_writes"]
    values["stack"] = "attach"
    try:
        return build_options(values, Path.cwd(), ())
    except pytest.UsageError as error:
        raise pytest.UsageError(_own_words(str(error))) from error


def _check_url(name: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        sound = bool(httpx.URL(url).host) and parts.port != 0
    except (ValueError, httpx.InvalidURL):
        sound = False
    if not sound:
        # A password may stand before the "@".
        shown = url.rpartition("@")[2]
        raise pytest.UsageError(f"--use {name}=…: expected http(s)://HOST[:PORT], found {shown!r}")


def _own_words(text: str) -> str:
    return text.replace("with --obs-stack=attach", "of servers that run already").replace(
        "--obs-", "--"
    )


def _listed(value: str | None) -> list[str]:
    return [] if value is None else [value]


def _other(environ: Mapping[str, str], dsn: str | None) -> str | None:
    other = environ.get("SENTRY_DSN")
    return other if other and other != dsn else None


def _is_of(dsn: str, state: StackState) -> bool:
    """Whether a DSN, also a wrong one, is meant for the tracker of the kept stack."""
    sentry = state.endpoints.sentry
    if sentry is None:
        return False
    try:
        parsed = Dsn.parse(dsn)
    except InvalidDsn:
        return True
    own = urlsplit(sentry.url)
    return (parsed.host, parsed.port) == (own.hostname, own.port)
