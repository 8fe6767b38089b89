from __future__ import annotations

from typing import Any

import pytest

from pytest_obsstack.clients.sentry import listing
from pytest_obsstack.clients.sentry.bugsink import BugsinkClient
from pytest_obsstack.endpoints import SentryEndpoint
from pytest_obsstack.errors import ObsstackError
from tests.unit.clients.answers import Answers, Turns

TRACE, OTHER = "4bf92f3577b34da6a3ce929d0e0e4736", "f" * 32
API = "/api/canonical/0"
PROJECTS = f"GET {API}/projects/"
ISSUES, EVENTS = f"GET {API}/issues/", f"GET {API}/events/"
LATE, EARLY = "2026-11-26T07:35:30.000000Z", "2026-11-26T07:35:01.000000Z"
EARLY_S = 1795678501.0


def results(*items: Any, cursor: str | None = None) -> dict[str, Any]:
    """A page; the address of the next is the one that Bugsink believes to have."""
    following = None if cursor is None else f"http://bugsink.example/other/?cursor={cursor}&x=1"
    return {"next": following, "previous": None, "results": list(items)}


def issue(name: str = "i-1", **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "friendly_id": "SHOP-1",
        "last_seen": LATE,
        "digested_event_count": 3,
        "calculated_type": "ValueError",
        "calculated_value": "x",
        **more,
    }


def row(name: str, issue_id: str = "i-1", ingested_at: str = LATE) -> dict[str, Any]:
    return {"id": name, "issue": issue_id, "project": 7, "ingested_at": ingested_at}


def body(name: str, event_id: str, trace_id: str = TRACE, **data: Any) -> dict[str, Any]:
    trace = {"trace": {"trace_id": trace_id}}
    payload = {"event_id": event_id, "contexts": trace, "timestamp": LATE, **data}
    return {**row(name), "event_id": event_id, "data": payload}


def client(table: dict[str, Any], **options: Any) -> tuple[BugsinkClient, Answers]:
    own = {"id": 7, "slug": "shop", "name": "Shop"}
    answers = Answers({PROJECTS: results({"id": 6, "slug": "other"}, own), **table})
    endpoint = SentryEndpoint(
        "http://127.0.0.1:8000", token="c0ffee" * 6, project="shop", flavour="bugsink"
    )
    return BugsinkClient(endpoint, transport=answers, **options), answers


def asked(answers: Answers, line: str) -> list[dict[str, str]]:
    return [
        dict(request.url.params)
        for request in answers.requests
        if f"{request.method} {request.url.path}" == line
    ]


def test_a_traces_events_are_searched_by_tag_in_the_project() -> None:
    bugsink, answers = client(
        {
            ISSUES: results(issue("i-1"), issue("i-2")),
            EVENTS: Turns([results(row("e-1")), results(row("e-2", "i-2"))]),
            f"GET {API}/events/e-1/": body("e-1", "1" * 32),
            f"GET {API}/events/e-2/": body("e-2", "2" * 32, timestamp=EARLY),
        }
    )
    found = bugsink.events_of_trace(TRACE)
    assert [event.event_id for event in found] == ["2" * 32, "1" * 32]
    (sent,) = asked(answers, ISSUES)
    assert (sent["project"], sent["q"]) == ("7", f"trace:{TRACE}")
    assert [params["issue"] for params in asked(answers, EVENTS)] == ["i-1", "i-2"]


def test_a_bugsink_that_ignores_the_search_yields_the_traces_own_events_all_the_same() -> None:
    bugsink, _ = client(
        {
            ISSUES: results(issue()),
            EVENTS: results(row("e-1"), row("e-2")),
            f"GET {API}/events/e-1/": body("e-1", "1" * 32),
            f"GET {API}/events/e-2/": body("e-2", "2" * 32, OTHER),
        }
    )
    assert [event.event_id for event in bugsink.events_of_trace(TRACE)] == ["1" * 32]


def test_a_body_is_fetched_once_however_often_it_is_asked_for() -> None:
    bugsink, answers = client(
        {
            ISSUES: results(issue()),
            EVENTS: results(row("e-1")),
            f"GET {API}/events/e-1/": body("e-1", "1" * 32, extra={"a": 1}),
        }
    )
    for _ in range(3):
        bugsink.events_of_trace(TRACE)
    assert bugsink.event("1" * 32).event_id == "1" * 32
    assert bugsink.event_json("1" * 32)["extra"] == {"a": 1}
    assert answers.lines.count(f"GET {API}/events/e-1/") == 1
    assert len(asked(answers, PROJECTS)) == 1


def test_pages_go_on_by_the_cursor_at_the_address_that_was_given() -> None:
    bugsink, answers = client(
        {
            ISSUES: results(issue()),
            EVENTS: Turns([results(row("e-1"), cursor="cD0y"), results(row("e-2"))]),
            f"GET {API}/events/e-1/": body("e-1", "1" * 32),
            f"GET {API}/events/e-2/": body("e-2", "2" * 32),
        }
    )
    assert len(bugsink.events_of_trace(TRACE)) == 2
    first, second = asked(answers, EVENTS)
    assert second == {**first, "cursor": "cD0y"}
    assert {request.url.host for request in answers.requests} == {"127.0.0.1"}


