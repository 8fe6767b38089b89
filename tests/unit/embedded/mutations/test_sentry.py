"""What each fault makes of an envelope: of the trace that it is for, and of no other."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from pytest_obsstack.embedded.mutations.rules import Mutation, Mutations
from pytest_obsstack.embedded.mutations.sentry import rewrite_envelope
from pytest_obsstack.wire.envelope import Envelope, Item, parse_envelope, serialize_envelope

TRACE, OTHER = "a" * 32, "b" * 32
EVENT_ID = "c" * 32


def event(trace_id: str = TRACE, **more: Any) -> dict[str, Any]:
    return {
        "event_id": EVENT_ID,
        "level": "error",
        "environment": "production",
        "tags": {"endpoint": "/error", "region": "eu"},
        "user": {"id": "7"},
        "breadcrumbs": {"values": [{"message": "one"}]},
        "contexts": {"trace": {"trace_id": trace_id}, "cart": {"items": 1}, "runtime": {}},
        "exception": {"values": [{"type": "ValueError", "stacktrace": {"frames": [{}]}}]},
        **more,
    }


def envelope(data: dict[str, Any], item_type: str = "event") -> bytes:
    items = (
        Item.of(item_type, orjson.dumps(data), content_type="application/json"),
        Item.of("attachment", b"log", filename="log.txt"),
    )
    return serialize_envelope(Envelope({"event_id": EVENT_ID}, items))


def mutations(name: str, *names: str, signal: str = "errors", text: str = "") -> Mutations:
    made = Mutations()
    made.begin(Mutation(name, TRACE, frozenset({signal}), names, text))
    return made


def changed(given: Mutations) -> list[str]:
    active = given.get(TRACE)
    assert active is not None
    return active.changed


def rewritten(given: Mutations, data: dict[str, Any], item_type: str = "event") -> dict[str, Any]:
    """The event as it is handed on."""
    bodies = rewrite_envelope(envelope(data, item_type), given)
    assert bodies is not None
    (body,) = bodies
    handed_on = parse_envelope(body)
    assert [item.type for item in handed_on.items] == [item_type, "attachment"]
    found: dict[str, Any] = orjson.loads(handed_on.items[0].payload)
    return found


EVERY = [
    ("tag removed", (), {"tags": {}}, "event ValueError: endpoint, region"),
    ("tag removed", ("endpoint",), {"tags": {"region": "eu"}}, "event ValueError: endpoint"),
    ("user removed", (), {"user": None}, "event ValueError: user"),
    ("breadcrumbs removed", (), {"breadcrumbs": None}, "event ValueError: breadcrumbs"),
    (
        "context removed",
        (),
        {"contexts": {"trace": {"trace_id": TRACE}}},
        "event ValueError: cart, runtime",
    ),
    (
        "context removed",
        ("cart",),
        {"contexts": {"trace": {"trace_id": TRACE}, "runtime": {}}},
        "event ValueError: cart",
    ),
    (
        "stack trace removed",
        (),
        {"exception": {"values": [{"type": "ValueError"}]}},
        "event ValueError: stack trace",
    ),
    (
        "environment changed",
        (),
        {"environment": "obs-mutated"},
        "event ValueError: environment production",
    ),
    ("level changed", (), {"level": "info"}, "event ValueError: level error"),
]


@pytest.mark.parametrize(("name", "names", "differs", "told"), EVERY)
def test_a_fault_changes_that_and_nothing_else(
    name: str, names: tuple[str, ...], differs: dict[str, Any], told: str
) -> None:
    given = mutations(name, *names)
    wanted = {key: value for key, value in {**event(), **differs}.items() if value is not None}
    assert rewritten(given, event()) == wanted
    assert changed(given) == [told]


@pytest.mark.parametrize(
    ("level", "becomes"),
    [("fatal", "info"), ("warning", "error"), ("info", "error"), (None, "info")],
)
def test_a_level_becomes_one_of_the_other_side(level: str | None, becomes: str) -> None:
    assert rewritten(mutations("level changed"), event(level=level))["level"] == becomes


def test_tags_of_old_sdks_are_pairs() -> None:
    given = mutations("tag removed", "endpoint")
    found = rewritten(given, event(tags=[["endpoint", "/error"], ["region", "eu"], "strange"]))
    assert found["tags"] == [["region", "eu"], "strange"]


def test_a_secret_is_put_beside_what_is_there() -> None:
    given = mutations("secret left in", text="hunter2")
    assert rewritten(given, event(extra={"a": 1}))["extra"] == {"a": 1, "obs_mutated": "hunter2"}
    assert rewritten(given, event())["extra"] == {"obs_mutated": "hunter2"}
    assert changed(given) == ["event ValueError: extra"] * 2


def test_another_trace_id_is_a_new_one() -> None:
    given = mutations("trace id changed")
    found = rewritten(given, event())["contexts"]["trace"]["trace_id"]
    assert len(found) == 32
    assert found != TRACE
    assert changed(given) == [f"event ValueError: trace id {TRACE}"]


def test_a_dropped_event_takes_its_attachments_with_it_and_leaves_the_rest() -> None:
    given = mutations("event dropped")
    items = (
        Item.of("event", orjson.dumps(event())),
        Item.of("attachment", b"log", filename="log.txt"),
        Item.of("client_report", b"{}"),
    )
    body = serialize_envelope(Envelope({"event_id": EVENT_ID}, items))
    bodies = rewrite_envelope(body, given)
    assert bodies is not None
    assert [item.type for item in parse_envelope(bodies[0]).items] == ["client_report"]
    assert changed(given) == ["event ValueError"]


def test_a_duplicate_comes_in_an_envelope_of_its_own_with_an_id_of_its_own() -> None:
    given = mutations("event duplicated")
    bodies = rewrite_envelope(envelope(event()), given)
    assert bodies is not None
    first, second = map(parse_envelope, bodies)
    assert first == parse_envelope(envelope(event()))
    copy = orjson.loads(second.items[0].payload)
    assert second.event_id == copy["event_id"] != EVENT_ID
    assert {**copy, "event_id": EVENT_ID} == event()


def test_a_look_tells_what_comes_and_changes_nothing() -> None:
    given = mutations("look")
    assert rewrite_envelope(envelope(event()), given) is None
    assert rewrite_envelope(envelope(event(OTHER)), given) is None
    assert changed(given) == ["event ValueError"]


def test_an_event_is_delivered_twice_as_it_is() -> None:
    given = mutations("event delivered twice")
    body = envelope(event())
    assert rewrite_envelope(body, given) == [body, body]
    assert changed(given) == ["event ValueError"]


@pytest.mark.parametrize(
    ("body", "signal"),
    [
        pytest.param(envelope(event(OTHER)), "errors", id="another trace"),
        pytest.param(envelope(event(), "transaction"), "errors", id="another signal"),
        pytest.param(envelope(event()), "transactions", id="not that signal"),
        pytest.param(b"not an envelope", "errors", id="no envelope"),
        pytest.param(
            serialize_envelope(Envelope({}, (Item.of("event", b"{"),))), "errors", id="no JSON"
        ),
        pytest.param(
            serialize_envelope(Envelope({}, (Item.of("session", b"{}"),))), "errors", id="session"
        ),
        pytest.param(envelope({"contexts": {"trace": {}}}), "errors", id="no trace id"),
    ],
)
def test_everything_else_is_handed_on_as_it_came(body: bytes, signal: str) -> None:
    given = mutations("user removed", signal=signal)
    assert rewrite_envelope(body, given) is None
    assert changed(given) == []


@pytest.mark.parametrize(
    "name", ["tag removed", "user removed", "breadcrumbs removed", "stack trace removed"]
)
def test_where_there_is_nothing_to_remove_nothing_is_told(name: str) -> None:
    given = mutations(name)
    bare = {"contexts": {"trace": {"trace_id": TRACE}}, "breadcrumbs": {"values": []}}
    assert rewrite_envelope(envelope(bare), given) is None
    assert changed(given) == []


def test_without_a_context_the_trace_of_the_envelope_tells() -> None:
    given = mutations("environment changed")
    items = (Item.of("event", b'{"level": "info"}'),)
    body = serialize_envelope(Envelope({"trace": {"trace_id": TRACE}}, items))
    assert rewrite_envelope(body, given) is not None
    assert changed(given) == ["event: environment none"]


def test_transactions_have_a_signal_of_their_own() -> None:
    given = mutations("environment changed", signal="transactions")
    data = {"transaction": "/pay", "contexts": {"trace": {"trace_id": TRACE}}}
    assert rewritten(given, data, "transaction")["environment"] == "obs-mutated"
    assert changed(given) == ["transaction /pay: environment none"]
