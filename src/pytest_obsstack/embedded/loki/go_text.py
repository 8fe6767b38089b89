"""Text as Go prints it, since Loki's answers and error messages carry Go's formats."""

from __future__ import annotations

import math
import re
from datetime import datetime, timezone
from decimal import Decimal

from pytest_obsstack.embedded.go_quote import quote

_FLOAT = re.compile(
    r"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?"
    r"|0[xX][0-9a-fA-F]*\.?[0-9a-fA-F]*[pP][+-]?\d+|[iI][nN][fF]([iI][nN][iI][tT][yY])?|[nN][aA][nN])"
)


class GoNumberError(ValueError):
    """What ``strconv`` says of a text that is no number."""


def format_float(value: float) -> str:
    """``strconv.FormatFloat(value, 'f', -1, 64)``: the shortest text, never an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(float(value))), "f")
    return text.removesuffix(".0")


def parse_float(text: str) -> float:
    """``strconv.ParseFloat(text, 64)``; raises ``GoNumberError`` with Go's message."""
    if not _FLOAT.fullmatch(text):
        raise GoNumberError(f"strconv.ParseFloat: parsing {quote(text)}: invalid syntax")
    value = float.fromhex(text) if "x" in text.lower() else float(text)
    if math.isinf(value) and "inf" not in text.lower():
        raise GoNumberError(f"strconv.ParseFloat: parsing {quote(text)}: value out of range")
    return value


def parse_int(text: str) -> int:
    """``strconv.ParseInt(text, 10, 64)``; raises ``GoNumberError`` with Go's message."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()):
        raise GoNumberError(f"strconv.ParseInt: parsing {quote(text)}: invalid syntax")
    value = int(text)
    if not -(2**63) <= value < 2**63:
        raise GoNumberError(f"strconv.ParseInt: parsing {quote(text)}: value out of range")
    return value


def format_duration(duration_ns: int) -> str:
    """``time.Duration.String()``: ``1h30m0s``, ``1.5s``, ``250ms``."""
    if duration_ns == 0:
        return "0s"
    sign, rest = ("-", -duration_ns) if duration_ns < 0 else ("", duration_ns)
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if rest < size * 1000:
            return f"{sign}{_fraction(rest, size)}{unit}"
    minutes, seconds_ns = divmod(rest, 60_000_000_000)
    text = f"{_fraction(seconds_ns, 1_000_000_000)}s"
    if minutes:
        hours, minutes = divmod(minutes, 60)
        text = f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"
    return sign + text


def _fraction(amount: int, size: int) -> str:
    whole, rest = divmod(amount, size)
    if not rest:
        return str(whole)
    return f"{whole}.{str(rest).rjust(len(str(size)) - 1, '0').rstrip('0')}"


def format_time(timestamp_ns: int) -> str:
    """A time in UTC as ``time.RFC3339``, to the second."""
    seconds = timestamp_ns // 1_000_000_000
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_time_nano(timestamp_ns: int) -> str:
    """A time in UTC as Go prints it by default: ``2026-01-02 03:04:05.6 +0000 UTC``."""
    seconds, nanos = divmod(timestamp_ns, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{text}{fraction} +0000 UTC"


def format_labels(labels: dict[str, str]) -> str:
    """A label set as Prometheus prints it: ``{a="b", c="d"}``, sorted by name."""
    return "{" + ", ".join(f"{name}={quote(labels[name])}" for name in sorted(labels)) + "}"
