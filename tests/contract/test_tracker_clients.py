"""One contract for every error tracker: what expectations ask is answered alike.

GlitchTip 5.2 and Bugsink 2.6 by their recorded answers, and by live ones where they are at hand;
the embedded Sentry live.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_obsstack.clients.sentry.event import Event
from pytest_obsstack.endpoints import TrackerFlavour
from pytest_obsstack.errors import BackendRefused, ObsstackError
from tests.contract.tracker_facts import RELEASE, USER
from tests.contract.tracker_servers import (
    Case,
    embedded_account,
    live_account,
    live_case,
    not_at_hand,
    recorded_case,
)

OTHERS: tuple[TrackerFlavour, ...] = ("glitchtip", "bugsink")
CASES: list[tuple[str, TrackerFlavour]] = [
    ("live", "embedded"),
    *(("recorded", flavour) for flavour in OTHERS),
    *(("live", flavour) for flavour in OTHERS if not_at_hand(flavour) is None),
]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Case]:
    how, flavour = request.param
    if how == "recorded":
        with recorded_case(flavour) as found:
            yield found
        return
    folder = tmp_path_factory.mktemp("tracker")
    account = embedded_account() if flavour == "embedded" else live_account(flavour, folder)
    with account as server, live_case(server) as found:
        yield found


@pytest.fixture
def error(case: Case) -> Event:
    return case.tracker.event(case.facts.error)


def product(case: Case) -> str:
    return case.tracker.traits.product


def test_a_running_tracker_is_healthy_and_tells_its_version(case: Case) -> None:
    case.tracker.health()
    version = case.tracker.version()
    assert version


def test_the_events_of_a_trace_are_found_oldest_first(case: Case) -> None:
    facts = case.facts
    events = case.tracker.events_of_trace(facts.trace)
    assert [event.event_id for event in events] == [facts.error, facts.message, facts.unhandled]
    assert [event.type for event in events] == ["error", "default", "error"]
    assert [event.level for event in events] == ["error", "error", "error"]
    assert {event.trace_id for event in events} == {facts.trace}


def test_another_traces_events_are_not_among_them(case: Case) -> None:
    (other,) = case.tracker.events_of_trace(case.facts.other_trace)
    assert other.event_id == case.facts.other_error
    assert case.tracker.events_of_trace("f" * 32) == ()


def test_an_event_has_its_exception_with_stack_trace_and_locals(error: Event) -> None:
    assert error.title == "ValueError: Card 42 was refused"
    exception = error.exception
    assert exception is not None
    assert (exception.type, exception.value) == ("ValueError", "Card 42 was refused")
    assert exception.handled is True
    frame = exception.frames[-1]
    assert (frame.function, frame.in_app) == ("charge", True)
    assert frame.vars == {"amount": "21", "doubled": "42"}
    assert frame.context_line is not None
    assert frame.context_line.strip() == 'raise ValueError(f"Card {doubled} was refused")'
    assert frame.pre_context[-1].strip() == "doubled = amount * 2"
    assert frame.lineno is not None
    assert frame.filename is not None
    assert frame.filename.endswith("tracker_facts.py")


def test_an_event_has_its_breadcrumbs_oldest_first(error: Event) -> None:
    assert [(crumb.category, crumb.message) for crumb in error.breadcrumbs] == [
        ("cart", "added sku-1"),
        ("request", "about to charge"),
    ]
    assert [crumb.level for crumb in error.breadcrumbs] == ["info", "warning"]


def test_an_event_has_its_tags_user_contexts_and_extra(error: Event) -> None:
    assert error.tags["endpoint"] == "/checkout"
    user = error.user
    assert user is not None
    assert {"id": user.id, "email": user.email, "username": user.username} == USER
    order = error.contexts["order"]
    assert {"number": order["number"], "currency": order["currency"]} == {
        "number": 42,
        "currency": "EUR",
    }
    assert error.extra["cart"] == ["sku-1"]


def test_an_event_has_its_request(error: Event) -> None:
    request = error.request
    assert request is not None
    assert (request.method, request.url) == ("POST", "http://shop.example/checkout")
    assert request.query == (("currency", "EUR"), ("note", "a b"))
    assert request.header("x-shop") == "Basel"
    assert request.data == {"amount": 12.5}


def test_an_event_has_what_says_where_it_comes_from(error: Event) -> None:
    assert (error.release, error.environment) == (RELEASE, "staging")
    assert error.transaction == "/checkout"
    assert error.sdk is not None
    assert error.sdk.name == "sentry.python"
    assert error.date is not None
    assert error.date_received is not None


def test_a_logged_error_has_its_text(case: Case) -> None:
    event = case.tracker.event(case.facts.message)
    assert (event.title, event.message) == ("Basket 7 is lost", "Basket 7 is lost")
    assert event.exception is None


def test_an_unhandled_error_is_told_from_a_handled_one(case: Case) -> None:
    exception = case.tracker.event(case.facts.unhandled).exception
    assert exception is not None
    assert (exception.type, exception.handled) == ("KeyError", False)


def test_an_event_that_nobody_sent_is_refused(case: Case) -> None:
    with pytest.raises(BackendRefused) as caught:
        case.tracker.event("0" * 32)
    assert caught.value.status == 404


def test_the_stored_payload_has_the_senders_own_names(case: Case) -> None:
    payload = case.tracker.event_json(case.facts.error)
    (exception,) = payload["exception"]["values"]
    frame = exception["stacktrace"]["frames"][-1]
    assert (frame["function"], frame["in_app"]) == ("charge", True)
    assert payload["request"]["method"] == "POST"


def test_an_issue_counts_its_events_and_users(case: Case, error: Event) -> None:
    assert error.issue_id is not None
    issue = case.tracker.issue(error.issue_id)
    assert (issue.type, issue.value) == ("ValueError", "Card 42 was refused")
    assert issue.title == "ValueError: Card 42 was refused"
    assert (issue.count, issue.user_count) == (2, 2)
    assert (issue.level, issue.status, issue.event_type) == ("error", "unresolved", "error")
    assert issue.culprit == "/checkout"
    assert issue.short_id is not None
    assert issue.first_seen is not None
    assert issue.last_seen is not None
    assert issue.project == case.project


def test_the_issue_of_a_logged_error_has_its_text_as_title(case: Case) -> None:
    event = case.tracker.event(case.facts.message)
    issue = case.tracker.issue(event.issue_id or "")
    assert (issue.title, issue.type, issue.event_type) == ("Basket 7 is lost", None, "default")
    assert issue.count == 1


def test_an_issue_lists_its_events_newest_first(case: Case, error: Event) -> None:
    assert error.issue_id is not None
    events = case.tracker.issue_events(error.issue_id)
    assert [event.event_id for event in events] == [case.facts.other_error, case.facts.error]
    assert events[1].exception == error.exception
    assert case.tracker.latest_event(error.issue_id).event_id == case.facts.other_error
    assert len(case.tracker.issue_events(error.issue_id, limit=1)) == 1


def test_an_issue_counts_the_values_of_its_tags(case: Case, error: Event) -> None:
    assert error.issue_id is not None
    tags = {tag.key: tag for tag in case.tracker.tags(error.issue_id)}
    assert (tags["endpoint"].total, tags["environment"].total) == (2, 2)
    (value,) = case.tracker.tag_values(error.issue_id, "endpoint")
    assert (value.value, value.count) == ("/checkout", 2)
    users = case.tracker.tag_values(error.issue_id, "user")
    assert {user.value: user.count for user in users} == {"id:7": 1, "id:8": 1}


def test_issues_are_found_by_tag_by_text_and_by_trace(case: Case) -> None:
    def titles(query: str) -> list[str]:
        return sorted(issue.title for issue in case.tracker.issues(query))

    first = "ValueError: Card 42 was refused"
    every = ["Basket 7 is lost", "KeyError: 'sku-9'", first]
    assert titles("") == every
    assert titles("endpoint:/checkout") == every
    assert titles("endpoint:/nowhere") == []
    assert titles("environment:staging refused") == [first]
    assert titles(f"trace:{case.facts.trace}") == every
    assert titles(f"trace:{case.facts.other_trace}") == [first]
    assert titles("is:resolved") == []
    assert len(case.tracker.issues("", limit=2)) == 2


def test_a_release_exists_once_something_was_reported_with_it(case: Case) -> None:
    found = case.tracker.release(RELEASE)
    assert found is not None
    assert case.project in found.projects
    assert RELEASE in {release.version for release in case.tracker.releases()}
    assert case.tracker.release("simple-app@0.0.0-never") is None


def test_the_pages_of_issues_are_named(case: Case, error: Event) -> None:
    tracker = case.tracker
    assert tracker.issues_url().startswith(f"{tracker.url}/")
    assert str(error.issue_id) in tracker.issues_url(error.issue_id)


def test_what_a_tracker_does_not_have_is_an_error_and_never_nothing(case: Case) -> None:
    tracker, trace = case.tracker, case.facts.trace
    have = tracker.traits.capabilities
    if "transactions" in have:
        assert [found.name for found in tracker.transactions_of_trace(trace)] == ["/checkout"]
        assert tracker.outcomes()
        return
    for ask in (
        lambda: tracker.transactions_of_trace(trace),
        lambda: tracker.spans_of_trace(trace),
        tracker.outcomes,
        lambda: tracker.attachment_content(case.facts.error, "1"),
    ):
        with pytest.raises(ObsstackError, match=f"^{product(case)} does not show "):
            ask()
    assert tracker.attachments(case.facts.error) == ()
    with pytest.raises(ObsstackError, match=f"^{product(case)} cannot search for '!endpoint:/x'"):
        tracker.issues("!endpoint:/x")
