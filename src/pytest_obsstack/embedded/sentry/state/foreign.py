"""Reading other people's JSON: every function takes anything and gives the type it names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def as_dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str | None:
    """Text as it is, numbers and booleans printed as JSON does; ``None`` for the rest."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    return None


def values_of(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list, which is ``[…]``, ``{"values": […]}`` or a single object."""
    if isinstance(value, Mapping):
        inner = value.get("values")
        entries = [value] if inner is None and value else as_list(inner)
    else:
        entries = as_list(value)
    return [entry for entry in entries if isinstance(entry, Mapping)]


def pairs_of(value: Any) -> list[tuple[str, Any]]:
    """Key and value of ``{"k": v}`` or ``[["k", v], …]``, in order."""
    if isinstance(value, Mapping):
        return [(str(key), item) for key, item in value.items()]
    return [
        (str(entry[0]), entry[1])
        for entry in as_list(value)
        if isinstance(entry, list) and len(entry) == 2 and entry[0] is not None
    ]


def hex_id(value: Any, digits: int) -> str | None:
    """A lower-case hexadecimal id of that many digits, dashes taken out; ``None`` for the rest."""
    text = value.replace("-", "").lower() if isinstance(value, str) else ""
    if len(text) != digits or not set(text) <= set("0123456789abcdef") or not text.strip("0"):
        return None
    return text
