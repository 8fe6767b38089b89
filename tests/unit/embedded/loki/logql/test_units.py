from __future__ import annotations

import pytest

from pytest_obsstack.embedded.loki.logql.units import (
    UnitError,
    format_size,
    parse_duration,
    parse_go_duration,
    parse_prometheus_duration,
    parse_size,
)

S = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("5m", 300 * S),
        ("1d12h", 129_600 * S),
        ("250ms", S // 4),
        ("0", 0),
        ("1y2w", 32_745_600 * S),
    ],
)
def test_a_prometheus_duration(text: str, nanoseconds: int) -> None:
    assert parse_prometheus_duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty duration string"),
        ("5", 'not a valid duration string: "5"'),
        ("1.5h", 'unknown unit "." in duration "1.5h"'),
        ("1s1m", 'not a valid duration string: "1s1m"'),
        ("5q", 'unknown unit "q" in duration "5q"'),
    ],
)
def test_what_is_no_prometheus_duration(text: str, message: str) -> None:
    with pytest.raises(UnitError) as error:
        parse_prometheus_duration(text)

    assert str(error.value) == message


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1h15m30.5s", 4_530_500_000_000),
        ("-1.5s", -3 * S // 2),
        ("7µs", 7000),
        ("0", 0),
        (".5s", S // 2),
    ],
)
def test_a_go_duration(text: str, nanoseconds: int) -> None:
    assert parse_go_duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("soon", 'time: invalid duration "soon"'),
        ("", 'time: invalid duration ""'),
        ("5", 'time: missing unit in duration "5"'),
        ("5d", 'time: unknown unit "d" in duration "5d"'),
    ],
)
def test_what_is_no_go_duration(text: str, message: str) -> None:
    with pytest.raises(UnitError) as error:
        parse_go_duration(text)

    assert str(error.value) == message


def test_a_duration_in_a_query_may_have_either_form() -> None:
    assert parse_duration("1d") == 86400 * S
    assert parse_duration("1.5h") == 5400 * S


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1KB", 1000),
        ("1KiB", 1024),
        ("2.5 MB", 2_500_000),
        ("7", 7),
        ("1,024B", 1024),
        ("1gib", 2**30),
    ],
)
def test_a_size(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("much", 'strconv.ParseFloat: parsing "": invalid syntax'),
        ("5 parsecs", "unhandled size name: parsecs"),
    ],
)
def test_what_is_no_size(text: str, message: str) -> None:
    with pytest.raises(UnitError) as error:
        parse_size(text)

    assert str(error.value) == message


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (9, "9B"),
        (42, "42B"),
        (1024, "1.0kB"),
        (1550, "1.6kB"),
        (12_345, "12kB"),
        (2**30, "1.1GB"),
    ],
)
def test_a_size_is_printed_with_two_digits(size: int, text: str) -> None:
    assert format_size(size) == text
