"""OTLP's values as Python values and as text: AnyValue, attributes, ids."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pytest_obsstack.wire.malformed import WireError

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

# Go's encoding/json, which the collector and Loki print nested values with, escapes these three.
_GO_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def plain_value(value: AnyValue) -> Any:
    """``str | bool | int | float | bytes | list | dict | None``; None is OTLP's empty value."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    return getattr(value, kind)


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Key → plain value. Keys are unique by the data model; of a repeated one the last holds."""
    return {pair.key: plain_value(pair.value) for pair in pairs}


def text_of(value: Any) -> str:
    """A plain value as the collector and Loki print it where only text will do (labels, metadata).

    Text stays as it is, empty is ``""``, bytes are base64, lists and maps are compact JSON with
    sorted keys, numbers as in JSON (``1.0`` is ``1``).
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return _json(value)


def hex_id(raw: bytes, size: int) -> str | None:
    """The id in lower-case hex; None where it is empty or all zero, which OTLP counts as absent.

    ``size`` is 16 for a trace id, 8 for a span id. Any other length raises ``WireError``.
    """
    if not raw:
        return None
    if len(raw) != size:
        raise WireError(f"invalid length for an id: expected {size} bytes, found {len(raw)}")
    return raw.hex() if any(raw) else None


def _json(value: Any) -> str:
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, list):
        return "[" + ",".join(_json(item) for item in value) + "]"
    if isinstance(value, dict):
        members = (f"{_json(key)}:{_json(value[key])}" for key in sorted(value))
        return "{" + ",".join(members) + "}"
    if isinstance(value, bytes):
        value = base64.b64encode(value).decode("ascii")
    import orjson

    return orjson.dumps(value).decode("utf-8").translate(_GO_ESCAPES)


def _float_text(number: float) -> str:
    """The shortest text that reads back the same; an exponent below 1e-6 and from 1e21 on."""
    if not math.isfinite(number):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(number)]
    if number == 0 or 1e-6 <= abs(number) < 1e21:
        text = format(Decimal(repr(number)), "f")
        return text.removesuffix(".0")
    return repr(number).replace("e-0", "e-").replace(".0e", "e")
