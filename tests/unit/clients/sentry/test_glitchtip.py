from __future__ import annotations

from typing import Any

import httpx
import pytest

from pytest_obsstack.clients.sentry import listing
from pytest_obsstack.clients.sentry.glitchtip import GlitchTipClient
from pytest_obsstack.endpoints import SentryEndpoint
from pytest_obsstack.errors import BackendRefused, ObsstackError
from tests.unit.clients.answers import Answers, Turns, refusal

TRACE, OTHER = "4bf92f3577b34da6a3ce929d0e0e4736", "f" * 32
EVENTS = "GET /api/0/projects/acme/shop/events/"


def event(number: int, trace_id: str = TRACE, second: int | None = None) -> dict[str, Any]:
    at = f"2026-11-26T07:35:{number if second is None else second:02}"
    return {
        "id": f"{number:032x}",
        "eventID": f"{number:032x}",
        "groupID": "1",
        "title": "ValueError: x",
        "message": "ValueError: x",
        "type": "error",
        "culprit": "/pay",
        "dateCreated": f"{at}.730Z",
        "dateReceived": f"{at}.881Z",
        "contexts": {"trace": {"trace_id": trace_id}},
        "entries": [{"type": "exception", "data": {"values": [{"type": "ValueError"}]}}],
    }


def stored(number: int, **more: Any) -> tuple[str, dict[str, Any]]:
    path = f"/api/0/organizations/acme/issues/1/events/{number:032x}/json/"
    seconds = 1795678500 + number + 0.730422
    body = {"level": "warning", "transaction": "/pay", "hashes": ["h"], "timestamp": seconds}
    frame = {"function": "pay", "lineno": 7, "context_line": "fail()", "in_app": True}
    body["exception"] = {"values": [{"type": "ValueError", "stacktrace": {"frames": [frame]}}]}
    return f"GET {path}", {**body, **more}


def client(table: dict[str, Any], **options: Any) -> tuple[GlitchTipClient, Answers]:
    answers = Answers(table)
    endpoint = SentryEndpoint(
        *("http://127.0.0.1:8000", "token-1234", "acme", "shop"), flavour="glitchtip"
    )
    return GlitchTipClient(endpoint, transport=answers, **options), answers


def linked(items: list[Any], cursor: str | None) -> httpx.Response:
    """A page with the header as GlitchTip 5.2 writes it, braces and all."""
    url = "http://127.0.0.1:8000/api/0/projects/acme/shop/events/"
    following = (
        f'<{url}>; rel="next"; results="false"'
        if cursor is None
        else f'<{url}?cursor={cursor}>; rel="next"; results="true"; cursor="{cursor}"'
    )
    header = f'{{\'<{url}>; rel="previous"; results="false", {following}\'}}'
    return httpx.Response(200, json=items, headers={"link": header})


def test_a_traces_events_are_picked_from_all_pages() -> None:
    pages = Turns([linked([event(9), event(8, OTHER)], "two"), linked([event(7)], None)])
    glitchtip, answers = client({EVENTS: pages, **dict([stored(9), stored(7)])})
    found = glitchtip.events_of_trace(TRACE)
    assert [int(e.event_id, 16) for e in found] == [7, 9]
    assert [params for params in map(answers.params, range(4)) if ("cursor", "two") in params]


def test_what_the_list_leaves_out_comes_from_the_stored_event() -> None:
    glitchtip, _ = client({EVENTS: [event(9)], **dict([stored(9)])})
    (found,) = glitchtip.events_of_trace(TRACE)
    assert (found.level, found.transaction, found.hashes) == ("warning", "/pay", ("h",))
    assert found.exception is not None
    (frame,) = found.exception.frames
    assert (frame.lineno, frame.context_line, frame.in_app) == (7, "fail()", True)
    assert found.date is not None
    assert found.date.microsecond == 730422
    # GlitchTip repeats an exception's title there.
    assert found.message is None


def test_an_event_is_fetched_once_however_often_it_is_asked_for() -> None:
    key, body = stored(9)
    glitchtip, answers = client({EVENTS: [event(9), event(8, OTHER)], key: body})
    for _ in range(3):
        glitchtip.events_of_trace(TRACE)
    assert glitchtip.event(f"{9:032x}").level == "warning"
    assert glitchtip.event_json(f"{9:032x}")["level"] == "warning"
    assert answers.lines.count(key) == 1
    assert [line for line in answers.lines if f"{8:032x}" in line] == []


def test_the_list_is_read_back_to_the_tests_beginning() -> None:
    pages = Turns([linked([event(9), event(2, second=0)], "two"), refusal(500, "a page too many")])
    glitchtip, answers = client({EVENTS: pages, **dict([stored(9)])})
    received_s = 1795678500.881
    since_s = received_s + listing.MARGIN_S + 0.1
    assert len(glitchtip.events_of_trace(TRACE, since_s=since_s)) == 1
    assert len(answers.requests) == 2


def test_too_many_events_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [event(number, OTHER) for number in range(30)]
    monkeypatch.setattr(
        "pytest_obsstack.clients.sentry.glitchtip.newest_until",
        lambda *args, **options: listing.newest_until(*args, **options, limit=29),
    )
    glitchtip, _ = client({EVENTS: many})
    with pytest.raises(ObsstackError, match=r"^GlitchTip has too many events since the test began"):
        glitchtip.events_of_trace(TRACE)


