"""The table of options: one row yields the flag, the ini key and the environment variable."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import pytest

from pytest_obsstack.options.kinds import COMPONENTS, StackKind


# Named tuples rather than dataclasses: those compile their methods when they are defined, which
# every pytest run would pay for, also one that does not use the stack.
class Option(NamedTuple):
    """One option: ``name`` gives ``--obs-name``, ini key ``obs_name`` and ``OBS_NAME``."""

    name: str
    help: str
    default: Any
    parse: Callable[[str], Any]
    kind: Literal["value", "flag", "list"] = "value"
    metavar: str | None = None
    secret: bool = False

    @property
    def flag(self) -> str:
        return "--obs-" + self.name.replace("_", "-")

    @property
    def ini(self) -> str:
        return "obs_" + self.name

    @property
    def variable(self) -> str:
        return "OBS_" + self.name.upper()

    def read(self, text: str, source: str) -> Any:
        """The value that ``text`` stands for.

        Raises ``pytest.UsageError`` that names the source, what was expected and what was found,
        but for a secret.
        """
        try:
            return self.parse(text)
        except ValueError as error:
            shown = "(hidden)" if self.secret else repr(text)
            raise pytest.UsageError(f"{source}: {error}; found {shown}") from error


def _kind(text: str) -> str:
    known = get_args(StackKind)
    if text not in known:
        raise ValueError(f"expected one of {', '.join(known)}")
    return text


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (0 < value < math.inf):
        raise ValueError("expected a number greater than 0")
    return value


def _percent(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 100:
        raise ValueError("expected a percentage from 0 to 100")
    return value


def _switch(text: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False, "": False}
    if text.lower() not in words:
        raise ValueError("expected one of true, false, yes, no, on, off, 1, 0")
    return words[text.lower()]


def _pair(text: str, expected: str = "COMPONENT=CHOICE or COMPONENT=URL") -> tuple[str, str]:
    component, separator, value = text.partition("=")
    if not separator or not value:
        raise ValueError(f"expected {expected}")
    if component not in COMPONENTS:
        raise ValueError(f"no component {component!r}; there are {', '.join(COMPONENTS)}")
    return component, value


def parse_port(text: str) -> tuple[str, int]:
    """The component and the port in ``COMPONENT=PORT``; ``ValueError`` says what was expected."""
    expected = "COMPONENT=PORT with a port from 1 to 65535"
    component, value = _pair(text, expected)
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise ValueError(f"expected {expected}")
    return component, int(value)


def _flavour(text: str) -> str:
    from pytest_obsstack.endpoints import TrackerFlavour

    known = get_args(TrackerFlavour)
    if text not in known:
        raise ValueError(f"expected one of {', '.join(known)}")
    return text


def _dsn(text: str) -> str:
    from pytest_obsstack.wire.dsn import Dsn

    Dsn.parse(text)
    return text


TABLE: tuple[Option, ...] = (
    Option("stack", "Where the stack comes from: embedded, compose, attach.", "embedded", _kind),
    Option(
        "use",
        "Another server for one component, e.g. prometheus=http://127.0.0.1:9090; with containers, "
        "which error tracker: sentry=glitchtip, bugsink or lite. May be repeated.",
        (),
        _pair,
        kind="list",
        metavar="COMPONENT=CHOICE-or-URL",
    ),
    Option(
        "port",
        "The port of one component that this run starts. May be repeated.",
        (),
        parse_port,
        kind="list",
        metavar="COMPONENT=PORT",
    ),
    Option("timeout", "Seconds that an expectation waits at most.", 10.0, _positive),
    Option("timeout_factor", "Multiplies every timeout; for slow CI machines.", 1.0, _positive),
    Option(
        "keep_stack",
        "Leave the stack running at the end; the next run uses it again.",
        False,
        _switch,
        kind="flag",
    ),
    Option(
        "strict",
        "Fail, rather than skip, a test whose needs the stack does not meet.",
        False,
        _switch,
        kind="flag",
    ),
    Option(
        "allow_writes",
        "With --obs-stack=attach: allow tests to create and change things on the stack.",
        False,
        _switch,
        kind="flag",
    ),
    Option(
        "compose_file",
        "A compose file that is laid over the stack's own. May be repeated.",
        (),
        str,
        kind="list",
        metavar="FILE",
    ),
    Option(
        "compose_command",
        "How Compose is called, e.g. 'podman compose'. Default: the first that works.",
        None,
        str,
        metavar="COMMAND",
    ),
    Option(
        "start_timeout",
        "Seconds that the containers of a stack may take to become ready.",
        180.0,
        _positive,
    ),
    Option("home", "Folder of runs and of the kept stack.", ".obsstack", str, metavar="FOLDER"),
    Option(
        "claims",
        "File of claims (TOML): every test's claims must be in it, and every claim have a test.",
        None,
        str,
        metavar="FILE",
    ),
    Option(
        "proofs",
        "File (JSON) that the run writes: by which tests, and on which products, each claim of "
        "--obs-claims was proven.",
        None,
        str,
        metavar="FILE",
    ),
    Option(
        "mutate",
        "After each test that has passed: run it again with faults in the telemetry that it looks "
        "at, and tell which of them it does not notice. Embedded stack only.",
        False,
        _switch,
        kind="flag",
    ),
    Option(
        "mutate_min",
        "With --obs-mutate: the run fails where fewer of the faults are noticed (0 to 100).",
        None,
        _percent,
        metavar="PERCENT",
    ),
    Option("sentry_token", "Bearer token of an attached Sentry.", None, str, secret=True),
    Option("sentry_organization", "Organisation slug of an attached Sentry.", None, str),
    Option("sentry_project", "Project slug of an attached Sentry.", None, str),
    Option(
        "sentry_flavour",
        "Which product an attached error tracker is: sentry, glitchtip, bugsink or embedded.",
        "sentry",
        _flavour,
    ),
    Option("sentry_dsn", "DSN of the project in an attached Sentry.", None, _dsn, secret=True),
)
