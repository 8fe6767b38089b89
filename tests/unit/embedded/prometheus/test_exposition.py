"""Bodies, and whether a real Prometheus 3.5 takes them (each was asked)."""

from __future__ import annotations

import pytest

from pytest_obsstack.embedded.prometheus.exposition import (
    Exposition,
    ExpositionError,
    ScrapedSample,
    parse,
)
from pytest_obsstack.embedded.prometheus.model import Exemplar, Metadata, labels_of

TEXT = "text/plain; version=0.0.4"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def sample(name: str = "a", value: float = 1.0, **labels: str) -> ScrapedSample:
    return ScrapedSample(labels_of({"__name__": name, **labels}), value)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a 1", sample()),
        ("a{} 1", sample()),
        ('a{b="c",} 1', sample(b="c")),
        ('a { b = "c" , d="e" } 1', sample(b="c", d="e")),
        ('a{b="c"d="e"} 1', sample(b="c", d="e")),
        ("a\t1\t", sample()),
        ("a 1e5", sample(value=1e5)),
        ("a +Inf", sample(value=float("inf"))),
        ('a{b="}#,"} 1', sample(b="}#,")),
        ('a{b="\\n\\\\\\"\\x"} 1', sample(b='\n\\"\\x')),
        ('a{b="é"} 1', sample(b="é")),
        ('a{b=""} 1', sample()),
        ('{"a.b","c.d"="e"} 1', ScrapedSample(labels_of({"__name__": "a.b", "c.d": "e"}), 1.0)),
        ('a{"c.d"="e"} 1', ScrapedSample(labels_of({"__name__": "a", "c.d": "e"}), 1.0)),
        ("a 1 1700000000123", ScrapedSample(labels_of({"__name__": "a"}), 1.0, 1700000000123)),
    ],
)
def test_line_of_the_text_format_is_read(line: str, expected: ScrapedSample) -> None:
    assert parse(f"{line}\n".encode(), TEXT) == Exposition([expected])
    assert parse(line.encode(), TEXT) == Exposition([expected])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a", 'line 1: strconv.ParseFloat: parsing "": invalid syntax'),
        ("a x", 'parsing "x": invalid syntax'),
        ("a 1_0", "unsupported character in float"),
        ("a 1e400", 'parsing "1e400"'),
        ("a -nan", 'parsing "-nan"'),
        ("a 1\r", r'parsing "1\\r"'),
        ("a 1 1.5", 'expected a timestamp, got "1.5"'),
        ("a 1 -5", 'expected a timestamp, got "-5"'),
        ("a 1 17 x", 'expected the end of the line, got "x"'),
        ('a{b="c} 1', "label b has no value"),
        ("a{b=c} 1", "label b has no value"),
        ('a{b="c",b="d"} 1', 'label name "b" is not unique'),
        ('a{b:c="d"} 1', "label b has no value"),
        ("a{,} 1", "expected a label, got"),
        ('{b="c"} 1', "expected a metric name"),
        ("1a 1", "expected a metric name"),
        ("a-b 1", 'parsing "-b"'),
        ('a{b="c"} 1 # {x="y"} 2', 'expected a timestamp, got "#"'),
        ("# TYPE a nonsense", 'invalid metric type "nonsense"'),
        ("# TYPE  a  gauge", 'invalid metric type " gauge"'),
    ],
)
def test_line_that_is_none_fails_the_scrape(line: str, reason: str) -> None:
    with pytest.raises(ExpositionError, match=reason):
        parse(f"{line}\n".encode(), TEXT)


def test_comments_describe_families() -> None:
    body = b"# HELP a_total How\\nmany\\\\.\n# TYPE a_total counter\n# any other\n#x\n\na_total 1\n"
    exposition = parse(body, TEXT)
    assert exposition.metadata == {"a_total": Metadata("counter", "How\nmany\\.")}
    assert parse(b"# TYPE a untyped\n", TEXT).metadata == {"a": Metadata("unknown")}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a 1", sample()),
        ('a{b="c",} 1', sample(b="c")),
        ("a 1 1700000000.5", ScrapedSample(labels_of({"__name__": "a"}), 1.0, 1700000000500)),
        (
            'a_bucket{le="1"} 1 # {trace_id="ab"} 0.5 1700000000.25',
            ScrapedSample(
                labels_of({"__name__": "a_bucket", "le": "1"}),
                1.0,
                None,
                Exemplar(labels_of({"trace_id": "ab"}), 0.5, 1700000000250),
            ),
        ),
        (
            "a_total 1 # {} 0.5",
            ScrapedSample(labels_of({"__name__": "a_total"}), 1.0, None, Exemplar((), 0.5, None)),
        ),
    ],
)
def test_line_of_openmetrics_is_read(line: str, expected: ScrapedSample) -> None:
    assert parse(f"{line}\n# EOF\n".encode(), OPEN_METRICS) == Exposition([expected])
    assert parse(f"{line}\n# EOF".encode(), OPEN_METRICS) == Exposition([expected])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("a 1\n", "data does not end with # EOF"),
        ("", "data does not end with # EOF"),
        ("a 1\n# EOF\nb 1\n", "unexpected data after # EOF"),
        ("a 1\n# EOF\n\n", "unexpected data after # EOF"),
        ("\na 1\n# EOF\n", "expected a metric name"),
        ("a  1\n# EOF\n", "expected a value and a timestamp at most"),
        ("a 1 \n# EOF\n", 'parsing "": invalid syntax'),
        ("a\n# EOF\n", "expected a space and a value"),
        ('a{ b="c"} 1\n# EOF\n', "expected a label"),
        ('a {b="c"} 1\n# EOF\n', "parsing"),
        ('a{b="c"d="e"} 1\n# EOF\n', "expected a label"),
        ("a 1 NaN\n# EOF\n", 'invalid timestamp "NaN"'),
        ("a 1 1 1\n# EOF\n", "expected a value and a timestamp at most"),
        ('a_bucket{le="1"} 1 # {x="y"}\n# EOF\n', "expected the value of an exemplar"),
        ('a_bucket{le="1"} 1 # x\n# EOF\n', "expected the labels of an exemplar"),
        ("# comment\na 1\n# EOF\n", "expected TYPE, HELP, UNIT or EOF"),
        ("# TYPE a untyped\n# EOF\n", 'invalid metric type "untyped"'),
        ("# HELP a\n# EOF\n", "expected text in HELP"),
        ("# UNIT a seconds\n# EOF\n", 'unit "seconds" is not a suffix of metric "a"'),
        ("a 1\r\n# EOF\r\n", "strconv.ParseFloat"),
    ],
)
def test_openmetrics_is_strict(body: str, reason: str) -> None:
    with pytest.raises(ExpositionError, match=reason):
        parse(body.encode(), OPEN_METRICS)


def test_openmetrics_has_units() -> None:
    body = b"# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n# HELP a_seconds It.\n# EOF\n"
    assert parse(body, OPEN_METRICS).metadata == {"a_seconds": Metadata("gauge", "It.", "seconds")}


def test_other_types_are_not_guessed_at() -> None:
    with pytest.raises(ExpositionError, match="blank Content-Type and no fallback_scrape_protocol"):
        parse(b"a 1\n", "")
    with pytest.raises(ExpositionError, match='unsupported Content-Type "text/html" and no fall'):
        parse(b"a 1\n", "text/html")
    assert parse(b"a 1\n", "TEXT/PLAIN").samples == [sample()]


def test_body_must_be_utf8() -> None:
    with pytest.raises(ExpositionError, match="invalid UTF-8 at byte 3"):
        parse(b'a{b\xff="c"} 1\n', TEXT)
