"""Shapes of traces: nested spans, exactly or as a part, and traces that are no tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pytest_obsstack import span
from pytest_obsstack.clients.sentry.explore import SpanRow
from pytest_obsstack.errors import CannotTell, ObsstackError
from pytest_obsstack.expect.shape_tree import SpanTree
from pytest_obsstack.expect.traces import TraceExpectations
from tests.unit.expect.fakes import Bench, bench
from tests.unit.expect.models import OTHER_TRACE, SPAN, otlp_span, tempo_span

LOOK = (
    "  look      http://127.0.0.1:9000/api/0/organizations/obsstack/trace/"
    "4bf92f3577b34da6a3ce929d0e0e4736/  ·  keep the stack: --obs-keep-stack"
)
CHAIN = span(
    "GET /chain",
    service="simple-app",
    children=[span("GET", kind="client", children=[span("GET /stock", service="inventory")])],
)


def one(
    id: str,
    name: str,
    parent: str | None,
    *,
    service: str = "simple-app",
    kind: str = "server",
    start_s: float = 100.0,
    duration_ms: float | None = None,
) -> SpanRow:
    """A span whose id begins with ``id``; a parent is named in the same way."""
    facts: dict[str, Any] = {
        "id": whole_id(id),
        "service.name": service,
        "kind": kind,
        "span.status": "ok",
        "precise.start_ts": start_s,
        "span.duration": duration_ms,
    }
    return otlp_span(name, parent=parent and whole_id(parent), **facts)


def whole_id(id: str) -> str:
    return id if len(id) == 16 else id * 16


def chain() -> list[SpanRow]:
    return [
        one("a", "GET /chain", SPAN),
        one("b", "GET", "a", kind="client", start_s=100.1),
        one("c", "GET /stock", "b", service="inventory", start_s=100.2, duration_ms=7.5),
    ]


def arrived(spans: Sequence[SpanRow]) -> Bench:
    given = bench()
    given.sentry.spans = list(spans)
    given.collector.accepted = given.collector.sent = {"spans": len(spans)}
    return given


def traces(spans: Sequence[SpanRow]) -> TraceExpectations:
    return TraceExpectations(arrived(spans).context)


# ---- shapes


@pytest.mark.proves("obs.traces.expect_trace", "green")
def test_a_nested_shape_is_found_and_gives_its_spans_in_the_order_written() -> None:
    found = traces(chain()).expect_trace(CHAIN)
    assert [each.name for each in found] == ["GET /chain", "GET", "GET /stock"]


def test_a_shape_is_exactly_the_trace() -> None:
    traces(chain()).expect_trace(CHAIN, exactly=True)


def test_a_shape_may_begin_anywhere_and_others_may_be_beside_it() -> None:
    spans = [*chain(), one("d", "SELECT", "a", kind="client")]
    traces(spans).expect_trace(span("GET", children=[span("GET /stock")]))
    traces(spans).expect_trace(CHAIN, span("SELECT"))


def test_children_are_found_in_any_order() -> None:
    spans = [
        one("a", "GET /", SPAN),
        one("b", "first", "a", start_s=101.0),
        one("c", "second", "a", start_s=102.0),
    ]
    # The first wish takes any child, and must leave the other one for the second wish.
    shape = span("GET /", children=[span(service="simple-app"), span("first")])
    found = traces(spans).expect_trace(shape, exactly=True)
    assert [each.name for each in found] == ["GET /", "second", "first"]


def test_two_children_alike_need_two_spans() -> None:
    spans = [one("a", "GET /", SPAN), one("b", "SELECT", "a")]
    traces([*spans, one("c", "SELECT", "a")]).expect_trace(
        span("GET /", children=[span("SELECT")] * 2)
    )
    with pytest.raises(AssertionError, match="SELECT   ← missing"):
        traces(spans).expect_trace(span("GET /", children=[span("SELECT"), span("SELECT")]))


def test_a_grandchild_is_no_child() -> None:
    with pytest.raises(AssertionError):
        traces(chain()).expect_trace(span("GET /chain", children=[span("GET /stock")]))


@pytest.mark.parametrize(
    ("bounds", "fits"), [({"max_ms": 8}, True), ({"min_ms": 7.5}, True), ({"max_ms": 7}, False)]
)
def test_durations_have_bounds(bounds: dict[str, Any], fits: bool) -> None:
    shape = span("GET /stock", **bounds)
    if fits:
        traces(chain()).expect_trace(shape)
        return
    with pytest.raises(AssertionError) as caught:
        traces(chain()).expect_trace(shape)
    assert "expected  GET /stock (at most 7 ms)   ← differs\n" in str(caught.value)
    assert "duration_ms  expected at most 7 ms   got 7.5\n" in str(caught.value)


def test_attributes_that_no_list_shows_are_compared_too() -> None:
    given = arrived(chain())
    given.sentry.attributes["c" * 16] = {"http.route": "/stock"}
    (found,) = TraceExpectations(given.context).expect_trace(
        span("GET /stock", attributes={"http.route": "/stock"})
    )
    assert found.attributes["http.route"] == "/stock"


def test_no_shape_is_refused() -> None:
    with pytest.raises(ObsstackError) as caught:
        traces(chain()).expect_trace()
    assert str(caught.value) == (
        "expect_trace was given no shape.\n  expected  one shape or more, made by span(…)"
    )


# ---- messages


@pytest.mark.proves("obs.traces.expect_trace", "red")
def test_message_of_a_span_that_differs() -> None:
    shape = span(
        "GET /chain",
        service="simple-app",
        children=[span("GET", kind="client", children=[span("GET /stok", service="inventory")])],
    )
    with pytest.raises(AssertionError) as caught:
        traces(chain()).expect_trace(shape)
    assert str(caught.value) == (
        "No spans of the expected shape arrived within 0.0 s (1 poll).\n"
        "  expected  GET /chain (simple-app)\n"
        "            └─ GET (kind 'client')\n"
        "               └─ GET /stok (inventory)   ← differs\n"
        "  found     3 spans of trace 4bf92f35…\n"
        "            GET /chain (simple-app, server, ok)\n"
        "            └─ GET (simple-app, client, ok)\n"
        "               └─ GET /stock (inventory, server, ok)   ← differs\n"
        "  nearest   inventory: GET /stock (server, ok)\n"
        "              name  expected 'GET /stok'   got 'GET /stock'\n"
        "  pipeline  app 1 request (500) → collector accepted 3 spans, sent 3 to Sentry, failed 0 "
        "→ Sentry has 3 OTLP spans of this trace\n" + LOOK
    )


def test_message_of_a_span_that_is_missing() -> None:
    with pytest.raises(AssertionError) as caught:
        traces(chain()[:2]).expect_trace(CHAIN)
    assert str(caught.value) == (
        "No spans of the expected shape arrived within 0.0 s (1 poll).\n"
        "  expected  GET /chain (simple-app)\n"
        "            └─ GET (kind 'client')\n"
        "               └─ GET /stock (inventory)   ← missing\n"
        "  found     2 spans of trace 4bf92f35…\n"
        "            GET /chain (simple-app, server, ok)\n"
        "            └─ GET (simple-app, client, ok)\n"
        "  pipeline  app 1 request (500) → collector accepted 2 spans, sent 2 to Sentry, failed 0 "
        "→ Sentry has 2 OTLP spans of this trace\n" + LOOK
    )


@pytest.mark.proves("obs.traces.expect_trace", "red")
def test_message_of_a_span_too_many() -> None:
    spans = [*chain(), one("d", "SELECT", "a", kind="client", start_s=100.05)]
    with pytest.raises(AssertionError) as caught:
        traces(spans).expect_trace(CHAIN, exactly=True)
    assert str(caught.value) == (
        "The spans have not exactly the expected shape.\n"
        "  expected  GET /chain (simple-app)\n"
        "            └─ GET (kind 'client')\n"
        "               └─ GET /stock (inventory)\n"
        "  found     4 spans of trace 4bf92f35…\n"
        "            GET /chain (simple-app, server, ok)\n"
        "            ├─ SELECT (simple-app, client, ok)   ← not expected\n"
        "            └─ GET (simple-app, client, ok)\n"
        "               └─ GET /stock (inventory, server, ok)\n" + LOOK
    )


def test_a_large_trace_is_not_drawn_whole() -> None:
    spans = [one("a", "GET /", SPAN), *(one(f"{n:016x}", f"s{n}", "a") for n in range(60))]
    with pytest.raises(AssertionError, match="            … and 21 more lines\n"):
        traces(spans).expect_trace(span("GET /x", children=[span("y")]))


# ---- cannot tell, other traces


@pytest.mark.proves("obs.traces.expect_trace", "cannot tell")
def test_exactly_cannot_be_told_before_the_server_span_has_arrived() -> None:
    shape = span("GET", kind="client", children=[span("GET /stock")])
    with pytest.raises(CannotTell) as caught:
        traces(chain()[1:]).expect_trace(shape, exactly=True)
    assert str(caught.value) == (
        "Cannot assert that there are no other spans: it is not proven that all spans of this test "
        "have arrived.\n"
        "  expected  the fence of each request has arrived\n"
        "  found     the server span of GET /error (500) has not arrived in Sentry after 0.0 s "
        "(1 poll)\n"
        "  do        find out why it has not arrived; absence is never asserted on a guess"
    )


@pytest.mark.proves("obs.traces.expect_trace", "other trace")
def test_spans_of_another_trace_have_no_shape_here() -> None:
    given = arrived(chain())
    given.context.trace = replace(given.context.trace, trace_id=OTHER_TRACE)
    with pytest.raises(AssertionError, match="found     0 spans of trace aaaaaaaa…"):
        TraceExpectations(given.context).expect_trace(CHAIN)


# ---- traces that are no tree


def notes(spans: Sequence[SpanRow]) -> list[str]:
    return list(SpanTree(spans, {SPAN}).notes())


def test_an_orphan_is_named_and_begins_nothing() -> None:
    spans = [*chain()[:1], *chain()[2:]]
    (note,) = notes(spans)
    assert note == (
        "parent lost: GET /stock of inventory has the parent bbbbbbbbbbbbbbbb, which has not "
        "arrived"
    )
    traces(spans).expect_trace(span("GET /stock", service="inventory"))
    with pytest.raises(AssertionError) as caught:
        traces(spans).expect_trace(span("GET /chain"), span("GET /stock"), exactly=True)
    assert str(caught.value) == (
        "The spans have not exactly the expected shape.\n"
        "  expected  GET /chain\n"
        "            GET /stock   ← missing\n"
        "  found     2 spans of trace 4bf92f35…\n"
        "            GET /chain (simple-app, server, ok)\n"
        "            GET /stock (inventory, server, ok)   ← not expected, parent lost\n"
        "  also      parent lost: GET /stock of inventory has the parent bbbbbbbbbbbbbbbb, which "
        "has not arrived\n"
        "  pipeline  app 1 request (500) → collector accepted 2 spans, sent 2 to Sentry, failed 0 "
        "→ Sentry has 2 OTLP spans of this trace\n" + LOOK
    )


def test_a_cycle_is_named_and_drawn_once() -> None:
    spans = [
        one("a", "GET /", SPAN),
        one("b", "one", "c", start_s=101.0),
        one("c", "two", "b", start_s=102.0),
        one("d", "below", "c", start_s=103.0),
    ]
    (note,) = notes(spans)
    assert note == (
        "a cycle: one of simple-app → two of simple-app → one of simple-app, each the parent of "
        "the next"
    )
    tree = SpanTree(spans, {SPAN})
    assert tree.draw(lambda span: str(span.name)) == ["GET /", "one", "└─ two", "   └─ below"]
    with pytest.raises(AssertionError, match="a cycle: one of simple-app"):
        traces(spans).expect_trace(span("GET /"), exactly=True)


def test_a_span_that_is_its_own_parent_is_a_cycle() -> None:
    assert notes([one("a", "GET /", "a")]) == [
        "a cycle: GET / of simple-app → GET / of simple-app, each the parent of the next"
    ]


def test_skewed_clocks_are_named_and_change_no_shape() -> None:
    spans = chain()
    spans[2] = one("c", "GET /stock", "b", service="inventory", start_s=99.0)
    assert notes(spans) == [
        "clock skew: GET /stock of inventory begins 1100.0 ms before its parent GET of simple-app"
    ]
    traces(spans).expect_trace(CHAIN, exactly=True)


def test_one_service_has_one_clock() -> None:
    assert notes([one("a", "x", SPAN), one("b", "y", "a", start_s=99.0)]) == []


def test_a_span_that_came_twice_is_one_and_is_named() -> None:
    spans = [*chain(), chain()[1]]
    assert notes(spans) == ["GET of simple-app has come 2 times"]
    traces(spans).expect_trace(CHAIN, exactly=True)


def test_a_deep_trace_is_drawn() -> None:
    spans = [one(f"{0:016x}", "s", SPAN)]
    spans += [one(f"{n:016x}", "s", f"{n - 1:016x}") for n in range(1, 3000)]
    assert len(SpanTree(spans, {SPAN}).draw(lambda span: str(span.name))) == 3000


def test_a_shape_is_found_in_tempo_too() -> None:
    given = bench()
    given.add_tempo(tracker_spans=False)
    call = tempo_span("SELECT", parent="2" * 16, spanId="3" * 16, kind="SPAN_KIND_CLIENT")
    given.tempo.spans = [tempo_span(attributes={"http.route": "/error"}), call]
    found = TraceExpectations(given.context).expect_trace(
        span("GET /error", attributes={"http.route": "/error"}, children=[span("SELECT")]),
        exactly=True,
    )
    assert [each.span_id for each in found] == ["2" * 16, "3" * 16]
