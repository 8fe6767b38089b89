"""Whatever JSON a sender calls an event, the server keeps it and can show it."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pytest_obsstack.embedded.journal import JournalEntry
from pytest_obsstack.embedded.sentry.search.match import compile_search
from pytest_obsstack.embedded.sentry.search.syntax import InvalidSearch, parse_search
from pytest_obsstack.embedded.sentry.serialize.event import (
    event_json,
    event_summary_json,
    raw_event_json,
)
from pytest_obsstack.embedded.sentry.state.store import SentryStore
from pytest_obsstack.embedded.sentry.times import iso, parse_iso, parse_timestamp
from pytest_obsstack.wire.envelope import Envelope, Item
from tests.unit.embedded.sentry.support import NOW_NS, Sentry, error_event, new_id

NAMES = [
    "event_id",
    "type",
    "level",
    "message",
    "logentry",
    "exception",
    "values",
    "value",
    "mechanism",
    "handled",
    "stacktrace",
    "frames",
    "filename",
    "function",
    "module",
    "vars",
    "lineno",
    "pre_context",
    "context_line",
    "in_app",
    "tags",
    "user",
    "id",
    "email",
    "contexts",
    "trace",
    "trace_id",
    "span_id",
    "op",
    "status",
    "data",
    "request",
    "headers",
    "query_string",
    "cookies",
    "url",
    "breadcrumbs",
    "timestamp",
    "start_timestamp",
    "spans",
    "fingerprint",
    "release",
    "environment",
    "transaction",
    "sdk",
    "name",
    "version",
    "extra",
    "modules",
    "threads",
    "current",
    "formatted",
    "params",
    "measurements",
    "description",
]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
LEAF = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.sampled_from(["{{ default }}", "fcfcf75ace5145be92ec4bbdbfa895f8", "909081044307ecaf"])
)
KEY = st.sampled_from(NAMES) | TEXT
JSON = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner, max_size=4),
    max_leaves=20,
)
EVENT = st.dictionaries(KEY, JSON, max_size=8)


def store_with_a_project() -> SentryStore:
    store = SentryStore()
    key = {"public_key": "a" * 32, "secret_key": "b" * 32}
    for kind, data in (
        ("organization.created", {"name": "o", "slug": "o"}),
        ("team.created", {"organization_id": 1, "name": "t", "slug": "t"}),
        (
            "project.created",
            {
                "organization_id": 1,
                "team_id": 1,
                "name": "p",
                "slug": "p",
                "platform": None,
                "key": key,
            },
        ),
    ):
        store.apply(JournalEntry(NOW_NS, kind, {}, orjson.dumps(data)))
    return store


STORE = store_with_a_project()


@settings(deadline=None)
@given(EVENT, st.sampled_from(["event", "transaction"]))
def test_any_object_can_be_stored_and_shown(data: dict[str, Any], kind: str) -> None:
    event_id = new_id()
    entry = JournalEntry(NOW_NS, "envelope", {"project_id": 1, "event_id": event_id}, b"")
    STORE.apply_envelope(entry, Envelope({}, (Item.of(kind, orjson.dumps(data)),)))
    [event] = STORE.telemetry.events_with_id(event_id)
    for show in (event_json, event_summary_json, raw_event_json):
        assert orjson.loads(orjson.dumps(show(event)))["title"] == event.title
    assert event.title
    assert (event.issue_id is None) is (event.type == "transaction")


@settings(deadline=None)
@given(st.sampled_from(["log", "span", "client_report"]), JSON)
def test_any_container_can_be_taken(kind: str, content: Any) -> None:
    item = Item.of(
        kind, orjson.dumps(content), content_type="application/vnd.sentry.items.span.v2+json"
    )
    entry = JournalEntry(NOW_NS, "envelope", {"project_id": 1, "event_id": None}, b"")
    STORE.apply_envelope(entry, Envelope({}, (item,)))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(alphabet='abAND OR()[]:!*"<>=,.\\-1has', max_size=25))
def test_any_query_is_read_or_refused(text: str) -> None:
    try:
        matches = compile_search(parse_search(text), lambda _: "string", NOW_NS)
    except InvalidSearch:
        return
    assert matches(lambda _name: None) in (True, False)


@given(st.integers(0, 253_402_300_799 * 10**6))
def test_times_are_printed_and_read_back_to_the_microsecond(timestamp_us: int) -> None:
    assert parse_iso(iso(timestamp_us * 1000)) == timestamp_us * 1000


@given(JSON)
@example(1e300)
@example(-1e300)
@example(float("nan"))
@example(10**400)
@example("2026-11-23T15:34:57.1234567891+23:59")
@example("0001-01-01T00:00:00+14:00")
def test_any_timestamp_is_a_time_or_none(value: Any) -> None:
    parsed = parse_timestamp(value)
    assert parsed is None or iso(parsed)


def test_event_as_deep_as_it_may_be_is_shown_in_full(sentry: Sentry) -> None:
    deep: Any = "bottom"
    for _ in range(180):
        deep = [deep]
    event = error_event(extra={"deep": deep})
    sentry.send_event(event)
    url = f"/api/0/projects/obs/simple-app/events/{event['event_id']}/"
    assert sentry.get(url)["context"]["deep"] == deep
