"""Tables that say what the code says: options, capabilities, fences, layers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from docs.sections import codes, table
from pytest_obsstack.clients.sentry.traits import SENTRY, traits_of
from pytest_obsstack.endpoints import (
    CollectorEndpoint,
    Endpoints,
    GrafanaEndpoint,
    LokiEndpoint,
    PrometheusEndpoint,
    SentryEndpoint,
    TempoEndpoint,
    TrackerFlavour,
)
from pytest_obsstack.evidence.mutation.catalog import FAULTS
from pytest_obsstack.expect import fence
from pytest_obsstack.options import Options
from pytest_obsstack.options.kinds import CHOICES
from pytest_obsstack.options.table import TABLE, Option
from pytest_obsstack.providers.attach import attach, capabilities
from pytest_obsstack.providers.capabilities import EMBEDDED, MEANINGS
from pytest_obsstack.providers.compose.command import Compose
from pytest_obsstack.providers.shipped import stack_folder
from pytest_obsstack.providers.state import ComposeState, StackState
from pytest_obsstack.provision.abilities import capabilities_of
from tests.unit.test_import_layers import LAYERS

_URL = "http://127.0.0.1:1"
TRACKERS = CHOICES["compose"]["sentry"]
_FLAVOURS: Mapping[str, TrackerFlavour] = {
    "glitchtip": "glitchtip",
    "bugsink": "bugsink",
    "lite": "embedded",
}


def options_table() -> str:
    header = ("flag", "ini", "variable", "meaning")
    return table(header, map(_option_row, TABLE))


def _option_row(option: Option) -> tuple[str, ...]:
    value = "" if option.kind == "flag" else f" {option.metavar or option.name.upper()}"
    default = option.default
    # A list, a flag and a secret have no default that would tell anything.
    shown = f" Default: `{default}`." if default and option.kind == "value" else ""
    hint = " Better as the variable: command lines can be seen." if option.secret else ""
    return (
        f"`{option.flag}{value}`",
        f"`{option.ini}`",
        f"`{option.variable}`",
        option.help + shown + hint,
    )


def attached_capabilities(*, allow_writes: bool) -> frozenset[str]:
    """What servers at given URLs can show, with an app that the run starts itself."""
    options = Options(
        stack="attach",
        use=dict.fromkeys(("sentry", "collector", "prometheus", "loki", "grafana"), _URL),
        sentry_token="-",  # noqa: S106 - nothing is asked of anybody
        sentry_organization="-",
        sentry_project="-",
        allow_writes=allow_writes,
    )
    found = capabilities(
        options,
        attach(options, Path()),
        frozenset(),
        tracker=SENTRY.capabilities,
        alone=True,
    )
    return found | {"app_control", "exact_metrics"}


def containers_capabilities(tracker: str) -> frozenset[str]:
    """What a stack of containers with this error tracker can show."""
    state = StackState(
        kind="compose",
        run_id="",
        folder=Path(),
        endpoints=Endpoints(
            sentry=SentryEndpoint(_URL, flavour=_FLAVOURS[tracker]),
            collector=CollectorEndpoint(_URL),
            prometheus=PrometheusEndpoint(_URL),
            loki=LokiEndpoint(_URL),
            tempo=TempoEndpoint(_URL),
            grafana=GrafanaEndpoint(_URL),
        ),
        products={},
        ready_after_s=0.0,
        compose=ComposeState(
            compose=Compose(("docker", "compose"), "docker", "", (), (), (), "", ""),
            tracker=tracker,
            ports={},
            ready_urls={},
            callback_bind="",
            callback_host="",
        ),
    )
    return capabilities_of(state)


def capabilities_table() -> str:
    attached = attached_capabilities(allow_writes=False)
    writing = attached_capabilities(allow_writes=True)
    in_containers = {name: containers_capabilities(name) for name in TRACKERS}
    rows = [
        (
            f"`{name}`",
            meaning,
            _yes(name in EMBEDDED),
            *(_yes(name in have) for have in in_containers.values()),
            "with `--obs-allow-writes`" if name in writing - attached else _yes(name in attached),
        )
        for name, meaning in MEANINGS.items()
    ]
    columns = (f"compose, `{name}`" for name in TRACKERS)
    return table(("capability", "meaning", "embedded", *columns, "attached servers"), rows)


def trackers_table() -> str:
    """Rows of the capabilities in which the trackers of a stack of containers differ."""
    have = {name: containers_capabilities(name) for name in TRACKERS}
    differing = [name for name in MEANINGS if len({name in found for found in have.values()}) == 2]
    rows = [
        (f"`{name}`", MEANINGS[name], *(_yes(name in found) for found in have.values()))
        for name in differing
    ]
    return table(("capability", "meaning", *(f"`{name}`" for name in TRACKERS)), rows)


def ordering_table() -> str:
    """What each tracker says of whether its silence proves anything."""
    rows = []
    for name in TRACKERS:
        ordering = traits_of(SentryEndpoint(_URL, flavour=_FLAVOURS[name])).ordering
        if ordering.settles_errors:
            proof = "the request's own transaction: it is shown only after the errors before it"
            rows.append((f"`{name}`", proof, "asserted once that transaction is there"))
        else:
            nothing = f"nothing: {ordering.unproven}"
            rows.append((f"`{name}`", nothing, f"`CannotTell`: {ordering.instead}"))
    return table(("tracker", "what proves that no error will follow", "absence"), rows)


def memory_table() -> str:
    """The limits of memory that the compose files set, and their sum, by tracker."""
    stack = stack_folder()
    own = yaml.safe_load((stack / "docker-compose.yml").read_text("utf-8"))["services"]
    limits: dict[str, dict[str, int]] = {}
    for tracker in TRACKERS:
        override = stack / f"docker-compose.{tracker}.yml"
        laid_over = _Override.services(override) if override.exists() else {}
        limits[tracker] = {
            name: _mebibytes(laid_over.get(name, {}).get("mem_limit", service["mem_limit"]))
            for name, service in own.items()
            # Of what a tracker does not need, its file changes the profiles.
            if "profiles" not in laid_over.get(name, {})
        }
    rows = [
        (f"`{name}`", *(f"{of[name]} MiB" if name in of else "–" for of in limits.values()))
        for name in own
    ]
    sums = (f"**{sum(of.values()) / 1024:.1f} GiB**" for of in limits.values())
    return table(("service", *(f"`{name}`" for name in TRACKERS)), [*rows, ("**all**", *sums)])


def _mebibytes(limit: str) -> int:
    return int(limit[:-1]) * {"m": 1, "g": 1024}[limit[-1]]


class _Override(yaml.SafeLoader):
    """Reads a compose file's own tags (``!override``, ``!reset``) as if they were not there."""

    @classmethod
    def services(cls, path: Path) -> dict[str, Any]:
        content = yaml.load(path.read_text("utf-8"), cls)  # noqa: S506 - a SafeLoader
        found: dict[str, Any] = content["services"]
        return found


