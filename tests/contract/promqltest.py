"""The little language of Prometheus' own engine tests, read and run against a server.

https://github.com/prometheus/prometheus/blob/main/promql/promqltest/README.md: ``load`` gives
series, ``eval instant`` and ``eval range`` ask, ``expect`` lines and values say what must come.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LABELS = re.compile(r'\s*([\w.]+)\s*=\s*("(?:\\.|[^"\\])*"|\'[^\']*\')\s*,?')
_SERIES = re.compile(
    r"(?P<name>[a-zA-Z_:][\w:]*)?"
    r"(?:\s*\{(?!\{)(?P<labels>(?:\"(?:\\.|[^\"\\])*\"|[^}\"])*)\})?(?P<values>.*)"
)
_VALUE = re.compile(
    r"(?P<start>[-+]?(?:inf|nan|\.?\d[\d.]*(?:e[-+]?\d+)?)|stale|_)"
    r"(?:(?P<step>[-+]-?\d[\d.]*)?x(?P<times>\d+))?$",
    re.IGNORECASE,
)
_INSTANT = re.compile(r"eval(?P<fails>_fail)? instant at (?P<at>\S+)\s+(?P<query>.+)")
_RANGE = re.compile(
    r"eval(?P<fails>_fail)? range from (?P<start>\S+) to (?P<end>\S+) step (?P<step>\S+)"
    r"\s+(?P<query>.+)"
)
_EXPECT = re.compile(
    r"expect (?P<what>fail|warn|no_warn|info|no_info|ordered|string|range vector)(?P<rest>.*)"
)

Number = float | None | Literal["stale"]


@dataclass(frozen=True)
class Series:
    """``values`` one a step from the start on; ``None`` is a gap. ``histogram``: a native one."""

    labels: dict[str, str]
    values: tuple[Number, ...]
    histogram: bool = False


@dataclass
class Load:
    step_s: float
    series: list[Series] = field(default_factory=list)


@dataclass
class Clear:
    pass


@dataclass
class Eval:
    """``end_s`` is ``None`` for an instant query; ``text`` is that of ``expect string``."""

    line: int
    query: str
    start_s: float
    end_s: float | None = None
    step_s: float = 0
    fails: bool = False
    expected: list[Series] = field(default_factory=list)
    expected_scalar: float | None = None
    text: str | None = None
    window: tuple[float, float, float] | None = None
    annotations: list[tuple[str, str]] = field(default_factory=list)
    fail_text: str | None = None


Command = Load | Clear | Eval


def parse_file(text: str) -> Iterator[Command]:
    current: Command | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        started = _command(line, number)
        if started is not None:
            if current is not None:
                yield current
            current = started
        elif isinstance(current, Load):
            current.series.append(parse_series(line))
        elif isinstance(current, Eval):
            _expectation(current, line)
        else:
            raise ValueError(f"line {number}: {line!r} belongs to no command")
    if current is not None:
        yield current


def _command(line: str, number: int) -> Command | None:
    if line == "clear":
        return Clear()
    if line.startswith(("load ", "load_with_nhcb ")):
        return Load(seconds(line.split()[1]))
    if match := _INSTANT.match(line):
        fails = match["fails"] is not None
        return Eval(number, match["query"], seconds(match["at"]), fails=fails)
    if match := _RANGE.match(line):
        return Eval(
            number,
            match["query"],
            seconds(match["start"]),
            seconds(match["end"]),
            seconds(match["step"]),
            fails=match["fails"] is not None,
        )
    if line.startswith("eval"):
        raise ValueError(f"line {number}: cannot read {line!r}")
    return None


def _expectation(command: Eval, line: str) -> None:
    match = _EXPECT.fullmatch(line)
    if match is None:
        if re.fullmatch(r"[-+]?(?:inf|nan|[\d.]+(?:e[-+]?\d+)?)", line, re.IGNORECASE):
            command.expected_scalar = float(line)
        else:
            command.expected.append(parse_series(line))
        return
    what, rest = match["what"], match["rest"].strip()
    if what == "fail":
        command.fails = True
        command.fail_text = rest.removeprefix("msg:").strip() or None
    elif what == "string":
        command.text = rest[1:-1]
    elif what == "range vector":
        _, start, _, end, _, step = rest.split()
        command.window = (seconds(start), seconds(end), seconds(step))
    else:
        command.annotations.append((what, rest.removeprefix("msg:").strip()))


def parse_series(line: str) -> Series:
    match = _SERIES.fullmatch(line)
    if match is None:
        raise ValueError(f"no series: {line!r}")
    labels = {name: value[1:-1] for name, value in _LABELS.findall(match["labels"] or "")}
    if match["name"]:
        labels["__name__"] = match["name"]
    if "{{" in match["values"]:
        return Series(labels, (), histogram=True)
    values: list[Number] = []
    for word in match["values"].split():
        values.extend(_expanded(word))
    return Series(labels, tuple(values))


def _expanded(word: str) -> Iterator[Number]:
    match = _VALUE.match(word)
    if match is None:
        raise ValueError(f"no value: {word!r}")
    times = int(match["times"]) if match["times"] else 0
    if match["start"] == "_":
        yield from [None] * max(1, times)
    elif match["start"] == "stale":
        for _ in range(times + 1):
            yield "stale"
    else:
        value, step = float(match["start"]), float((match["step"] or "0").replace("+-", "-"))
        for index in range(times + 1):
            yield value + index * step


def seconds(text: str) -> float:
    """A duration such as ``5m`` or ``9m10s``; a bare number is seconds."""
    if re.fullmatch(r"[\d.]+", text):
        return float(text)
    return sum(float(n) * _UNITS_S[unit] for n, unit in re.findall(r"([\d.]+)(ms|[smhd])", text))


def nearly_equal(left: float, right: float) -> bool:
    """Equal up to the tolerance of Prometheus' own runner; NaN equals NaN."""
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    return left == right or math.isclose(left, right, rel_tol=1e-6)
