"""OpenMetrics 1.0.

https://prometheus.io/docs/specs/om/open_metrics_spec/: like the text format, but strict in blanks,
times in seconds, ``# UNIT``, exemplars behind a second ``#``, and ``# EOF`` as the last line (the
clause "MUST end with an EOF line" is what tells a truncated body).
"""

from __future__ import annotations

import re

from pytest_obsstack.embedded.go_quote import quote
from pytest_obsstack.embedded.prometheus.exposition.family import (
    Exposition,
    ExpositionError,
    ScrapedSample,
    read_float,
    read_labels,
    read_series,
    unescape,
)
from pytest_obsstack.embedded.prometheus.model import Exemplar, Metadata, labels_of

_TYPES = frozenset(
    {
        "counter",
        "gauge",
        "gaugehistogram",
        "histogram",
        "info",
        "stateset",
        "summary",
        "unknown",
    }
)
_COMMENT = re.compile(
    r'# (?P<kind>TYPE|HELP|UNIT) (?P<name>"(?:\\.|[^"\\])*"|[a-zA-Z_:][a-zA-Z0-9_:]*)'
    r"(?: (?P<rest>.*))?"
)
_END = "# EOF"


def parse_openmetrics(body: str) -> Exposition:
    """Raises ``ExpositionError``."""
    exposition = Exposition()
    lines = body.split("\n")
    for number, line in enumerate(lines, 1):
        if line == _END:
            if lines[number:] not in ([], [""]):
                raise ExpositionError(f"line {number + 1}: unexpected data after # EOF")
            return exposition
        if line.startswith("#"):
            _read_comment(line, number, exposition)
        elif line or number < len(lines):
            exposition.samples.append(_read_sample(line, number))
    raise ExpositionError("data does not end with # EOF")


def _read_comment(line: str, number: int, exposition: Exposition) -> None:
    match = _COMMENT.fullmatch(line)
    if match is None:
        raise ExpositionError(f"line {number}: expected TYPE, HELP, UNIT or EOF, got {quote(line)}")
    name, rest = match["name"].strip('"'), match["rest"]
    if rest is None:
        raise ExpositionError(f"line {number}: expected text in {match['kind']}")
    known = exposition.metadata.get(name, Metadata())
    if match["kind"] == "HELP":
        exposition.metadata[name] = Metadata(known.type, unescape(rest), known.unit)
    elif match["kind"] == "UNIT":
        if rest and not name.endswith("_" + rest):
            text = f"line {number}: unit {quote(rest)} is not a suffix of metric {quote(name)}"
            raise ExpositionError(text)
        exposition.metadata[name] = Metadata(known.type, known.help, rest)
    elif rest in _TYPES:
        exposition.metadata[name] = Metadata(rest, known.help, known.unit)
    else:
        raise ExpositionError(f"line {number}: invalid metric type {quote(rest)}")


def _read_sample(line: str, number: int) -> ScrapedSample:
    labels, position = read_series(line, number, strict=True)
    if not line.startswith(" ", position):
        rest = quote(line[position:])
        raise ExpositionError(f"line {number}: expected a space and a value, got {rest}")
    sample, mark, exemplar_text = line[position + 1 :].partition(" # ")
    parts = sample.split(" ")
    if len(parts) > 2 or not parts[0]:
        text = f"line {number}: expected a value and a timestamp at most, got {quote(sample)}"
        raise ExpositionError(text)
    value = read_float(parts[0], number)
    timestamp_ms = _milliseconds(parts[1], number) if len(parts) == 2 else None
    exemplar = _read_exemplar(exemplar_text, number) if mark else None
    return ScrapedSample(labels, value, timestamp_ms, exemplar)


def _read_exemplar(text: str, number: int) -> Exemplar:
    if not text.startswith("{"):
        raise ExpositionError(
            f"line {number}: expected the labels of an exemplar, got {quote(text)}"
        )
    pairs: list[tuple[str, str]] = []
    position = read_labels(text, 1, pairs, number, strict=True)
    parts = text[position:].split(" ")
    if parts[0] != "" or len(parts) not in (2, 3):
        raise ExpositionError(
            f"line {number}: expected the value of an exemplar, got {quote(text)}"
        )
    timestamp_ms = _milliseconds(parts[2], number) if len(parts) == 3 else None
    return Exemplar(labels_of(pairs), read_float(parts[1], number), timestamp_ms)


def _milliseconds(text: str, number: int) -> int:
    seconds = read_float(text, number)
    if not abs(seconds) < 2**53:
        raise ExpositionError(f"line {number}: invalid timestamp {quote(text)}")
    return int(seconds * 1000)
