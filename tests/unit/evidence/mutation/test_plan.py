"""Which faults concern a test: those in what it names, and those in what lies beside it."""

from __future__ import annotations

import pytest

from pytest_obsstack.evidence.mutation.catalog import FAULTS, fault
from pytest_obsstack.evidence.mutation.plan import Mutant, plan, repeated, unmutated
from pytest_obsstack.record.asserted import Asserted, AssertedFacts, How, field_names


def titles(*facts: Asserted, hints: tuple[str, ...] = (), named: bool = True) -> list[str]:
    return [mutant.title for mutant in plan(facts, hints) if mutant.named is named]


def present(kind: str, *fields: str, found: tuple[str, ...] = ()) -> Asserted:
    return Asserted(kind, "present", frozenset(fields), found)


def test_a_test_that_looks_at_nothing_has_no_faults() -> None:
    assert plan([]) == []


def test_an_issue_is_more_than_nothing_and_less_than_its_events() -> None:
    assert titles(present("issue", "type")) == [
        "trace id changed (errors)",
        "event dropped (errors)",
    ]
    assert titles(present("issue", "type"), named=False) == [
        "event duplicated (errors)",
        "level changed (errors)",
    ]


def test_what_an_expectation_names_it_has_to_notice_itself() -> None:
    fact = present(
        "event", "type", "level", "tags.endpoint", "contexts.cart", "user.id", "environment"
    )
    assert titles(fact) == [
        "trace id changed (errors)",
        "event dropped (errors)",
        "level changed (errors)",
        "tag removed (errors): endpoint",
        "context removed (errors): cart",
        "user removed (errors)",
        "environment changed (errors)",
    ]
    assert titles(fact, named=False) == [
        "event duplicated (errors)",
        "breadcrumbs removed (errors)",
        "stack trace removed (errors)",
    ]


def test_of_an_event_of_which_nothing_is_named_everything_is_somebodys() -> None:
    assert titles(present("event"), named=False) == [
        "event duplicated (errors)",
        "level changed (errors)",
        "tag removed (errors)",
        "context removed (errors)",
        "user removed (errors)",
        "environment changed (errors)",
        "breadcrumbs removed (errors)",
        "stack trace removed (errors)",
    ]


@pytest.mark.parametrize(
    "fact", [Asserted("event", "all"), present("issue", "count")], ids=["all events", "a count"]
)
def test_who_counts_has_to_notice_a_duplicate(fact: Asserted) -> None:
    assert "event duplicated (errors)" in titles(fact)


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("event", "trace id changed (errors)"),
        ("issue", "trace id changed (errors)"),
        ("span", "trace id changed (spans)"),
        ("line", "trace id changed (logs)"),
    ],
)
def test_absence_must_not_be_told_of_a_trace_that_has_not_arrived(kind: str, title: str) -> None:
    assert titles(Asserted(kind, "absent", frozenset({"type"}))) == [title]


def test_each_span_that_was_expected_is_dropped_once() -> None:
    facts = [
        present("span", "name", found=("GET /",)),
        present("span", "name", "parent", found=("query",)),
        Asserted("span", "all", found=("GET /", "query", "render")),
    ]
    assert titles(*facts) == [
        "trace id changed (spans)",
        "span dropped (spans): GET /",
        "span dropped (spans): query",
        "parent lost (spans)",
    ]
    assert titles(*facts, named=False) == [
        "span dropped (spans): GET /",
        "span dropped (spans): query",
        "span dropped (spans): render",
        "span duplicated (spans)",
        "environment changed (spans)",
    ]


def test_each_line_that_was_expected_is_dropped_once() -> None:
    facts = [present("line", "line", "level", found=("one",)), present("line", found=("two",))]
    assert titles(*facts) == [
        "trace id changed (logs)",
        "line dropped (logs): one",
        "line dropped (logs): two",
        "level changed (logs)",
    ]
    assert titles(Asserted("line", "all", found=("one",)), named=False) == [
        "line dropped (logs): one",
        "line duplicated (logs)",
        "level changed (logs)",
    ]


def test_of_many_names_five_are_enough() -> None:
    found = tuple(f"span {number}" for number in range(9))
    dropped = [title for title in titles(present("span", found=found)) if "dropped" in title]
    assert dropped == [f"span dropped (spans): span {number}" for number in range(5)]


def test_transactions_have_their_own_faults() -> None:
    fact = present("transaction", "name", "environment", "tags.region", "contexts.cart")
    assert titles(fact) == [
        "trace id changed (errors)",
        "event dropped (transactions)",
        "environment changed (transactions)",
        "tag removed (transactions): region",
        "context removed (transactions): cart",
    ]
    assert titles(Asserted("transaction", "all"), named=False) == [
        "event duplicated (transactions)",
        "environment changed (transactions)",
    ]


def test_metrics_stand_still_and_lose_each_label_that_is_named() -> None:
    fact = present("metric", "endpoint", "status", "instance", "le")
    assert titles(fact) == [
        "metric frozen (metrics)",
        "label renamed (metrics): endpoint",
        "label renamed (metrics): status",
    ]
    assert plan([Asserted("metric", "absent", frozenset({"endpoint"}))]) == []


