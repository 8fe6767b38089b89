"""The stages ``pattern`` and ``regexp``, and patterns (``<_> - <_>``) in line filters."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pytest_obsstack.embedded.loki.logql.errors import ParseError
from pytest_obsstack.embedded.loki.logql.labels import EntryLabels, valid_name
from pytest_obsstack.embedded.loki.logql.regexps import RegexpError, compile_search
from pytest_obsstack.embedded.loki.logql.syntax import PatternParser, RegexpParser

_CAPTURE = re.compile(r"<([a-zA-Z_][a-zA-Z0-9_]*)>")
UNNAMED = "_"

StageFunction = Callable[[str, EntryLabels], str | None]


@dataclass(frozen=True)
class Capture:
    """``<name>``; ``<_>`` skips."""

    name: str


class PatternError(ValueError):
    """A pattern that Loki refuses; ``str()`` is its message."""


def parse_pattern(pattern: str) -> tuple[str | Capture, ...]:
    """Texts and captures in turn. Raises ``PatternError`` for two captures side by side."""
    parts: list[str | Capture] = []
    at = 0
    for capture in _CAPTURE.finditer(pattern):
        if capture.start() > at:
            parts.append(pattern[at : capture.start()])
        elif parts and isinstance(parts[-1], Capture):
            both = f"<{parts[-1].name}>{capture[0]}"
            raise PatternError(f"found consecutive capture '{both}': invalid expression")
        parts.append(Capture(capture[1]))
        at = capture.end()
    if at < len(pattern):
        parts.append(pattern[at:])
    return tuple(parts)


def pattern_stage(parser: PatternParser) -> StageFunction:
    """``pattern``: a capture whose end is not found takes the rest of the line. ``ParseError``."""
    try:
        parts = _capturing(parser.pattern)
    except PatternError as error:
        raise ParseError(f"invalid pattern parser: {error}") from error

    def stage(line: str, labels: EntryLabels) -> str:
        for name, value in _captures(parts, line):
            labels.extract(name, value)
        return line

    return stage


def _capturing(pattern: str) -> tuple[str | Capture, ...]:
    parts = parse_pattern(pattern)
    names = [part.name for part in parts if isinstance(part, Capture) and part.name != UNNAMED]
    if not names:
        raise PatternError("at least one capture is required")
    for name in names:
        if names.count(name) > 1:
            raise PatternError(f"duplicate capture name ({name}): invalid expression")
    return parts


def _captures(parts: tuple[str | Capture, ...], line: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    rest = line
    waiting: str | None = None  # the capture whose end is looked for
    for part in parts:
        if isinstance(part, Capture):
            waiting = part.name
            continue
        at = rest.find(part)
        if waiting is None:
            if at != 0:
                return []
        elif waiting != UNNAMED:
            found.append((waiting, rest if at < 0 else rest[:at]))
        if at < 0:
            return found
        waiting = None
        rest = rest[at + len(part) :]
    if waiting is not None and waiting != UNNAMED:
        found.append((waiting, rest))
    return found if line else []


def pattern_test(pattern: str) -> Callable[[str], bool]:
    """The filter ``|>``: texts in their order, something for each capture, to the end of the line.

    Raises ``PatternError`` (a named capture captures nothing here).
    """
    parts = parse_pattern(pattern)
    for part in parts:
        if isinstance(part, Capture) and part.name != UNNAMED:
            raise PatternError(f"named captures are not allowed: found '<{part.name}>'")

    def test(line: str) -> bool:
        if not line or not parts:
            return not line and not parts
        at = 0
        for index, part in enumerate(parts):
            if isinstance(part, Capture):
                continue
            found = line.find(part, at)
            if found < 0 or (index > 0 and found == at):
                return False
            at = found + len(part)
        return isinstance(parts[-1], Capture) == (at < len(line))

    return test


def regexp_stage(parser: RegexpParser) -> StageFunction:
    """``regexp``: named groups become labels, empty where they match nothing. ``ParseError``."""
    try:
        expression = compile_search(parser.pattern)
    except RegexpError as error:
        raise ParseError(f"invalid regexp parser: {error}") from error
    if not expression.groupindex:
        raise ParseError("invalid regexp parser: at least one named capture must be supplied")

    def stage(line: str, labels: EntryLabels) -> str:
        match = expression.search(line)
        if match is not None:
            for name, value in match.groupdict().items():
                labels.extract(valid_name(name), value or "")
        return line

    return stage
