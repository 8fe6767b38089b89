"""Times of a query: ``now-15m``, milliseconds; steps and Grafana's macros for them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_obsstack.embedded.grafana.refusal import Unsupported

MS = 10**6
SECOND = 10**9
_RELATIVE = re.compile(r"now(?:([+-])(\d+)([smhdwMy]))?")
_UNITS = {
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
    "d": 86400 * SECOND,
    "w": 7 * 86400 * SECOND,
    "M": 30 * 86400 * SECOND,
    "y": 365 * 86400 * SECOND,
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w|M|y)")
# What is at most the first is rounded to the second (gtime.RoundInterval), in milliseconds.
_ROUNDED_MS = (
    *((10, 1), (15, 10), (35, 20), (75, 50), (150, 100), (350, 200), (750, 500), (1500, 1000)),
    *((3500, 2000), (7500, 5000), (12500, 10000), (17500, 15000), (25000, 20000)),
    *((45000, 30000), (90000, 60000), (210000, 120000), (450000, 300000), (750000, 600000)),
    *((1050000, 900000), (1500000, 1200000), (2700000, 1800000), (5400000, 3600000)),
    *((9000000, 7200000), (16200000, 10800000), (32400000, 21600000), (86400000, 43200000)),
    *((604800000, 86400000), (1814400000, 604800000), (3628800000, 2592000000)),
)
_YEAR_MS = 31536000000
_SAFE_POINTS = 11000


class BadTime(ValueError):
    """Not a time of a query."""


@dataclass(frozen=True)
class TimeRange:
    """Unix nanoseconds."""

    start_ns: int
    end_ns: int

    @property
    def length_ns(self) -> int:
        return self.end_ns - self.start_ns

    @classmethod
    def parse(cls, start: str, end: str, now_ns: int) -> TimeRange:
        return cls(moment(start, now_ns), moment(end, now_ns))


def moment(text: str, now_ns: int) -> int:
    """Unix nanoseconds of milliseconds since the epoch, or of a time relative to now."""
    if re.fullmatch(r"\d+", text):
        return int(text) * MS
    match = _RELATIVE.fullmatch(text)
    if match is None:
        if "/" in text:
            raise Unsupported(f"times that are rounded ({text})")
        raise BadTime(f"expected milliseconds or a time like now-15m, found {text!r}")
    sign, amount, unit = match.groups()
    if sign is None:
        return now_ns
    return now_ns + int(f"{sign}{amount}") * _UNITS[unit]


def duration_ns(text: str) -> int:
    """``1s``, ``1m30s``, and a lone number as seconds; raises ``BadTime``."""
    if re.fullmatch(r"\d+", text):
        return int(text) * SECOND
    position, total = 0, 0.0
    while position < len(text):
        part = _DURATION.match(text, position)
        if part is None:
            break
        total += float(part[1]) * (MS if part[2] == "ms" else _UNITS[part[2]])
        position = part.end()
    if not text or position < len(text):
        raise BadTime(f"expected a duration, found {text!r}")
    return round(total)


def rounded_ns(interval_ns: int) -> int:
    """One of the intervals that people use, near the given one."""
    interval_ms = interval_ns / MS
    return next((to for most, to in _ROUNDED_MS if interval_ms <= most), _YEAR_MS) * MS


def step_ns(time_range: TimeRange, least_ns: int, most_points: int) -> int:
    """So long that there are not too many points, and no shorter than the least."""
    wanted_ns = time_range.length_ns // most_points
    calculated = least_ns if wanted_ns < least_ns else rounded_ns(wanted_ns)
    return max(calculated, rounded_ns(time_range.length_ns // _SAFE_POINTS))


def interval_text(interval_ns: int) -> str:
    """``gtime.FormatInterval``: the largest unit alone, ``15s``, ``2m``."""
    for unit, size in (("y", 365 * 86400), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if interval_ns >= size * SECOND:
            return f"{interval_ns // (size * SECOND)}{unit}"
    return f"{max(1, interval_ns // MS)}ms"


def go_duration(length_ns: int) -> str:
    """``time.Duration.String``: ``4s``, ``1m0s``, ``1.5s``, ``200ms``."""
    if length_ns == 0:
        return "0s"
    if length_ns < SECOND:
        for unit, size in (("ns", 1), ("µs", 1000), ("ms", MS)):
            if length_ns < size * 1000:
                return f"{length_ns / size:.9g}{unit}"
    minutes, rest = divmod(length_ns, 60 * SECOND)
    hours, minutes = divmod(minutes, 60)
    prefix = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{prefix}{rest / SECOND:.12g}s"


def with_macros(expression: str, macros: dict[str, str]) -> str:
    """``$__interval`` and ``${__interval}`` replaced, the longest names first."""
    for name in sorted(macros, key=len, reverse=True):
        value = macros[name]
        expression = expression.replace(f"$__{name}", value).replace(f"${{__{name}}}", value)
    return expression


def range_macros(time_range: TimeRange) -> dict[str, str]:
    """The macros that tell the time range's length."""
    length_ms = time_range.length_ns // MS
    length_s = (length_ms + 500) // 1000
    return {"range_ms": str(length_ms), "range_s": str(length_s), "range": f"{length_s}s"}
