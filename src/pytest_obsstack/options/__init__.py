"""The options of a run: declared to pytest, read and checked.

Precedence: command line, then ``OBS_*`` variable, then ini file, then default. ``Options`` is what
the rest of the package sees; ``table`` has one row for each, ``kinds`` what may be chosen.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_obsstack.options.kinds import StackKind, check_choice, check_port
from pytest_obsstack.options.table import TABLE, Option

if TYPE_CHECKING:
    from pytest_obsstack.endpoints import TrackerFlavour


# A named tuple, as an ``Option`` is.
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
        check_choice(kind, component, choice)
    for component in dict(values["port"]):
        check_port(kind, component, use)
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
    parsed = [option.read(text, source) for text in texts]
    return tuple(parsed) if option.kind == "list" else parsed[0]
