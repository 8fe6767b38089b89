from __future__ import annotations

import math

import pytest

from pytest_obsstack.embedded.go_quote import quote, quote_rune
from pytest_obsstack.embedded.prometheus.format import (
    duration_text,
    general_float,
    parse_duration_ms,
    parse_float,
    plain_float,
    rfc3339_nano,
    sample_value,
    timestamp_text,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (0.1, "0.1"),
        (1e6, "1000000"),
        (123456789.125, "123456789.125"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (1e-6, "0.000001"),
        (1e-7, "1e-07"),
        (-2.5e-9, "-2.5e-09"),
        (5e-324, "5e-324"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_sample_value_is_written_as_in_an_answer(value: float, text: str) -> None:
    assert sample_value(value) == text


def test_plain_float_never_has_an_exponent() -> None:
    assert plain_float(1e22) == "10000000000000000000000"
    assert plain_float(-1.25e-8) == "-0.0000000125"


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e5, "100000"), (1e6, "1e+06"), (1234567.5, "1.2345675e+06"), (1e-5, "1e-05")],
)
def test_general_float_has_an_exponent_from_a_million_on(value: float, text: str) -> None:
    assert general_float(value) == text


def test_timestamps_have_three_decimals_or_none() -> None:
    assert timestamp_text(1_500) == "1.500"
    assert timestamp_text(2_000) == "2"
    assert timestamp_text(-1_250) == "-1.250"


def test_time_of_a_scrape_has_no_needless_decimals() -> None:
    assert rfc3339_nano(1_700_000_000_120_000_000) == "2023-11-14T22:13:20.12Z"
    assert rfc3339_nano(1_700_000_000_000_000_000) == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize(
    ("text", "duration_ms"),
    [("0", 0), ("5m", 300_000), ("1h30m", 5_400_000), ("1w2d", 777_600_000), ("150ms", 150)],
)
def test_duration_is_read(text: str, duration_ms: int) -> None:
    assert parse_duration_ms(text) == duration_ms


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty duration string"),
        ("5m1h", 'not a valid duration string: "5m1h"'),
        ("-5m", 'not a valid duration string: "-5m"'),
        ("1.5h", 'not a valid duration string: "1.5h"'),
        ("99999999y", "duration out of range"),
    ],
)
def test_duration_that_is_none_says_why(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match="^" + reason.replace("(", r"\(") + "$"):
        parse_duration_ms(text)


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [
        (0, "0s"),
        (300_000, "5m"),
        (5_400_000, "1h30m"),
        (86_400_000, "1d"),
        (90_000_000, "25h"),
        (604_800_000, "1w"),
        (1_500, "1s500ms"),
    ],
)
def test_duration_is_written_in_its_shortest_form(duration_ms: int, text: str) -> None:
    assert duration_text(duration_ms) == text


@pytest.mark.parametrize("text", ["", " 1", "1 ", "-nan", "1e400", "\uff11", "0x10", "x"])
def test_float_that_go_does_not_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="float"):
        parse_float(text)


def test_quotes_escape_as_go_does() -> None:
    assert quote('a"b\\\n\x00é\u200b') == '"a\\"b\\\\\\n\\x00é\\u200b"'
    assert quote_rune("'") == "'\\''"
    assert quote_rune('"') == "'\"'"
    assert quote_rune("\n") == "'\\n'"
