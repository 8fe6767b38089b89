"""Every option once: one table yields the flag, the ini key and the environment variable.

Precedence: command line, then ``OBS_*`` variable, then ini file, then default. ``Options`` is what
the rest of the package sees.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_obsstack.endpoints import TrackerFlavour

StackKind = Literal["embedded", "compose", "attach"]
Component = Literal["sentry", "collector", "prometheus", "loki", "tempo", "grafana", "app"]

COMPONENTS: tuple[str, ...] = get_args(Component)
GUIDE_PORTS: Mapping[str, int] = {
    "sentry": 9000,
    "app": 5000,
    "prometheus": 9090,
    "loki": 3100,
    "collector": 4318,
    "tempo": 3200,
    "grafana": 3000,
}
"""The ports of the guide, which a kept stack prefers."""

STARTED: Mapping[str, tuple[str, ...]] = {
    "embedded": ("sentry", "collector", "prometheus", "loki", "app"),
    "compose": COMPONENTS,
    "attach": (),
}
"""What each stack kind starts by itself."""

CHOICES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "embedded": {name: ("embedded",) for name in STARTED["embedded"] if name != "app"},
    "compose": {"sentry": ("glitchtip", "bugsink", "lite")},
    "attach": {},
}
"""The words that ``--obs-use COMPONENT=…`` takes, by stack kind, beside a URL."""

_ATTACH = "use --obs-stack=attach with a URL for each component"
_STARTS_APP = (
    f"starts the app itself; {_ATTACH}, or override the fixture obs_app_spec to return an AppSpec "
    "with that url"
)
_ALWAYS_OWN: Mapping[str, Mapping[str, str]] = {
    "embedded": {
        "sentry": f"the embedded stack cannot do without its own sentry; {_ATTACH}",
        "app": f"the embedded stack {_STARTS_APP}",
    },
    "compose": {
        "app": f"the stack of containers {_STARTS_APP}",
        **dict.fromkeys(
            ("collector", "prometheus", "loki", "tempo"),
            "the containers' pipeline ends in their own collector, prometheus, loki and tempo; "
            f"{_ATTACH}",
        ),
    },
}
"""Why a component of a stack cannot be at a URL."""


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


class Options(NamedTuple):
    """The options as the package uses them."""

    stack: StackKind = "embedded"
    use: Mapping[str, str] = MappingProxyType({})
    port: Mapping[str, int] = MappingProxyType({})
    timeout_s: float = 10.0
    keep_stack: bool = False
    strict: bool = False
    allow_writes: bool = False
    compose_file: tuple[Path, ...] = ()
    compose_command: str | None = None
    start_timeout_s: float = 180.0
    home: Path = Path(".obsstack")
    claims: Path | None = None
    proofs: Path | None = None
    mutate: bool = False
    mutate_min: float | None = None
    sentry_token: str | None = None
    sentry_organization: str | None = None
    sentry_project: str | None = None
    sentry_flavour: TrackerFlavour = "sentry"
    sentry_dsn: str | None = None
    given: frozenset[str] = frozenset()
    """Names of the options that somebody set."""

    def __repr__(self) -> str:
        hidden = {option.name for option in TABLE if option.secret}
        shown = (
            f"{name}={'(hidden)' if name in hidden and value else repr(value)}"
            for name, value in self._asdict().items()
        )
        return f"Options({', '.join(shown)})"


def add_options(parser: pytest.Parser) -> None:
    """Declare flags and ini keys."""
    group = parser.getgroup("obsstack", "an observability stack, and proof that telemetry arrives")
    for option in TABLE:
        shown = f"{option.help} (ini: {option.ini}, environment: {option.variable})"
        if option.kind == "flag":
            group.addoption(option.flag, action="store_true", default=None, help=shown)
        else:
            action = "append" if option.kind == "list" else "store"
            group.addoption(
                option.flag, action=action, default=None, metavar=option.metavar, help=shown
            )
        ini_type: Any = "linelist" if option.kind == "list" else "string"
        parser.addini(option.ini, shown, type=ini_type, default=None)


def read_options(config: pytest.Config, environ: Mapping[str, str] | None = None) -> Options:
    """The options of a pytest run.

    Raises ``pytest.UsageError`` that names the option, where its value came from, what was
    expected and what was found.
    """
    surroundings = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    given: set[str] = set()
    for option in TABLE:
        source, raw = _raw(option, config, surroundings)
        if source is None:
            values[option.name] = option.default
            continue
        given.add(option.name)
        values[option.name] = _parsed(option, source, raw)
    return build_options(values, config.rootpath, given)


def build_options(values: Mapping[str, Any], root: Path, given: Iterable[str]) -> Options:
    """Check what only the options together can tell, and freeze them."""
    kind: StackKind = values["stack"]
    use = dict(values["use"])
    for component, choice in use.items():
        _check_choice(kind, component, choice)
    for component in dict(values["port"]):
        _check_port(kind, component, use)
    if values["mutate"] and kind != "embedded":
        raise pytest.UsageError(
            f"--obs-mutate: expected --obs-stack=embedded, found --obs-stack={kind}; the faults "
            "are injected where the embedded servers receive, which other servers do not allow"
        )
    return Options(
        stack=kind,
        use=use,
        port=dict(values["port"]),
        timeout_s=values["timeout"] * values["timeout_factor"],
        keep_stack=values["keep_stack"],
        strict=values["strict"],
        allow_writes=values["allow_writes"],
        compose_file=tuple(root / path for path in values["compose_file"]),
        compose_command=values["compose_command"],
        start_timeout_s=values["start_timeout"] * values["timeout_factor"],
        home=root / values["home"],
        claims=None if values["claims"] is None else root / values["claims"],
        proofs=None if values["proofs"] is None else root / values["proofs"],
        mutate=values["mutate"],
        mutate_min=values["mutate_min"],
        sentry_token=values["sentry_token"],
        sentry_organization=values["sentry_organization"],
        sentry_project=values["sentry_project"],
        sentry_flavour=values["sentry_flavour"],
        sentry_dsn=values["sentry_dsn"],
        given=frozenset(given),
    )


def is_url(choice: str) -> bool:
    """Whether a value of ``--obs-use`` is an address rather than a word."""
    return choice.startswith(("http://", "https://"))


def _check_port(kind: StackKind, component: str, use: Mapping[str, str]) -> None:
    found = None
    if component not in STARTED[kind]:
        started = ", ".join(STARTED[kind]) or "nothing"
        found = f"--obs-stack={kind} starts {started}"
    elif is_url(use.get(component, "")):
        found = f"{component} is at {use[component]}"
    if found is not None:
        raise pytest.UsageError(
            f"--obs-port {component}=…: expected a component that this run starts; {found}"
        )


def _check_choice(kind: str, component: str, choice: str) -> None:
    if is_url(choice):
        always_own = _ALWAYS_OWN.get(kind, {})
        if component in always_own:
            raise pytest.UsageError(f"--obs-use {component}={choice}: {always_own[component]}")
        return
    legal = CHOICES[kind].get(component, ())
    if choice not in legal:
        words = ", ".join((*legal, "a URL (http://… or https://…)"))
        raise pytest.UsageError(
            f"--obs-use {component}={choice}: with --obs-stack={kind}, "
            f"{component} is one of: {words}"
        )


def _raw(
    option: Option, config: pytest.Config, environ: Mapping[str, str]
) -> tuple[str | None, Any]:
    from_flag = config.getoption(option.flag.lstrip("-").replace("-", "_"), default=None)
    if from_flag is not None:
        return option.flag, from_flag
    if option.variable in environ:
        text = environ[option.variable]
        return option.variable, text.split() if option.kind == "list" else text
    from_ini: Any = config.getini(option.ini)
    if from_ini not in (None, [], ""):
        return f"{option.ini} of the ini file", from_ini
    return None, None


def _parsed(option: Option, source: str, raw: Any) -> Any:
    if isinstance(raw, bool):
        return raw
    texts: Sequence[str] = raw if option.kind == "list" else [raw]
    parsed = []
    for text in texts:
        try:
            parsed.append(option.parse(text))
        except ValueError as error:
            shown = "(hidden)" if option.secret else repr(text)
            raise pytest.UsageError(f"{source}: {error}; found {shown}") from error
    return tuple(parsed) if option.kind == "list" else parsed[0]
