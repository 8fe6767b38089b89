"""The stage ``logfmt``: ``key=value key="quoted value"``, as Go's logfmt decoder reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from pytest_obsstack.embedded.loki.logql.labels import EntryLabels, valid_name
from pytest_obsstack.embedded.loki.logql.syntax import LogfmtParser

LOGFMT_ERROR = "LogfmtParserErr"

_GARBAGE = re.compile(r"[\x00-\x20]*")
_BARE = re.compile(r'[^\x00-\x20="]*')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_TO_SPACE = re.compile(r"[^\x00-\x20]*")


class LogfmtError(ValueError):
    """A fault in a pair: the decoder's message, and ``end``, where the next pair may begin."""

    def __init__(self, line: str, at: int, reason: str, end: int) -> None:
        position = len(line[:at].encode()) + 1
        super().__init__(f"logfmt syntax error at pos {position} : {reason}")
        self.end = end


def logfmt_stage(parser: LogfmtParser) -> Callable[[str, EntryLabels], str | None]:
    """``logfmt`` with its flags, or ``logfmt label="key", …``."""
    chosen = [(item.label, item.expression) for item in parser.extractions]

    def stage(line: str, labels: EntryLabels) -> str:
        first_values: dict[str, str] = {}
        try:
            for key, value in pairs(line, strict=parser.strict):
                if chosen:
                    first_values.setdefault(key, value)
                elif value or parser.keep_empty:
                    name = valid_name(key)
                    if name:
                        labels.extract(name, value)
        except LogfmtError as error:
            labels.set_error(LOGFMT_ERROR, str(error))
        for label, key in chosen:
            labels.set(labels.extracted_name(label), first_values.get(key, ""))
        return line

    return stage


def pairs(line: str, *, strict: bool) -> Iterator[tuple[str, str]]:
    """Keys and values; a key alone has an empty one.

    A faulty pair is skipped, or if ``strict`` raises ``LogfmtError``.
    """
    at = 0
    while True:
        at = _end(_GARBAGE, line, at)
        if at >= len(line):
            return
        try:
            key, value, at = _pair(line, at)
        except LogfmtError as error:
            if strict:
                raise
            at = error.end
        else:
            yield key, value


def _pair(line: str, at: int) -> tuple[str, str, int]:
    """(key, value, end) of the pair at ``at``; raises ``LogfmtError``."""
    end = _end(_BARE, line, at)
    key = line[at:end]
    follows = line[end : end + 1]
    if not key or follows == '"':
        raise _unexpected(line, end)
    if follows != "=":
        return key, "", end
    at = end + 1
    if line[at : at + 1] == '"':
        quoted = _QUOTED.match(line, at)
        if quoted is None:
            raise LogfmtError(line, len(line), "unterminated quoted value", len(line))
        return key, _unquoted(line, quoted), quoted.end()
    end = _end(_BARE, line, at)
    if line[end : end + 1] in ("=", '"'):
        raise _unexpected(line, end)
    return key, line[at:end], end


def _unquoted(line: str, quoted: re.Match[str]) -> str:
    raw = quoted[1]
    if "\\" not in raw:
        return raw
    try:
        text: str = json.loads(f'"{raw}"', strict=False)
    except ValueError as error:
        raise LogfmtError(line, quoted.end(), "invalid quoted value", quoted.end()) from error
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unexpected(line: str, at: int) -> LogfmtError:
    return LogfmtError(line, at, f"unexpected '{line[at]}'", _end(_TO_SPACE, line, at))


def _end(pattern: re.Pattern[str], line: str, at: int) -> int:
    match = pattern.match(line, at)
    return match.end() if match else at
