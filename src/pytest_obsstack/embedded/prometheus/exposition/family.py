"""What both formats have in common: samples, metadata, and how a line of labels is read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pytest_obsstack.embedded.go_quote import quote
from pytest_obsstack.embedded.prometheus.format import parse_float
from pytest_obsstack.embedded.prometheus.model import (
    METRIC_NAME,
    Exemplar,
    Labels,
    Metadata,
    labels_of,
)

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(
    r'(?P<name>[a-zA-Z_][a-zA-Z0-9_]*|"(?:\\.|[^"\\\n])*")'
    r'(?:[ \t]*=[ \t]*"(?P<value>(?:\\.|[^"\\\n])*)")?[ \t]*,?'
)
_STRICT_LABEL = re.compile(
    r'(?P<name>[a-zA-Z_][a-zA-Z0-9_]*|"(?:\\.|[^"\\\n])*")'
    r'(?:="(?P<value>(?:\\.|[^"\\\n])*)")?(?:,|(?=\}))'
)
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}
_BLANKS = re.compile(r"[ \t]*")


class ExpositionError(Exception):
    """A body that is not in its format; the target is down for it. ``str()`` says what is wrong."""


@dataclass(frozen=True)
class ScrapedSample:
    """``timestamp_ms`` is ``None`` where the line carried none."""

    labels: Labels
    value: float
    timestamp_ms: int | None = None
    exemplar: Exemplar | None = None


@dataclass
class Exposition:
    """``metadata`` by the name of the metric family."""

    samples: list[ScrapedSample] = field(default_factory=list)
    metadata: dict[str, Metadata] = field(default_factory=dict)


def read_series(line: str, line_number: int, *, strict: bool) -> tuple[Labels, int]:
    """The labels (with the name) at the beginning of a line, and where they end.

    ``strict`` takes no blanks within.
    """
    name = _NAME.match(line)
    position = name.end() if name else 0
    pairs: list[tuple[str, str]] = [(METRIC_NAME, name[0])] if name else []
    after_blanks = position if strict else blanks_end(line, position)
    if line.startswith("{", after_blanks):
        position = read_labels(line, after_blanks + 1, pairs, line_number, strict=strict)
    if not pairs or all(label != METRIC_NAME for label, _ in pairs):
        raise ExpositionError(f"line {line_number}: expected a metric name, got {quote(line)}")
    return labels_of(pairs), position


def read_labels(
    line: str, position: int, pairs: list[tuple[str, str]], line_number: int, *, strict: bool
) -> int:
    """Adds the labels up to the closing brace to ``pairs``; the position after it."""
    seen = {name for name, _ in pairs}
    while True:
        position = position if strict else blanks_end(line, position)
        if line.startswith("}", position):
            return position + 1
        match = (_STRICT_LABEL if strict else _LABEL).match(line, position)
        if match is None:
            rest = quote(line[position:])
            raise ExpositionError(f"line {line_number}: expected a label, got {rest}")
        name, value = match["name"], match["value"]
        if name.startswith('"'):
            name = unescape(name[1:-1])
        elif value is None:
            text = f"line {line_number}: label {name} has no value"
            raise ExpositionError(text)
        if value is None:
            # A metric name in quotes stands in the place of a label (UTF-8 names).
            name, value = METRIC_NAME, name
        if name in seen:
            raise ExpositionError(f"line {line_number}: label name {quote(name)} is not unique")
        seen.add(name)
        pairs.append((name, unescape(value)))
        position = match.end()


def unescape(text: str) -> str:
    r"""``\n``, ``\"`` and ``\\`` resolved; other sequences stay as they are."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[0]), text)


def blanks_end(line: str, position: int) -> int:
    match = _BLANKS.match(line, position)
    return match.end() if match else position


def read_float(text: str, line_number: int) -> float:
    try:
        if "_" not in text:
            return parse_float(text)
        raise ExpositionError(f"line {line_number}: unsupported character in float")
    except ValueError:
        raise ExpositionError(
            f"line {line_number}: strconv.ParseFloat: parsing {quote(text)}: invalid syntax"
        ) from None