def test_events_without_a_trace_belong_to_none() -> None:
    glitchtip, _ = client({EVENTS: [{**event(9), "contexts": None}]})
    assert glitchtip.events_of_trace(TRACE) == ()


ISSUE = {"id": "1", "title": "ValueError: x", "count": "3", "userCount": 0, "culprit": ""}


def tag(key: str, *counts: int) -> dict[str, Any]:
    values = [{"value": f"v{number}", "count": count} for number, count in enumerate(counts)]
    return {
        "key": key,
        "uniqueValues": len(counts),
        "totalValues": sum(counts),
        "topValues": values,
    }


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([tag("user.id", 2, 1)], 2),
        ([tag("user.id", 2)], None),
        ([tag("user.email", 3)], None),
        ([], None),
    ],
)
def test_users_are_counted_where_each_event_has_one(tags: list[Any], expected: int | None) -> None:
    glitchtip, _ = client(
        {
            "GET /api/0/issues/1/": ISSUE,
            "GET /api/0/issues/1/events/latest/": event(9),
            "GET /api/0/issues/1/tags/": tags,
            **dict([stored(9)]),
        }
    )
    issue = glitchtip.issue("1")
    assert issue.user_count == expected
    # The list has none.
    assert issue.culprit == "/pay"


def test_what_a_newer_glitchtip_tells_of_an_issue_is_taken() -> None:
    told = {
        **ISSUE,
        "culprit": "shop.pay",
        "userCount": 4,
        "firstRelease": {"version": "shop@1"},
        "lastRelease": {"version": "shop@2"},
    }
    glitchtip, answers = client(
        {
            "GET /api/0/issues/1/": told,
            "GET /api/0/issues/1/events/latest/": event(9),
            **dict([stored(9)]),
        }
    )
    issue = glitchtip.issue("1")
    assert (issue.culprit, issue.user_count) == ("shop.pay", 4)
    assert (issue.first_release, issue.last_release) == ("shop@1", "shop@2")
    assert [line for line in answers.lines if "tags" in line] == []


@pytest.mark.parametrize("name", ["event_id", "eventID"])
def test_events_of_an_issue_are_known_by_the_sdks_id(name: str) -> None:
    path = f"GET /api/0/projects/acme/shop/events/{9:032x}/"
    own_id = "0199d3c0-7d31-7000-8000-000000000000"
    glitchtip, answers = client(
        {
            "GET /api/0/issues/1/events/": [{"id": own_id, name: f"{9:032x}"}],
            path: {**event(9), "id": own_id},
            **dict([stored(9)]),
        }
    )
    for _ in range(2):
        assert [found.event_id for found in glitchtip.issue_events("1")] == [f"{9:032x}"]
    assert answers.lines.count(path) == 1


def test_users_of_whom_some_have_no_id_are_not_told() -> None:
    glitchtip, _ = client(
        {"GET /api/0/issues/1/": ISSUE, "GET /api/0/issues/1/tags/": [tag("user.id", 2)]}
    )
    with pytest.raises(ObsstackError, match="GlitchTip does not show users without an id"):
        glitchtip.tag_values("1", "user")


def test_issues_of_a_trace_are_those_of_its_events() -> None:
    glitchtip, answers = client({EVENTS: []})
    assert glitchtip.issues(f"trace:{TRACE}") == ()
    assert answers.lines == [f"{EVENTS}?limit=20"]


def test_a_release_that_is_not_there_is_none_and_a_refusal_is_not() -> None:
    path = "GET /api/0/organizations/acme/releases/shop%401/"
    missing, _ = client({path: refusal(404, {"detail": "Not Found"})})
    assert missing.release("shop@1") is None
    refused, _ = client({path: refusal(403, {"detail": "Permission denied"})})
    with pytest.raises(BackendRefused) as caught:
        refused.release("shop@1")
    assert "give the token the scopes of this call" in str(caught.value)
    assert "token-1234" not in str(caught.value)


def test_an_issue_is_resolved_only_where_that_is_allowed() -> None:
    resolved = {**ISSUE, "status": "resolved"}
    glitchtip, answers = client({"PUT /api/0/issues/1/": resolved})
    assert glitchtip.update_issue("1", status="resolved").status == "resolved"
    assert answers.body() == {"status": "resolved"}
    with pytest.raises(ObsstackError, match="GlitchTip is used read-only"):
        client({}, writable=False)[0].update_issue("1", status="resolved")


def test_message_of_what_glitchtip_does_not_have() -> None:
    with pytest.raises(ObsstackError) as caught:
        client({})[0].transactions_of_trace(TRACE)
    assert str(caught.value) == (
        "GlitchTip does not show transactions by trace.\n"
        "  expected  an error tracker that shows transactions by trace\n"
        "  found     GlitchTip\n"
        "  do        use one that does (--obs-use sentry=lite, or the URL of a Sentry), or mark "
        "the test with obs_requires('transactions')"
    )


def test_what_needs_a_project_says_so() -> None:
    bare = GlitchTipClient(SentryEndpoint("http://127.0.0.1:8000", flavour="glitchtip"))
    with pytest.raises(ObsstackError, match="This call needs to know GlitchTip's organization"):
        bare.events_of_trace(TRACE)
    bare.close()
