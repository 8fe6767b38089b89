from __future__ import annotations

import pytest

from pytest_obsstack.embedded.loki.enrich import (
    level_of_entry,
    level_of_labels,
    metadata_name,
    service_name_of,
)


@pytest.mark.parametrize(
    ("line", "metadata", "level"),
    [
        ("", {}, "unknown"),
        ("ValueError: Intentional error for testing", {}, "error"),
        ('{"level": "WARNING", "msg": "an error"}', {}, "warn"),
        ('{"msg":"level=error","severity":"info"}', {}, "info"),
        ('ts=1 lvl="dbg" msg="an error"', {}, "debug"),
        ("sublevel=error is fine, info", {}, "error"),
        ("trailing}", {"severity_number": "24"}, "fatal"),
        ("error", {"severity_number": "1"}, "trace"),
        ("error", {"severity_number": "0"}, "unknown"),
        ("error", {"severity_number": "x"}, "unknown"),
        ("error", {"severity_text": "Information", "severity_number": "17"}, "info"),
        ("error", {"level": "notice"}, "notice"),
    ],
)
def test_the_level_of_an_entry(line: str, metadata: dict[str, str], level: str) -> None:
    assert level_of_entry(line, metadata) == level


def test_a_stream_without_a_level_label_has_none() -> None:
    assert level_of_labels({"app": "shop", "level": ""}) is None
    assert level_of_labels({"app": "shop", "LEVEL": "ERR"}) == "error"


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({"job": "j", "app": "a", "service": "s"}, "s"),
        ({"job": "j", "app": ""}, "j"),
        ({"other": "x"}, "unknown_service"),
        ({}, "unknown_service"),
    ],
)
def test_the_service_name_that_is_added(labels: dict[str, str], name: str) -> None:
    assert service_name_of(labels) == name


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("trace_id", "trace_id"),
        ("a.b-c", "a_b_c"),
        ("9x", "key_9x"),
        ("_x", "key_x"),
        ("__x", "__x"),
    ],
)
def test_the_name_of_metadata(name: str, valid: str) -> None:
    assert metadata_name(name) == valid
