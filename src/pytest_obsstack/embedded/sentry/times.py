"""Times: Unix nanoseconds inside, ISO 8601 in the API, and the periods of query parameters."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

NS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9})\d*)?)?)?"
    r"(Z|[+-]\d\d:?\d\d)?",
    re.ASCII | re.IGNORECASE,
)
_PERIOD = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
# Beyond these Sentry takes a timestamp for nonsense too (and datetime has no year for it).
_MAX_S = 253_402_300_799


def parse_timestamp(value: Any) -> int | None:
    """Unix nanoseconds of an event's timestamp: seconds as a number, or ISO 8601 (UTC if naive).

    ``None`` for anything else.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        # Compared before it is multiplied: the product of a huge float would be infinite.
        return round(value * NS) if 0 <= value <= _MAX_S else None
    return parse_iso(value) if isinstance(value, str) else None


def parse_iso(text: str) -> int | None:
    """Unix nanoseconds of an ISO 8601 date or time, UTC where it names no zone; else ``None``."""
    match = _ISO.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            tzinfo=timezone.utc,
        )
    except ValueError:
        return None
    whole_s = int((moment - _EPOCH) / timedelta(seconds=1)) - _zone_offset_s(zone)
    return _in_range(whole_s * NS + int((fraction or "0").ljust(9, "0")))


def iso(timestamp_ns: int) -> str:
    """``2026-11-23T15:34:57.299839Z``, as Sentry prints times; cut to microseconds."""
    moment = _EPOCH + timedelta(microseconds=timestamp_ns // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def iso_or_none(timestamp_ns: int | None) -> str | None:
    return None if timestamp_ns is None else iso(timestamp_ns)


def seconds(timestamp_ns: int) -> float:
    """Unix seconds, to the microsecond."""
    return round(timestamp_ns / NS, 6)


def parse_period_ns(text: str) -> int | None:
    """Nanoseconds of a ``statsPeriod`` such as ``30s``, ``24h``, ``14d``; else ``None``."""
    match = _PERIOD.fullmatch(text)
    return int(match[1]) * _UNIT_S[match[2]] * NS if match else None


def _zone_offset_s(zone: str | None) -> int:
    if zone is None or zone in "Zz":
        return 0
    sign = -1 if zone[0] == "-" else 1
    return sign * (int(zone[1:3]) * 3600 + int(zone[-2:]) * 60)


def _in_range(timestamp_ns: int) -> int | None:
    return timestamp_ns if 0 <= timestamp_ns <= _MAX_S * NS else None