def _untagged(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


_Override.add_multi_constructor("!", _untagged)


def _yes(condition: bool) -> str:  # noqa: FBT001 - a cell
    return "yes" if condition else "–"


def fences_table() -> str:
    """The table of the docstring of ``expect/fence.py``."""
    lines = (fence.__doc__ or "").splitlines()
    rules = [number for number, line in enumerate(lines) if line.startswith("===")]
    first, second, last = rules
    columns = [(m.start(), m.end()) for m in re.finditer("=+", lines[first])]
    rows = [_cells(line, columns) for line in lines[second + 1 : last]]
    joined: list[list[str]] = []
    for row in rows:
        if row[0]:
            joined.append(row)
        else:
            # A line without a first cell goes on with the row above it.
            joined[-1] = [f"{a} {b}".strip() for a, b in zip(joined[-1], row, strict=True)]
    return table(_cells(lines[first + 1], columns), joined)


def _cells(line: str, columns: Sequence[tuple[int, int]]) -> list[str]:
    ends = [start for start, _ in columns[1:]] + [len(line)]
    return [line[start:end].strip() for (start, _), end in zip(columns, ends, strict=True)]


def layers_table() -> str:
    rows = [(str(depth), codes(sorted(layer))) for depth, layer in enumerate(LAYERS, start=1)]
    return table(("layer", "modules and folders"), rows)


def mutations_table() -> str:
    rows = (
        (fault.name, fault.signal, fault.does, fault.concerns, _advice(fault.assertion))
        for fault in FAULTS
    )
    return table(("fault", "in", "what happens", "concerns", "what notices it"), rows)


def _advice(assertion: str) -> str:
    return assertion.format(name="…")
