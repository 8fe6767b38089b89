"""Text format 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format: one sample a line,
``name{label="value",…} value [timestamp in milliseconds]``; ``# TYPE`` and ``# HELP`` describe
families, other comments are ignored. As in Prometheus' own parser, the order of lines does not
count, a carriage return is no blank, and the last line may lack its line feed.
"""

from __future__ import annotations

import re

from pytest_obsstack.embedded.go_quote import quote
from pytest_obsstack.embedded.prometheus.exposition.family import (
    Exposition,
    ExpositionError,
    ScrapedSample,
    read_float,
    read_series,
    unescape,
)
from pytest_obsstack.embedded.prometheus.model import Metadata

_TYPES = frozenset({"counter", "gauge", "histogram", "summary", "untyped", "unknown"})
_COMMENT = re.compile(
    r'#[ \t]+(?P<kind>TYPE|HELP)[ \t]+(?P<name>"(?:\\.|[^"\\])*"|\S+)(?:[ \t](?P<rest>.*))?'
)
_BLANKS = re.compile(r"[ \t]+")
_TIMESTAMP = re.compile(r"\d{1,18}", re.ASCII)


def parse_text(body: str) -> Exposition:
    """Raises ``ExpositionError``."""
    exposition = Exposition()
    for number, raw in enumerate(body.split("\n"), 1):
        line = raw.lstrip(" \t")
        if line.startswith("#"):
            _read_comment(line, number, exposition)
        elif line:
            exposition.samples.append(_read_sample(line, number))
    return exposition


def _read_comment(line: str, number: int, exposition: Exposition) -> None:
    match = _COMMENT.fullmatch(line)
    if match is None:
        return
    name, rest = match["name"].strip('"'), match["rest"] or ""
    known = exposition.metadata.get(name, Metadata())
    if match["kind"] == "HELP":
        text = unescape(rest)
        exposition.metadata[name] = Metadata(known.type, text, known.unit)
        return
    kind = rest
    if kind not in _TYPES:
        raise ExpositionError(f"line {number}: invalid metric type {quote(kind)}")
    kind = "unknown" if kind == "untyped" else kind
    exposition.metadata[name] = Metadata(kind, known.help, known.unit)


def _read_sample(line: str, number: int) -> ScrapedSample:
    labels, position = read_series(line, number, strict=False)
    value, *rest = _BLANKS.split(line[position:].strip(" \t"))
    timestamp_ms = None
    if rest:
        if not _TIMESTAMP.fullmatch(rest[0]):
            raise ExpositionError(f"line {number}: expected a timestamp, got {quote(rest[0])}")
        timestamp_ms = int(rest[0])
    if len(rest) > 1:
        raise ExpositionError(f"line {number}: expected the end of the line, got {quote(rest[1])}")
    return ScrapedSample(labels, read_float(value, number), timestamp_ms)
