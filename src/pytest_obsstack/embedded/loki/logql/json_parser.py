"""The stages ``json`` and ``unpack``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from pytest_obsstack.embedded.loki.logql import json_scan
from pytest_obsstack.embedded.loki.logql.errors import StageError
from pytest_obsstack.embedded.loki.logql.labels import EntryLabels, valid_name
from pytest_obsstack.embedded.loki.logql.syntax import JsonParser
from pytest_obsstack.embedded.loki.logql.text import stage_text

StageFunction = Callable[[str, EntryLabels], str | None]

JSON_ERROR = "JSONParserErr"
_DEEPEST = 100
_TOO_DEEP = "the object is nested too deeply for the embedded Loki"
_PACKED_LINE = "_entry"
_PATH_TOKEN = re.compile(
    r"\s*(?:(?P<FIELD>[^\W\d][\w]*)|(?P<STRING>\"(?:[^\"\\]|\\.)*\")|(?P<INDEX>\d+)|(?P<OTHER>.))"
)


class _Pairs(list[tuple[str, Any]]):
    """An object as its members in order: of a key given twice the first holds."""


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


# Numbers keep their text. The fast path for what is valid JSON; the rest is scanned by hand.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_Pairs,
    parse_float=str,
    parse_int=str,
    parse_constant=_refuse_constant,
    strict=False,
)


def json_stage(parser: JsonParser) -> StageFunction:
    """``json``, or ``json label="path", …``. ``StageError`` for a path that does not parse."""
    if parser.extractions:
        return _chosen_fields(parser)
    return _all_fields


def _all_fields(line: str, labels: EntryLabels) -> str:
    start = len(line) - len(line.lstrip(" \t\r\n"))
    if not line.startswith("{", start):
        labels.set_error(JSON_ERROR, json_scan.NOT_AN_OBJECT)
        return line
    try:
        pairs, _ = _DECODER.raw_decode(line, start)
    except RecursionError:
        labels.set_error(JSON_ERROR, _TOO_DEEP)
    except ValueError:
        try:
            _scan_object(line, "", labels, 1)
        except json_scan.JsonScanError as error:
            labels.set_error(JSON_ERROR, str(error))
    else:
        _extract_pairs(pairs, "", labels, has_escapes="\\u" in line)
    return line


def _extract_pairs(pairs: _Pairs, prefix: str, labels: EntryLabels, *, has_escapes: bool) -> None:
    for key, value in pairs:
        name = _joined(prefix, key)
        if not name or value is None:
            continue
        if isinstance(value, str):
            labels.extract(name, json_scan.without_surrogates(value) if has_escapes else value)
        elif isinstance(value, bool):
            labels.extract(name, "true" if value else "false")
        elif isinstance(value, _Pairs):
            _extract_pairs(value, name, labels, has_escapes=has_escapes)


def _scan_object(text: str, prefix: str, labels: EntryLabels, depth: int) -> None:
    if depth > _DEEPEST:
        raise json_scan.JsonScanError(_TOO_DEEP)
    for key, value in json_scan.members(text):
        name = _joined(prefix, key)
        if value.kind == "object" and name:
            _scan_object(value.raw, name, labels, depth + 1)
        elif value.kind in ("string", "number", "boolean") and name:
            labels.extract(name, value.text)


def _joined(prefix: str, key: str) -> str:
    name = valid_name(key, is_first=not prefix)
    return f"{prefix}_{name}" if prefix and name else name


def _chosen_fields(parser: JsonParser) -> StageFunction:
    try:
        paths = [(item.label, parse_path(item.expression)) for item in parser.extractions]
    except ValueError as error:
        raise StageError(stage_text(parser), str(error)) from error

    def stage(line: str, labels: EntryLabels) -> str:
        if not line.lstrip(" \t\r\n").startswith("{"):
            labels.set_error(JSON_ERROR)
            return line
        for label, path in paths:
            value = json_scan.find(line, path)
            found = value is not None and value.kind != "null"
            labels.set(labels.extracted_name(label), value.text if value and found else "")
        return line

    return stage


def parse_path(expression: str) -> tuple[str | int, ...]:
    """``a.b[0]["c d"]`` as keys and indexes; raises ``ValueError`` as Loki words it."""
    path: list[str | int] = []
    kind, text, at = _path_token(expression, 0)

    def fail(*expected: str) -> ValueError:
        reason = f"syntax error: unexpected {kind}"
        if expected:
            reason += ", expecting " + " or ".join(expected)
        return ValueError(f"cannot parse expression [{expression}]: {reason}")

    while True:
        if kind == "FIELD":
            path.append(text)
        elif kind == "[":
            kind, text, at = _path_token(expression, at)
            if kind not in ("STRING", "INDEX"):
                raise fail("STRING", "INDEX")
            path.append(int(text) if kind == "INDEX" else json_scan.unescape(text[1:-1]))
            kind, text, at = _path_token(expression, at)
            if kind != "]":
                raise fail("]")
        else:
            raise fail("FIELD") if path else fail("FIELD", "[")
        kind, text, at = _path_token(expression, at)
        if kind == "$end":
            return tuple(path)
        if kind == ".":
            kind, text, at = _path_token(expression, at)
            if kind != "FIELD":
                raise fail("FIELD")
        elif kind != "[":
            raise fail()


def _path_token(expression: str, at: int) -> tuple[str, str, int]:
    token = _PATH_TOKEN.match(expression, at)
    if token is None:
        return "$end", "", at
    kind = token.lastgroup or ""
    text = token[kind]
    return (text if kind == "OTHER" else kind), text, token.end()


def unpack_stage() -> StageFunction:
    """``unpack``: what promtail's ``pack`` stage has packed; any other object stays as it is."""

    def stage(line: str, labels: EntryLabels) -> str:
        if not line.lstrip(" \t\r\n").startswith("{"):
            labels.set_error(JSON_ERROR, "expecting json object(6), but it is not")
            return line
        try:
            found = list(json_scan.members(line))
        except json_scan.JsonScanError as error:
            labels.set_error(JSON_ERROR, str(error))
            return line
        packed = {key: value.text for key, value in found if value.kind == "string"}
        original = packed.pop(_PACKED_LINE, None)
        if original is None:
            return line
        for key, text in packed.items():
            labels.extract(valid_name(key), text)
        return original

    return stage
