"""The parameters of Loki's query API: times, steps, limits, from the URL or a form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal
from urllib.parse import parse_qsl

from starlette.requests import Request

from pytest_obsstack.embedded.body import BodyLimits, read_body
from pytest_obsstack.embedded.loki.go_text import (
    GoNumberError,
    format_duration,
    parse_float,
    parse_int,
)
from pytest_obsstack.embedded.loki.logql.errors import QueryLimitError
from pytest_obsstack.embedded.loki.logql.units import UnitError, parse_prometheus_duration
from pytest_obsstack.embedded.loki.settings import LokiSettings

_NS_PER_S = 1_000_000_000
_HOUR_NS = 3600 * _NS_PER_S
_DEFAULT_LIMIT = 100
_DEFAULT_STEPS = 250
_FORM_LIMITS = BodyLimits(packed=1024 * 1024, unpacked=1024 * 1024)
_FORM = "application/x-www-form-urlencoded"


class ParameterError(Exception):
    """A parameter that Loki refuses with 400; ``str()`` is the plain text."""


class Params:
    """Parameters by name; each may come several times."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    def get(self, name: str) -> str:
        """The first value, empty where there is none."""
        return next((value for key, value in self._pairs if key == name), "")

    def all(self, *names: str) -> list[str]:
        return [value for key, value in self._pairs if key in names]


async def read_params(request: Request) -> Params:
    """Those of the form before those of the URL; raises ``BodyError``."""
    pairs = list(request.query_params.multi_items())
    if request.method == "POST" and _FORM in request.headers.get("content-type", ""):
        body = await read_body(request, _FORM_LIMITS)
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True) + pairs
    return Params(pairs)


@dataclass(frozen=True)
class Bounds:
    """A range of time, start inclusive, end exclusive."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class RangeParams:
    """The parameters of ``query_range``."""

    query: str
    bounds: Bounds
    limit: int
    newest_first: bool
    step_ns: int
    interval_ns: int

    def steps_ns(self) -> list[int]:
        """The times of the steps: start is moved down and end up to a multiple of the step."""
        step = self.step_ns
        first = self.bounds.start_ns // step * step
        last = -(-self.bounds.end_ns // step) * step
        return list(range(first, last + 1, step))


@dataclass(frozen=True)
class InstantParams:
    query: str
    time_ns: int


def bounds_of(params: Params, now_ns: int, default_ns: int = _HOUR_NS) -> Bounds:
    """``start``, ``end`` and ``since``; by default the hour before now."""
    end_ns = _time(params.get("end"), now_ns, "could not parse 'end' parameter: ")
    since = params.get("since")
    if since:
        try:
            default_ns = parse_prometheus_duration(since)
        except UnitError as error:
            raise ParameterError(f"could not parse 'since' parameter: {error}") from error
    start_ns = _time(
        params.get("start"), min(end_ns, now_ns) - default_ns, "could not parse 'start' parameter: "
    )
    return Bounds(start_ns, end_ns)


def range_params(params: Params, settings: LokiSettings, now_ns: int) -> RangeParams:
    """The parameters of ``query_range``; raises ``ParameterError``."""
    bounds = bounds_of(params, now_ns)
    if bounds.end_ns < bounds.start_ns:
        raise ParameterError("end timestamp must not be before or equal to start time")
    limit = _limit(params)
    direction = _direction(params)
    length_ns = bounds.end_ns - bounds.start_ns
    step_ns = _step(params.get("step"), length_ns)
    if step_ns <= 0:
        raise ParameterError(
            "zero or negative query resolution step widths are not accepted. Try a positive integer"
        )
    if length_ns // step_ns > settings.max_query_points:
        raise ParameterError(
            f"exceeded maximum resolution of {settings.max_query_points:,} points per time series. "
            "Try increasing the value of the step parameter"
        )
    interval_ns = _duration(params.get("interval") or "0")
    if interval_ns < 0:
        raise ParameterError("interval must be >= 0")
    return RangeParams(
        params.get("query"), bounds, limit, direction == "backward", step_ns, interval_ns
    )


def instant_params(params: Params, now_ns: int) -> InstantParams:
    """The parameters of ``query``; raises ``ParameterError``."""
    time_ns = _time(params.get("time"), now_ns, "")
    _limit(params)
    _direction(params)
    return InstantParams(params.get("query"), time_ns)


def check_length(bounds: Bounds, settings: LokiSettings) -> None:
    """Raise ``QueryLimitError`` for a range over the limit."""
    length_ns = bounds.end_ns - bounds.start_ns
    most_ns = int(settings.max_query_length_s * _NS_PER_S)
    if most_ns and length_ns > most_ns:
        raise QueryLimitError(
            "the query time range exceeds the limit (query length: "
            f"{format_duration(length_ns)}, limit: {_prometheus_duration(most_ns)})"
        )


def _limit(params: Params) -> int:
    text = params.get("limit")
    try:
        limit = parse_int(text) if text else _DEFAULT_LIMIT
    except GoNumberError as error:
        raise ParameterError(str(error)) from error
    if limit <= 0:
        raise ParameterError("limit must be a positive value")
    return limit


def _direction(params: Params) -> Literal["backward", "forward"]:
    text = params.get("direction")
    if text.lower() not in ("", "forward", "backward"):
        raise ParameterError(f"invalid direction '{text}'")
    return "forward" if text.lower() == "forward" else "backward"


def _time(text: str, default_ns: int, context: str) -> int:
    """Unix seconds (up to ten digits, or with a fraction) or nanoseconds, or RFC 3339."""
    if not text:
        return default_ns
    if "." in text:
        try:
            return round(parse_float(text) * 1000) * 1_000_000
        except GoNumberError:
            pass  # it may be RFC 3339 with a fraction
    try:
        number = parse_int(text)
    except GoNumberError as error:
        moment = _rfc3339(text)
        if moment is None:
            raise ParameterError(f"{context}{error}") from error
        return moment
    return number * _NS_PER_S if len(text) <= 10 else number


def _rfc3339(text: str) -> int | None:
    head, dot, tail = text.partition(".")
    digits = ""
    if dot:
        digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
        head += tail[len(digits) :]
    try:
        moment = datetime.fromisoformat(head.replace("Z", "+00:00").replace("z", "+00:00"))
    except ValueError:
        return None
    if moment.tzinfo is None or len(head) < len("2006-01-02T15:04:05Z"):
        return None
    seconds = int(moment.astimezone(timezone.utc).timestamp())
    return seconds * _NS_PER_S + int(digits[:9].ljust(9, "0"))


def _step(text: str, length_ns: int) -> int:
    if text:
        return _duration(text)
    return max(length_ns // _NS_PER_S // _DEFAULT_STEPS, 1) * _NS_PER_S


def _duration(text: str) -> int:
    """Nanoseconds of a number of seconds or of a duration."""
    try:
        seconds = parse_float(text)
        if math.isfinite(seconds):
            return round(seconds * 1e9)
    except GoNumberError:
        try:
            return parse_prometheus_duration(text)
        except UnitError:
            pass  # told below, as for a number that is not finite
    raise ParameterError(f'cannot parse "{text}" to a valid duration')


def _prometheus_duration(duration_ns: int) -> str:
    """A duration as Prometheus prints it: ``30d1h``."""
    text, rest = "", duration_ns // 1_000_000
    for unit, size_ms in (
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ):
        count, rest = divmod(rest, size_ms)
        text += f"{count}{unit}" if count else ""
    return text or "0s"
