"""Where an answer differs from what an OpenAPI document says of it: required members and types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_TYPES: Mapping[str, tuple[type[Any], ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def response_schema(
    document: Mapping[str, Any], path: str, method: str = "get", status: str = "200"
) -> Mapping[str, Any]:
    """The schema of a JSON answer; raises ``KeyError`` where the document has none."""
    content = document["paths"][path][method]["responses"][status]["content"]
    schema: Mapping[str, Any] = content["application/json"]["schema"]
    return schema


def differences(value: Any, schema: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """One line for each member that is missing, or of another type than the schema says."""
    if "anyOf" in schema:
        found = [list(differences(value, option, at)) for option in schema["anyOf"]]
        yield from min(found, key=len)
        return
    kind = schema.get("type")
    problem = None if kind is None else _problem(value, kind, schema)
    if problem is not None:
        yield f"{at or '.'}: {problem}"
    elif isinstance(value, list):
        for item in value:
            yield from differences(item, schema.get("items", {}), f"{at}[]")
    elif isinstance(value, dict):
        yield from _differences_of_members(value, schema, at)


def _problem(value: Any, kind: str, schema: Mapping[str, Any]) -> str | None:
    """What is wrong with the value itself."""
    choices = schema.get("enum")
    if value is None:
        allowed = schema.get("nullable") or (choices is not None and None in choices)
        return None if allowed else f"expected {kind}, found null"
    if not isinstance(value, _TYPES[kind]) or (kind != "boolean" and isinstance(value, bool)):
        return f"expected {kind}, found {type(value).__name__}"
    if choices is not None and value not in choices:
        return f"expected one of {choices}, found {value!r}"
    return None


def _differences_of_members(
    value: Mapping[str, Any], schema: Mapping[str, Any], at: str
) -> Iterator[str]:
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at}.{name}: missing"
    for name, member in schema.get("properties", {}).items():
        if name in value:
            yield from differences(value[name], member, f"{at}.{name}")
