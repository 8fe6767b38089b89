"""Reads foreign JSON at the boundary: each function takes one field, or says what is wrong with it.

``optional_…`` gives ``None`` for a field that is absent or null. A field of another type than the
API documents raises ``ObsstackError``: something else answered, or the API has changed, and to go
on would turn that into a wrong statement about the telemetry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from pytest_obsstack.errors import ObsstackError

Raw = Mapping[str, Any]

_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:?\d\d)?$", re.IGNORECASE
)


def unexpected(what: str, expected: str, found: object) -> ObsstackError:
    """The error for an answer that is not of the documented shape."""
    shown = found if isinstance(found, str) else json.dumps(found, default=repr)
    if len(shown) > 300:
        shown = shown[:300] + "…"
    return ObsstackError(
        f"The answer is not what the API documents: {what}.",
        expected=expected,
        found=shown,
        advice="check that the URL is the product's own and that its version is supported",
    )


def mapping(value: Any, what: str) -> Raw:
    if not isinstance(value, Mapping):
        raise unexpected(what, "an object", value)
    return value


def items(value: Any, what: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise unexpected(what, "a list", value)
    return value


def optional_mapping(raw: Raw, key: str) -> Raw:
    """The object at ``key``; an empty one for absent or null."""
    value = raw.get(key)
    return {} if value is None else mapping(value, f"field {key!r}")


def optional_items(raw: Raw, key: str) -> Sequence[Any]:
    """The list at ``key``; an empty one for absent or null."""
    value = raw.get(key)
    return () if value is None else items(value, f"field {key!r}")


def optional_mappings(raw: Raw, key: str, what: str) -> Iterator[Raw]:
    """The objects of the list at ``key``, each called ``what``; none for absent or null."""
    for item in optional_items(raw, key):
        yield mapping(item, what)


def text(raw: Raw, key: str) -> str:
    value = raw.get(key)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise _not(raw, key, "a string")
    return str(value)


def optional_text(raw: Raw, key: str) -> str | None:
    """Absent, null and empty are all ``None``: Sentry writes any of them for "not given"."""
    value = raw.get(key)
    return None if value is None or value == "" else text(raw, key)


def optional_bool(raw: Raw, key: str) -> bool | None:
    value = raw.get(key)
    if value is None:
        return None
    if isinstance(value, bool):
        return value
    # Explore datasets answer booleans as 0/1 or "0"/"1" in some versions.
    if value in (0, 1, "0", "1", "true", "false"):
        return value in (1, "1", "true")
    raise unexpected(f"field {key!r}", "true or false", value)


def number(raw: Raw, key: str) -> float:
    value = optional_number(raw, key)
    if value is None:
        raise _not(raw, key, "a number")
    return value


def optional_number(raw: Raw, key: str) -> float | None:
    value = raw.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError:
            pass
    raise unexpected(f"field {key!r}", "a number", value)


def optional_integer(raw: Raw, key: str) -> int | None:
    value = raw.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"-?\d+", value):
        return int(value)
    raise unexpected(f"field {key!r}", "an integer", value)


def integer(raw: Raw, key: str) -> int:
    value = optional_integer(raw, key)
    if value is None:
        raise _not(raw, key, "an integer")
    return value


def optional_time(raw: Raw, key: str) -> datetime | None:
    """An ISO 8601 time, or a number of seconds since the epoch, as an aware ``datetime`` in UTC."""
    value = raw.get(key)
    if value is None or value == "":
        return None
    return parse_time(value)


def optional_go_time(raw: Raw, key: str) -> datetime | None:
    """As ``optional_time``; ``None`` also for Go's zero time, of year 1: it stands for "never"."""
    found = optional_time(raw, key)
    return None if found is None or found.year == 1 else found


def parse_time(value: Any) -> datetime:
    """An aware ``datetime`` in UTC; a time without a zone is UTC, digits beyond µs are cut."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, timezone.utc)
    match = _ISO.match(value) if isinstance(value, str) else None
    if match is None:
        raise unexpected("a time", "ISO 8601, or seconds since the epoch", value)
    date, clock, fraction, zone = match.groups()
    micros = (fraction or "")[:6].ljust(6, "0")
    offset = "+00:00" if zone is None or zone in "Zz" else zone
    if len(offset) == 5:
        offset = f"{offset[:3]}:{offset[3:]}"
    return datetime.fromisoformat(f"{date}T{clock}.{micros}{offset}").astimezone(timezone.utc)


def _not(raw: Raw, key: str, expected: str) -> ObsstackError:
    # Of an object without the field only names are told: its values may hold keys and tokens.
    found = raw[key] if key in raw else f"only {', '.join(map(repr, raw)) or 'an empty object'}"
    return unexpected(f"field {key!r}", expected, found)


def string_map(raw: Raw) -> dict[str, str]:
    """A label set: every value as text."""
    return {str(key): value if isinstance(value, str) else str(value) for key, value in raw.items()}
