"""Parameters of the API, from the query string and a form; times, durations, limits, selectors."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from urllib.parse import parse_qs

from starlette.requests import Request

from pytest_obsstack.embedded.body import BodyError, BodyLimits, read_body
from pytest_obsstack.embedded.go_quote import quote
from pytest_obsstack.embedded.prometheus.answers import ApiError, invalid_parameter
from pytest_obsstack.embedded.prometheus.format import parse_duration_ms, parse_float
from pytest_obsstack.embedded.prometheus.promql.ast import Matcher
from pytest_obsstack.embedded.prometheus.promql.errors import PromqlParseError
from pytest_obsstack.embedded.prometheus.promql.selectors import parse_selector

_FORM = "application/x-www-form-urlencoded"
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
_FORM_LIMIT_BYTES = 10 * 1024 * 1024
MIN_TIME_MS, MAX_TIME_MS = -(2**62), 2**62


class Params:
    """The parameters by name; those of a form come before those of the URL, as in Go."""

    def __init__(self, values: dict[str, list[str]]) -> None:
        self._values = values

    @classmethod
    async def of(cls, request: Request) -> Params:
        """Raises ``ApiError`` where the form cannot be read."""
        values: dict[str, list[str]] = {}
        if request.method == "POST" and request.headers.get("content-type", "").startswith(_FORM):
            limits = BodyLimits(_FORM_LIMIT_BYTES, _FORM_LIMIT_BYTES)
            try:
                body = await read_body(request, limits)
            except BodyError as error:
                raise ApiError("bad_data", f"error parsing form values: {error}") from error
            values = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
        query = parse_qs(request.url.query, keep_blank_values=True)
        for name, found in query.items():
            values.setdefault(name, []).extend(found)
        return cls(values)

    def all(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def get(self, name: str) -> str:
        """The first value, empty where there is none."""
        values = self._values.get(name)
        return values[0] if values else ""

    def limit(self, name: str = "limit") -> int:
        """0 where none is given; raises ``ApiError``."""
        text = self.get(name)
        if text == "":
            return 0
        if not re.fullmatch(r"[+-]?\d+", text, re.ASCII):
            reason = f"strconv.Atoi: parsing {quote(text)}: invalid syntax"
            raise invalid_parameter(name, reason)
        if int(text) < 0:
            raise invalid_parameter(name, "limit must be non-negative")
        return int(text)

    def time_ms(self, name: str, default_ms: int) -> int:
        """An optional time; raises ``ApiError``."""
        text = self.get(name)
        if text == "":
            return default_ms
        try:
            return parse_time_ms(text)
        except ValueError as error:
            reason = f"invalid time value for '{name}': {error}"
            raise invalid_parameter(name, reason) from None

    def required_time_ms(self, name: str) -> int:
        try:
            return parse_time_ms(self.get(name))
        except ValueError as error:
            raise invalid_parameter(name, str(error)) from None

    def duration_ms(self, name: str) -> float:
        """Fractions of a millisecond included; raises ``ApiError``."""
        try:
            return parse_seconds_or_duration_ms(self.get(name))
        except ValueError as error:
            raise invalid_parameter(name, str(error)) from None

    def selectors(self) -> list[tuple[Matcher, ...]]:
        """Of ``match[]``; raises ``ValueError`` with the text, which endpoints wrap differently."""
        try:
            selectors = [parse_selector(text) for text in self.all("match[]")]
        except PromqlParseError as error:
            raise ValueError(str(error)) from None
        if any(_matches_everything(matchers) for matchers in selectors):
            raise ValueError("match[] must contain at least one non-empty matcher")
        return selectors


def _matches_everything(matchers: Sequence[Matcher]) -> bool:
    return all(matcher.matches("") for matcher in matchers)


def parse_time_ms(text: str) -> int:
    """Seconds with decimals, or RFC 3339; raises ``ValueError`` with Prometheus' text."""
    try:
        seconds = parse_float(text)
    except ValueError:
        return _rfc3339_ms(text)
    if not math.isfinite(seconds):
        raise ValueError(f"cannot parse {quote(text)} to a valid timestamp")
    return round(seconds * 1000)


def _rfc3339_ms(text: str) -> int:
    match = _RFC3339.fullmatch(text)
    refused = ValueError(f"cannot parse {quote(text)} to a valid timestamp")
    if match is None:
        raise refused
    try:
        moment = datetime(*(int(part) for part in match.groups()[:6]), tzinfo=timezone.utc)  # type: ignore[misc,arg-type]
    except ValueError:
        raise refused from None
    milliseconds = int((match[7] or "")[:3].ljust(3, "0"))
    offset_s = (int(match[9] or 0) * 60 + int(match[10] or 0)) * 60
    offset_s = -offset_s if match[8] == "-" else offset_s
    return (round(moment.timestamp()) - offset_s) * 1000 + milliseconds


def parse_seconds_or_duration_ms(text: str) -> float:
    """Seconds as a number, or a duration; raises ``ValueError`` with Prometheus' text."""
    try:
        seconds = parse_float(text)
    except ValueError:
        try:
            return parse_duration_ms(text)
        except ValueError:
            raise ValueError(f"cannot parse {quote(text)} to a valid duration") from None
    if not abs(seconds) <= 2**63 / 1e9:
        reason = f"cannot parse {quote(text)} to a valid duration. It overflows int64"
        raise ValueError(reason)
    return seconds * 1000