def test_issues_and_events_from_before_the_test_are_not_looked_into() -> None:
    bugsink, answers = client(
        {
            ISSUES: results(issue(), issue("old", last_seen=EARLY)),
            EVENTS: results(row("e-1"), row("e-0", ingested_at=EARLY)),
            f"GET {API}/events/e-1/": body("e-1", "1" * 32),
        }
    )
    found = bugsink.events_of_trace(TRACE, since_s=EARLY_S + listing.MARGIN_S + 0.1)
    assert len(found) == 1
    assert [params["issue"] for params in asked(answers, EVENTS)] == ["i-1"]


def test_pages_without_an_end_are_an_error() -> None:
    bugsink, _ = client({ISSUES: lambda _: results(cursor="again")})
    with pytest.raises(ObsstackError, match=r"^Bugsink pages without an end: GET /issues/"):
        bugsink.issues()


def test_a_next_page_without_a_cursor_is_not_the_end() -> None:
    page = {"next": "http://bugsink/api/canonical/0/issues/?sort=x", "results": []}
    bugsink, _ = client({ISSUES: page})
    with pytest.raises(ObsstackError, match=r"^Bugsink pages without an end: GET /issues/"):
        bugsink.issues()


def test_an_issue_has_level_release_and_users_of_its_events_and_tags() -> None:
    latest = body("e-9", "9" * 32, level="fatal", release="shop@2")
    bugsink, _ = client(
        {
            f"GET {API}/issues/i-1/": issue(events_at=["shop@1", "shop@2"], transaction="/pay"),
            EVENTS: results(row("e-9")),
            f"GET {API}/events/e-9/": latest,
            f"GET {API}/issues/i-1/tags/": results(
                {"key": "user", "value": "7", "count": 2},
                {"key": "user", "value": "8", "count": 1},
                {"key": "region", "value": "eu", "count": 3},
            ),
        }
    )
    found = bugsink.issue("i-1")
    assert (found.title, found.culprit, found.status) == ("ValueError: x", "/pay", "unresolved")
    assert (found.level, found.first_release, found.last_release) == ("fatal", "shop@1", "shop@2")
    assert (found.count, found.user_count) == (3, 2)
    assert found.permalink == "http://127.0.0.1:8000/issues/issue/i-1/event/last/"


def test_users_are_told_where_all_have_an_id() -> None:
    def users(*rows: tuple[str, str, int]) -> list[tuple[str, int]]:
        found = ({"key": key, "value": value, "count": count} for key, value, count in rows)
        bugsink, _ = client({f"GET {API}/issues/i-1/tags/": results(*found)})
        return [(value.value, value.count) for value in bugsink.tag_values("i-1", "user")]

    assert users(("user", "7", 2), ("user.id", "7", 2)) == [("id:7", 2)]
    assert users(("region", "eu", 2)) == []
    with pytest.raises(ObsstackError, match="Bugsink does not show users without an id"):
        users(("user", "7", 1), ("user", "a@b.c", 1), ("user.id", "7", 1))


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"is_resolved": True, "is_muted": False}, "resolved"),
        ({"is_resolved": False, "is_muted": True}, "ignored"),
        ({"is_resolved": False, "is_muted": False}, "unresolved"),
    ],
)
def test_the_states_of_an_issue_have_sentrys_names(more: dict[str, Any], status: str) -> None:
    (found,) = client({ISSUES: results(issue(**more))})[0].issues()
    assert found.status == status


def test_a_logged_error_is_no_exception() -> None:
    logged = issue(calculated_type="Log Message", calculated_value="Basket 7 is lost")
    (found,) = client({ISSUES: results(logged)})[0].issues()
    assert (found.title, found.type, found.event_type) == ("Basket 7 is lost", None, "default")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("is:unresolved", {"state": "unresolved"}),
        ("region:eu refused", {"q": "region:eu refused"}),
        ("", {}),
    ],
)
def test_searches_are_put_in_bugsinks_words(query: str, expected: dict[str, str]) -> None:
    bugsink, answers = client({ISSUES: results()})
    assert bugsink.issues(query) == ()
    (sent,) = asked(answers, ISSUES)
    assert sent == {"project": "7", "sort": "last_seen", "order": "desc", **expected}


@pytest.mark.parametrize("query", ["is:archived", "level:error", "has:user", "is:open region:eu"])
def test_searches_that_bugsink_does_not_know_are_refused(query: str) -> None:
    with pytest.raises(ObsstackError, match=r"^Bugsink cannot search for"):
        client({})[0].issues(query)


def test_message_of_a_project_that_is_not_there() -> None:
    with pytest.raises(ObsstackError) as caught:
        client({PROJECTS: results({"id": 6, "slug": "other"})})[0].releases()
    assert str(caught.value) == (
        "Bugsink has no project 'shop'.\n"
        "  expected  a project 'shop' that the token may see\n"
        "  found     other\n"
        "  do        check the project's slug, or set it up with `obsstack sentry-setup`"
    )


def test_an_issue_whose_events_were_dropped_is_told() -> None:
    bugsink, _ = client({EVENTS: results()})
    with pytest.raises(ObsstackError, match="retention_max_event_count"):
        bugsink.latest_event("i-1")


def test_what_needs_a_project_says_so() -> None:
    bare = BugsinkClient(SentryEndpoint("http://127.0.0.1:8000", flavour="bugsink"))
    with pytest.raises(ObsstackError, match="This call needs to know Bugsink's project"):
        bare.issues()
    bare.close()
