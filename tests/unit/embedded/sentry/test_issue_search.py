from __future__ import annotations

import pytest

from tests.unit.embedded.sentry.support import Sentry, error_event

OTHER_TRACE = "190a81a379724061a6d708bb231c383d"


@pytest.fixture
def three(sentry: Sentry) -> Sentry:
    """Issues V (2 events), K and Z, in this order of arrival."""
    sentry.send_event(
        error_event(
            "VError",
            "first value",
            tags={"endpoint": "/error", "tier": "gold"},
            user={"id": "7", "email": "ann@example.com"},
            timestamp="2026-11-23T10:00:00Z",
        )
    )
    sentry.send_event(
        error_event(
            "VError",
            "second value",
            tags={"endpoint": "/error", "tier": "silver"},
            trace_id=OTHER_TRACE,
            environment="production",
            timestamp="2026-11-23T11:00:00Z",
        )
    )
    sentry.send_event(
        error_event(
            "KError",
            "it's (special)",
            level="warning",
            timestamp="2026-11-23T12:00:00Z",
            release="simple-app@2.0.0",
        )
    )
    sentry.send_event(
        error_event(
            "ZError",
            "division by zero",
            tags=[["endpoint", "/sentry-test"], ["odd key", "x"]],
            trace_id=OTHER_TRACE,
            timestamp="2026-11-23T13:00:00Z",
        )
    )
    return sentry


def found(sentry: Sentry, query: str, **params: object) -> str:
    """The issues as letters, in order."""
    return "".join(issue["title"][0] for issue in sentry.issues(query, **params))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "ZKV"),
        ("is:unresolved", "ZKV"),
        ("is:resolved", ""),
        ("!is:resolved", "ZKV"),
        ("is:[resolved, unresolved]", "ZKV"),
        ("is:new", "ZKV"),
        ("is:unassigned", "ZKV"),
        (f"trace:{OTHER_TRACE}", "ZV"),
        ("trace:00000000000000000000000000000001", ""),
        (f"trace:{OTHER_TRACE} endpoint:/error", "V"),
        ("endpoint:/error", "V"),
        ("!endpoint:/error", "ZK"),
        ("endpoint:[/error, /sentry-test]", "ZV"),
        ("has:endpoint", "ZV"),
        ("!has:endpoint", "K"),
        ('has:"odd key"', "Z"),
        ('"odd key":x', "Z"),
        ("tags[endpoint]:/error", "V"),
        ("endpoint:/*", "ZV"),
        ("endpoint:*TEST", "Z"),
        ("tier:gold endpoint:/error", "V"),
        ("tier:gold tier:silver", ""),
        ("tier:gold OR tier:silver", "V"),
        ("tier:gold OR level:warning", "KV"),
        ("(tier:gold OR level:warning) AND release:simple-app@2.0.0", "K"),
        ("tier:gold or error.type:ZError AND level:warning", "V"),
        ("division by zero", "Z"),
        ('"division by zero"', "Z"),
        ("value", "V"),
        ("second VALUE", "V"),
        ('"(special)"', "K"),
        ('message:"by zero"', "Z"),
        ("title:VError*", "V"),
        ("level:warning", "K"),
        ("!level:warning", "ZV"),
        ("environment:production", "V"),
        ("release:simple-app@2.0.0", "K"),
        ("firstRelease:simple-app@1.0.0", "ZV"),
        ("transaction:error", "ZKV"),
        ("user.id:7", "V"),
        ("user.email:*@example.com", "V"),
        ("user:id:7", "V"),
        ("error.type:KError", "K"),
        ("error.value:*special*", "K"),
        ("error.unhandled:true", "ZKV"),
        ("error.handled:1", ""),
        ("stack.function:view", "ZKV"),
        ("issue:SIMPLE-APP-2", "K"),
        ("issue.id:3", "Z"),
        ("timesSeen:>1", "V"),
        ("timesSeen:1", "ZK"),
        ("firstSeen:>=2026-11-23T12:00:00", "ZK"),
        ("firstSeen:-4h", "ZK"),
        ("lastSeen:+4h", "V"),
        ("timestamp:<2026-11-23T10:30:00Z", "V"),
        ("platform:python", "ZKV"),
        ('endpoint:""', "K"),
        ("event.type:error", "ZKV"),
        ("project:simple-app", "ZKV"),
    ],
)
def test_search_finds(three: Sentry, query: str, expected: str) -> None:
    assert found(three, query) == expected


def test_all_terms_must_hold_for_the_same_event(three: Sentry) -> None:
    assert found(three, f"trace:{OTHER_TRACE} tier:silver") == "V"
    assert found(three, f"trace:{OTHER_TRACE} tier:gold") == ""


def test_list_without_a_query_is_of_the_unresolved(three: Sentry) -> None:
    three.put("/api/0/organizations/obs/issues/2/", {"status": "resolved"})
    assert "".join(issue["title"][0] for issue in three.issues()) == "ZV"
    assert found(three, "") == "ZKV"


