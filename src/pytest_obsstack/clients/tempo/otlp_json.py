"""OTLP messages as Tempo answers them: protobuf's own JSON, which differs from OTLP/JSON.

Tempo prints them with ``jsonpb``: ids and bytes in base64, enumerations by name, 64-bit numbers as
text, fields with their default left out. OTLP/JSON has ids in hex and enumerations as numbers
(https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding); Tempo means to change to that
(https://github.com/grafana/tempo/issues/5437), so both are read.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw

_HEX = re.compile(r"[0-9a-fA-F]+")

_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_CODES = ("unset", "ok", "error")


def hex_id(raw: Raw, key: str, size: int) -> str | None:
    """The id at ``key`` of ``size`` bytes in lower-case hex; ``None`` where it is not given."""
    text = fields.optional_text(raw, key)
    if text is None:
        return None
    # 16 or 32 digits; base64 of 8 or 16 bytes has 12 or 24, so neither is taken for the other.
    if len(text) == 2 * size and _HEX.fullmatch(text):
        return text.lower() if int(text, 16) else None
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        data = b""
    if len(data) != size:
        raise fields.unexpected(f"field {key!r}", f"an id of {size} bytes in base64 or hex", text)
    return data.hex() if any(data) else None


def kind(raw: Raw) -> str | None:
    """``server``, ``client``, …; ``None`` where the sender gave none."""
    found = _enum(raw, "kind", "SPAN_KIND_", _KINDS)
    return None if found == _KINDS[0] else found


def status_code(raw: Raw) -> str:
    """``unset``, ``ok`` or ``error``."""
    return _enum(raw, "code", "STATUS_CODE_", _CODES)


def attributes(raw: Raw, key: str = "attributes") -> dict[str, Any]:
    """The attributes at ``key`` as plain values."""
    return _pairs(fields.optional_items(raw, key))


def any_value(value: Any) -> Any:
    """``AnyValue`` as ``str | bool | int | float | bytes | list | dict``; an empty one is ``None``.

    https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/common/v1/common.proto
    """
    value = fields.mapping(value, "an attribute's value")
    for key, read in _READERS.items():
        if key in value:
            return read(value, key)
    if value:
        raise fields.unexpected(
            "an attribute's value", f"one of {', '.join(_READERS)}", dict(value)
        )
    return None


def _pairs(items: Sequence[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in items:
        pair = fields.mapping(item, "an attribute")
        # An empty value is left out by some printers, and `{}` in others.
        value = pair.get("value")
        found[fields.text(pair, "key")] = None if value is None else any_value(value)
    return found


def _enum(raw: Raw, key: str, prefix: str, names: Sequence[str]) -> str:
    value = raw.get(key, 0)
    if isinstance(value, int) and not isinstance(value, bool):
        # Enumerations are open in proto3: a number that is not known yet says nothing.
        return names[value] if 0 <= value < len(names) else names[0]
    name = str(value).removeprefix(prefix).lower()
    if name not in names:
        expected = ", ".join(f"{prefix}{each.upper()}" for each in names)
        raise fields.unexpected(f"field {key!r}", expected, value)
    return name


def _string(raw: Raw, key: str) -> str:
    return fields.text(raw, key)


def _bytes(raw: Raw, key: str) -> bytes:
    text = fields.text(raw, key)
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise fields.unexpected(f"field {key!r}", "base64", text) from None


def _list(raw: Raw, key: str) -> list[Any]:
    return [any_value(item) for item in fields.optional_items(_inner(raw, key), "values")]


def _dict(raw: Raw, key: str) -> dict[str, Any]:
    return _pairs(fields.optional_items(_inner(raw, key), "values"))


def _inner(raw: Raw, key: str) -> Mapping[str, Any]:
    return fields.mapping(raw[key], f"field {key!r}")


_READERS = {
    "stringValue": _string,
    "boolValue": fields.optional_bool,
    "intValue": fields.integer,
    # NaN and the infinities come as text: "NaN", "Infinity", "-Infinity".
    "doubleValue": fields.number,
    "bytesValue": _bytes,
    "arrayValue": _list,
    "kvlistValue": _dict,
}
