from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from pytest_obsstack.clients import fields
from pytest_obsstack.errors import ObsstackError


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("value", "time"),
    [
        ("2018-11-06T21:19:55Z", utc(2018, 11, 6, 21, 19, 55)),
        ("2020-06-17T22:26:56.098086Z", utc(2020, 6, 17, 22, 26, 56, 98086)),
        ("2026-11-23T15:42:39.269Z", utc(2026, 11, 23, 15, 42, 39, 269000)),
        ("2026-11-23T15:42:39.123456789Z", utc(2026, 11, 23, 15, 42, 39, 123456)),
        ("2026-11-23T15:42:39+00:00", utc(2026, 11, 23, 15, 42, 39)),
        ("2026-11-23T15:42:39+0130", utc(2026, 11, 23, 14, 12, 39)),
        ("2026-11-23 15:42:39", utc(2026, 11, 23, 15, 42, 39)),
        (1795448930.5, utc(2026, 11, 23, 15, 48, 50, 500000)),
    ],
)
def test_times_in_every_form_the_products_write(value: Any, time: datetime) -> None:
    assert fields.parse_time(value) == time


@pytest.mark.parametrize("value", ["yesterday", "2026-11-23", True, {}, None])
def test_what_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises(ObsstackError, match="a time"):
        fields.parse_time(value)


@pytest.mark.parametrize("value", [None, ""])
def test_null_and_empty_are_not_given(value: Any) -> None:
    raw = {"key": value}
    assert fields.optional_text(raw, "key") is None
    assert fields.optional_number(raw, "key") is None
    assert fields.optional_integer(raw, "key") is None
    assert fields.optional_time(raw, "key") is None


def test_numbers_written_as_text_are_numbers() -> None:
    assert fields.integer({"count": "150"}, "count") == 150
    assert fields.number({"value": "1.5"}, "value") == 1.5
    assert fields.integer({"size": 2.0}, "size") == 2


@pytest.mark.parametrize(
    ("value", "meaning"), [(True, True), (1, True), ("1", True), (0, False), (None, None)]
)
def test_booleans_in_every_form_the_datasets_answer(value: Any, meaning: bool | None) -> None:
    assert fields.optional_bool({"is_transaction": value}, "is_transaction") is meaning


@pytest.mark.parametrize(
    ("read", "raw", "message"),
    [
        (fields.text, {}, "found     only an empty object"),
        (fields.text, {"a": 1, "b": 2}, "found     only 'a', 'b'"),
        (fields.text, {"key": ["a"]}, "expected  a string"),
        (fields.text, {"key": True}, "expected  a string"),
        (fields.integer, {"key": "1.5"}, "expected  an integer"),
        (fields.integer, {}, "expected  an integer"),
        (fields.number, {"key": "fast"}, "found     fast"),
        (fields.optional_bool, {"key": "maybe"}, "expected  true or false"),
        (fields.optional_mapping, {"key": []}, "expected  an object"),
        (fields.optional_items, {"key": {}}, "expected  a list"),
    ],
)
def test_a_field_of_another_type_names_itself_and_what_was_found(
    read: Callable[[Any, str], Any], raw: dict[str, Any], message: str
) -> None:
    with pytest.raises(ObsstackError, match=message) as caught:
        read(raw, "key")
    assert "The answer is not what the API documents: field 'key'." in str(caught.value)


def test_gos_zero_time_is_never() -> None:
    assert fields.optional_go_time({"at": "0001-01-01T00:00:00Z"}, "at") is None
    assert fields.optional_go_time({}, "at") is None
    assert fields.optional_go_time({"at": 60}, "at") == fields.parse_time(60)


def test_values_beside_a_missing_field_are_not_told() -> None:
    with pytest.raises(ObsstackError) as caught:
        fields.text({"dsn": "http://secret@host/1"}, "public")
    assert "secret" not in str(caught.value)


def test_a_long_answer_is_cut_in_messages() -> None:
    error = fields.unexpected("an event", "an object", ["x" * 1000])
    assert error.found is not None
    assert len(error.found) == 301


def test_label_sets_are_text() -> None:
    assert fields.string_map({"code": 200, "job": "app"}) == {"code": "200", "job": "app"}