@pytest.mark.parametrize(
    ("sort", "expected"), [("date", "ZKV"), ("new", "ZKV"), ("freq", "VZK"), ("user", "VZK")]
)
def test_order(three: Sentry, sort: str, expected: str) -> None:
    assert found(three, "", sort=sort) == expected


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"environment": "production"}, "V"),
        ({"environment": ["production", "staging"]}, "ZKV"),
        ({"project": "1"}, "ZKV"),
        ({"project": "simple-app"}, "ZKV"),
        ({"project": "-1"}, "ZKV"),
        ({"statsPeriod": "3h"}, "Z"),
        ({"statsPeriod": "4h"}, "ZK"),
        ({"start": "2026-11-23T11:30:00", "end": "2026-11-23T12:30:00"}, "K"),
    ],
)
def test_window(three: Sentry, params: dict[str, object], expected: str) -> None:
    assert found(three, "", **params) == expected


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("(level:error", "expected ')' at column 13, found 'the end'"),
        ("level:error)", "expected the end at column 12, found ')'"),
        ("OR level:error", "expected a term at column 1"),
        ("level:error OR", "expected a term"),
        ("level:error AND OR x", "expected a term"),
        ("level:", "expected a value"),
        ('level:"open', "expected a value"),
        ("level:[a b]", "expected ',' or ']' at column 10"),
        ("level:[", "expected a value in the list"),
        ("()", "expected a term"),
        ("timesSeen:many", "timesSeen: Invalid value 'many'. Expected a number."),
        ("firstSeen:>yesterday", "firstSeen: Invalid date 'yesterday'"),
        ("error.unhandled:maybe", "Expected true or false."),
        ("transaction.duration:>fast", "Expected a duration such as 500ms or 2s."),
    ],
)
def test_query_that_cannot_be_read_tells_why(three: Sentry, query: str, problem: str) -> None:
    response = three.call("GET", "/api/0/organizations/obs/issues/", query=query)
    assert response.status_code == 400
    assert problem in response.json()["detail"]


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ({"query": "is:linked"}, "search term 'is:linked'"),
        ({"query": "assigned:me"}, "search term 'assigned'"),
        ({"query": "bookmarks:me"}, "search term 'bookmarks'"),
        ({"query": "geo.city:Berlin"}, "search term 'geo.city'"),
        ({"query": "count():>5"}, "search term 'count()'"),
        ({"sort": "trends"}, "sort 'trends' of issues"),
        ({"viewId": "1"}, "parameter 'viewId' of /api/0/organizations/obs/issues/"),
        ({"expand": "sessions"}, "expand='sessions' of issues"),
    ],
)
def test_what_sentry_has_and_this_server_has_not_is_refused_by_name(
    three: Sentry, params: dict[str, str], what: str
) -> None:
    response = three.call("GET", "/api/0/organizations/obs/issues/", **params)
    assert response.status_code == 400
    assert response.json() == {
        "detail": f"not supported by the embedded Sentry: {what}; "
        "use --obs-stack=compose, or --obs-use sentry=URL"
    }


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"project": "nope"}, "there is no project 'nope'"),
        ({"statsPeriod": "soon"}, "Invalid statsPeriod: 'soon'"),
        ({"start": "2026-11-23"}, "start and end are both required"),
        ({"start": "x", "end": "2026-11-23"}, "x is not a valid ISO8601 date query"),
        ({"start": "2026-11-24", "end": "2026-11-23"}, "start must be before end"),
        ({"limit": "101"}, "Invalid limit value. Must be between 1 and 100."),
        ({"limit": "x"}, "Invalid limit value."),
        ({"cursor": "x"}, "Invalid cursor parameter."),
    ],
)
def test_bad_parameters_are_refused(three: Sentry, params: dict[str, str], problem: str) -> None:
    response = three.call("GET", "/api/0/organizations/obs/issues/", **params)
    assert response.status_code == 400
    assert problem in response.json()["detail"]


def test_list_of_a_project_has_the_same_search(three: Sentry) -> None:
    url = "/api/0/projects/obs/simple-app/issues/"
    assert [issue["id"] for issue in three.get(url, query="level:warning")] == ["2"]


def test_pages_follow_the_link_header(three: Sentry) -> None:
    seen: list[str] = []
    cursor = None
    for _ in range(5):
        params = {"limit": "2", "query": ""} | ({"cursor": cursor} if cursor else {})
        response = three.call("GET", "/api/0/organizations/obs/issues/", **params)
        seen += [issue["title"][0] for issue in response.json()]
        assert response.headers["x-hits"] == "3"
        previous, following = response.headers["link"].split(", ")
        assert 'rel="previous"; results="false"' in previous or cursor
        assert following.startswith("<http://127.0.0.1:9000/api/0/organizations/obs/issues/?")
        if 'results="true"' not in following:
            break
        cursor = following.rpartition('cursor="')[2].rstrip('"')
    assert seen == ["Z", "K", "V"]


def test_expand_tells_of_attachments(three: Sentry) -> None:
    issues = three.issues("", expand=["latestEventHasAttachments", "owners"])
    assert [issue["latestEventHasAttachments"] for issue in issues] == [False, False, False]
    assert issues[0]["owners"] is None
