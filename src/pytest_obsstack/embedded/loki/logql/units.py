"""Durations and sizes in LogQL: Prometheus's and Go's durations, sizes with SI and IEC units."""

from __future__ import annotations

import re

from pytest_obsstack.embedded.go_quote import quote
from pytest_obsstack.embedded.loki.go_text import GoNumberError, parse_float

_MS = 1_000_000
_S = 1000 * _MS
# Prometheus's units, from the biggest, in the order in which they may follow one another.
_PROMETHEUS_UNITS_NS = {
    "y": 365 * 86400 * _S,
    "w": 7 * 86400 * _S,
    "d": 86400 * _S,
    "h": 3600 * _S,
    "m": 60 * _S,
    "s": _S,
    "ms": _MS,
}
_GO_UNITS_NS = {
    "ns": 1,
    "us": 1000,
    "µs": 1000,
    "μs": 1000,
    "ms": _MS,
    "s": _S,
    "m": 60 * _S,
    "h": 3600 * _S,
}
_SI_PREFIXES = "kmgtpe"
_SIZE_UNITS: dict[str, int] = {"": 1, "b": 1}
for _power, _prefix in enumerate(_SI_PREFIXES, start=1):
    _SIZE_UNITS |= dict.fromkeys((_prefix, _prefix + "b"), 1000**_power)
    _SIZE_UNITS |= dict.fromkeys((_prefix + "i", _prefix + "ib"), 1024**_power)

_PART = re.compile(r"(\d+)([^\d]*)")
_GO_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([^\d.]*)")


class UnitError(ValueError):
    """What Go says of a text that is no duration or size."""


def parse_prometheus_duration(text: str) -> int:
    """Nanoseconds of ``1d12h``, ``5m``, ``250ms``; raises ``UnitError`` as Prometheus words it."""
    if text == "0":
        return 0
    if not text:
        raise UnitError("empty duration string")
    invalid = UnitError(f"not a valid duration string: {quote(text)}")
    total, at, last = 0, 0, -1
    order = list(_PROMETHEUS_UNITS_NS)
    while at < len(text):
        part = _PART.match(text, at)
        if part is None or not part[2]:
            raise invalid
        if part[2] not in _PROMETHEUS_UNITS_NS:
            raise UnitError(f"unknown unit {quote(part[2])} in duration {quote(text)}")
        if order.index(part[2]) <= last:
            raise invalid
        last = order.index(part[2])
        total += int(part[1]) * _PROMETHEUS_UNITS_NS[part[2]]
        at = part.end()
    return total


def parse_go_duration(text: str) -> int:
    """Nanoseconds of ``1h15m30.9s``, ``-1.5s``; raises ``UnitError`` as ``time.ParseDuration``."""
    shown = quote(text)
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    if not rest:
        raise UnitError(f"time: invalid duration {shown}")
    total, at = 0.0, 0
    exact = 0
    while at < len(rest):
        part = _GO_PART.match(rest, at)
        if part is None:
            raise UnitError(f"time: invalid duration {shown}")
        if not part[2]:
            raise UnitError(f"time: missing unit in duration {shown}")
        size = _GO_UNITS_NS.get(part[2])
        if size is None:
            raise UnitError(f"time: unknown unit {quote(part[2])} in duration {shown}")
        if part[1].isdigit():
            exact += int(part[1]) * size
        else:
            total += float(part[1]) * size
        at = part.end()
    amount = exact + int(total)
    return -amount if text.startswith("-") else amount


def parse_duration(text: str) -> int:
    """Nanoseconds of a duration in a query: Prometheus's form, else Go's."""
    try:
        return parse_prometheus_duration(text)
    except UnitError:
        return parse_go_duration(text)


def parse_size(text: str) -> int:
    """Bytes of ``1KB`` (1000), ``1KiB`` (1024), ``2.5 MB``; raises ``UnitError``."""
    end = 0
    while end < len(text) and (text[end].isdigit() or text[end] in ".,"):
        end += 1
    try:
        number = parse_float(text[:end].replace(",", ""))
    except GoNumberError as error:
        raise UnitError(str(error)) from error
    unit = text[end:].strip().lower()
    if unit not in _SIZE_UNITS:
        raise UnitError(f"unhandled size name: {unit}")
    return int(number * _SIZE_UNITS[unit])


def format_size(size: int) -> str:
    """A size as Loki prints it in a query: two digits and an SI unit, ``1.0kB``, ``12MB``.

    Loki's frontend hands queries on as text, so this is also how exactly sizes are compared.
    """
    if size < 10:
        return f"{size}B"
    power = 0
    while size >= 1000 ** (power + 1) and power < len(_SI_PREFIXES):
        power += 1
    amount = int(size / 1000**power * 10 + 0.5) / 10
    unit = ("", "k", "M", "G", "T", "P", "E")[power]
    return f"{amount:.1f}{unit}B" if amount < 10 else f"{amount:.0f}{unit}B"
