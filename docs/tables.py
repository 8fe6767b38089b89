"""Tables that say what the code says: options, capabilities, fences, layers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from docs.sections import codes, table
from pytest_obsstack.expect import fence
from pytest_obsstack.options import TABLE, Option, Options
from pytest_obsstack.providers.attach import attach, capabilities
from pytest_obsstack.providers.capabilities import EMBEDDED, MEANINGS
from tests.unit.test_import_layers import LAYERS

_URL = "http://127.0.0.1:1"


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
        use=dict.fromkeys(("sentry", "collector", "prometheus", "loki"), _URL),
        sentry_token="-",  # noqa: S106 - nothing is asked of anybody
        sentry_organization="-",
        sentry_project="-",
        allow_writes=allow_writes,
    )
    found = capabilities(options, attach(options, Path()), alone=True)
    return found | {"app_control", "exact_metrics"}


def capabilities_table() -> str:
    attached = attached_capabilities(allow_writes=False)
    writing = attached_capabilities(allow_writes=True)
    rows = [
        (
            f"`{name}`",
            meaning,
            "yes" if name in EMBEDDED else "–",
            "yes" if name in attached else "with `--obs-allow-writes`" if name in writing else "–",
        )
        for name, meaning in MEANINGS.items()
    ]
    return table(("capability", "meaning", "embedded", "attached servers"), rows)


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