def alert(how: How, *made_of: str) -> Asserted:
    return Asserted("alert", how, frozenset(made_of), ("High",))


def test_an_alert_is_mutated_by_what_it_is_made_of() -> None:
    metric = present("metric", "status", found=("sum(errors_total)",))
    assert titles(metric, alert("present", "metrics")) == titles(metric)
    error = present("issue", "tags.tier", "environment")
    assert titles(error, alert("present", "errors")) == [
        "trace id changed (errors)",
        "event dropped (errors)",
        "tag removed (errors): tier",
        "environment changed (errors)",
    ]
    assert titles(error, named=False) == ["event duplicated (errors)", "level changed (errors)"]
    none = [Asserted("issue", "absent"), alert("absent", "errors")]
    assert titles(*none) == ["trace id changed (errors)"]
    assert unmutated([metric, alert("present", "metrics"), error, *none]) == []


def test_what_no_fault_reaches_is_told() -> None:
    grown = Asserted("metric", "absent", frozenset({"endpoint"}), ("errors_total",))
    rate = Asserted("sampling", "absent", found=("expect_decision_kept",))
    found = [grown, grown, alert("absent", "metrics"), alert("present"), rate, present("event")]
    assert unmutated(found) == [
        "no metric errors_total: no fault makes a metric grow",
        "no alert High: no fault makes a metric grow",
        "alert High: nobody knows of which telemetry its rule is made",
        "expect_decision_kept: its requests have traces of their own, which no fault reaches",
    ]
    assert plan(found[:-1]) == []


def test_a_secret_is_left_in_wherever_the_test_has_telemetry() -> None:
    secret = Asserted("text", "absent", found=("hunter2",))
    assert titles(secret) == [
        f"secret left in ({signal}): hunter2" for signal in ("transactions", "spans", "logs")
    ]
    assert "secret left in (errors): hunter2" in titles(secret, present("event"))
    assert plan([Asserted("text", "absent")]) == []


def test_of_what_a_client_of_its_own_asks_nobody_knows_the_fields() -> None:
    assert titles(hints=("event",)) == ["trace id changed (errors)", "event dropped (errors)"]
    assert titles(hints=("line",)) == ["trace id changed (logs)", "line dropped (logs)"]
    assert titles(hints=("span",)) == ["trace id changed (spans)", "span dropped (spans)"]


def test_what_two_expectations_name_is_changed_once() -> None:
    fact = present("event", "tags.endpoint")
    assert plan([fact, fact]) == plan([fact])


@pytest.mark.parametrize("each", FAULTS, ids=lambda each: each.key)
def test_every_fault_has_advice_that_names_what_was_changed(each: object) -> None:
    assert each in FAULTS
    known = next(found for found in FAULTS if found == each)
    assert fault(known.name, known.signal) is known
    advice = Mutant(known, (known.signal,), names=("endpoint",)).advice
    assert "{name}" not in advice
    assert "{{" not in advice
    if "{name}" in known.assertion:
        assert "'endpoint'" in advice


def test_advice_says_what_to_write() -> None:
    (tag,) = (m for m in plan([present("event", "tags.endpoint")]) if m.names)
    assert tag.advice == "assert its value: tags={'endpoint': …} in expect_event"
    found = {mutant.fault.name: mutant.advice for mutant in plan([present("event")])}
    assert found["user removed"] == "assert user={…} in expect_event"
    assert found["tag removed"] == "assert its value: tags={…: …} in expect_event"


def test_fields_are_named_with_what_they_are_in_and_absent_ones_left_out() -> None:
    expected = {"type": "E", "tags": {"a": 1, "b": None}, "release": None, "user": ...}
    assert field_names(expected) == {"type", "tags.a", "user"}


def test_facts_are_kept_in_their_order() -> None:
    facts = AssertedFacts()
    facts.add("event", "present", ["type"])
    facts.add("span", "all", found=["GET /"])
    assert list(facts) == [
        Asserted("event", "present", frozenset({"type"})),
        Asserted("span", "all", found=("GET /",)),
    ]


def test_a_secret_that_each_run_makes_anew_is_not_planted() -> None:
    first = [Asserted("text", "absent", found=("fixed",)), Asserted("text", "absent", found=("1",))]
    again = [Asserted("text", "absent", found=("fixed",)), Asserted("text", "absent", found=("2",))]
    event = present("event")
    assert repeated(first, [*again, event]) == [again[0], event]


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("event", "event delivered twice (errors)"),
        ("span", "span delivered twice (spans)"),
        ("line", "line delivered twice (logs)"),
    ],
)
def test_who_expects_things_once_has_to_notice_a_second_delivery(kind: str, title: str) -> None:
    found = titles(Asserted(kind, "once"))
    assert title in found
    assert len(found) == 2
    assert all(each == title or each.startswith("trace id changed") for each in found)
