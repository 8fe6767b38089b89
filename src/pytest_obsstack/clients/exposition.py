"""Prometheus' text format, in which products show their own metrics.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pytest_obsstack.clients.fields import unexpected

# Name, labels, value, perhaps a timestamp.
_LINE = re.compile(r"([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?\s*$")
_LABEL = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"')


class Exposed(NamedTuple):
    """One line: a metric's value for one set of labels."""

    name: str
    labels: Mapping[str, str]
    """Values as they are written: quotes, backslashes and line feeds in them are escaped."""
    value: float


def exposed(page: str, what: str) -> Iterator[Exposed]:
    """The values of a page; ``ObsstackError`` for one that is no such page, named ``what``."""
    for line in page.splitlines():
        if not line or line.startswith("#"):
            continue
        found = _parsed(line)
        if found is None:
            raise unexpected(what, "the Prometheus text format", line)
        yield found


def _parsed(line: str) -> Exposed | None:
    match = _LINE.match(line)
    if match is None:
        return None
    try:
        value = float(match[3])
    except ValueError:
        return None
    return Exposed(match[1], dict(_LABEL.findall(match[2] or "")), value)
