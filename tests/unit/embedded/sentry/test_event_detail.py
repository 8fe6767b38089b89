from __future__ import annotations

from typing import Any

from pytest_obsstack.wire.envelope import Item
from tests.unit.embedded.sentry.support import Sentry, error_event, frame, transaction_event

PROJECT = "/api/0/projects/obs/simple-app"
ISSUE = "/api/0/organizations/obs/issues/1"


def detail(sentry: Sentry, event: dict[str, Any]) -> Any:
    sentry.send_event(event)
    return sentry.get(f"{PROJECT}/events/{event['event_id']}/")


def entry(event: Any, kind: str) -> Any:
    [found] = [entry["data"] for entry in event["entries"] if entry["type"] == kind]
    return found


def tags(event: Any) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in event["tags"]}


def test_exception_has_all_frames_with_source_and_local_variables(sentry: Sentry) -> None:
    frames = [frame("wsgi", in_app=False), frame("view", line=21, vars={"n": "3", "d": {"x": "1"}})]
    event = detail(sentry, error_event(frames=frames))
    [value] = entry(event, "exception")["values"]
    assert (value["type"], value["value"]) == ("ValueError", "Intentional error for testing")
    assert value["mechanism"] == {"type": "flask", "handled": False}
    outer, inner = value["stacktrace"]["frames"]
    assert (outer["function"], outer["inApp"]) == ("wsgi", False)
    assert inner["function"] == "view"
    assert inner["filename"] == "app.py"
    assert inner["absPath"] == "/srv/app.py"
    assert inner["lineNo"] == 21
    assert inner["inApp"] is True
    assert inner["vars"] == {"n": "3", "d": {"x": "1"}}
    assert inner["context"] == [
        [20, "def f():"],
        [21, "    view_call()"],
        [22, "    return 1"],
    ]
    assert value["stacktrace"]["hasSystemFrames"] is True


def test_chained_exceptions_keep_their_order_and_the_last_names_the_event(sentry: Sentry) -> None:
    event = error_event()
    cause = {"type": "KeyError", "value": "'x'"}
    event["exception"]["values"].insert(0, cause)
    shown = detail(sentry, event)
    assert shown["title"] == "ValueError: Intentional error for testing"
    assert [v["type"] for v in entry(shown, "exception")["values"]] == ["KeyError", "ValueError"]


def test_breadcrumbs_keep_their_order_and_get_their_defaults(sentry: Sentry) -> None:
    crumbs = [
        {"category": "request", "message": "Processing", "level": "info", "timestamp": 1795448097},
        {"type": "http", "data": {"url": "/x"}, "timestamp": "2026-11-23T15:34:58Z"},
    ]
    for given in (crumbs, {"values": crumbs}):
        event = detail(sentry, error_event(breadcrumbs=given))
        first, second = entry(event, "breadcrumbs")["values"]
        assert first == {
            "type": "default",
            "category": "request",
            "message": "Processing",
            "level": "info",
            "timestamp": "2026-11-23T15:34:57.000000Z",
            "data": None,
            "event_id": None,
        }
        assert (second["type"], second["level"], second["data"]) == ("http", "info", {"url": "/x"})


def test_request_has_method_url_query_headers_and_body(sentry: Sentry) -> None:
    request = {
        "method": "POST",
        "url": "http://localhost/checkout#top",
        "query_string": "x=1&y=a%20b&empty=",
        "headers": {"X-Test": "abc", "content-type": "application/json"},
        "cookies": "a=1; b=2",
        "data": {"amount": 5},
        "env": {"REMOTE_ADDR": "127.0.0.1"},
    }
    shown = entry(detail(sentry, error_event(request=request)), "request")
    assert shown["method"] == "POST"
    assert shown["url"] == "http://localhost/checkout#top"
    assert shown["query"] == [["x", "1"], ["y", "a b"], ["empty", ""]]
    assert shown["fragment"] == "top"
    assert shown["headers"] == [["content-type", "application/json"], ["X-Test", "abc"]]
    assert shown["cookies"] == [["a", "1"], ["b", "2"]]
    assert shown["data"] == {"amount": 5}
    assert shown["inferredContentType"] == "application/json"


def test_user_contexts_extra_sdk_and_modules_are_shown(sentry: Sentry) -> None:
    event = error_event(
        user={"id": 7, "email": "ann@example.com", "username": "ann", "plan": "gold"},
        extra={"k": [1, 2]},
        modules={"flask": "3.1.3"},
        sdk={"name": "sentry.python.flask", "version": "2.75.0", "integrations": ["flask"]},
        dist="42",
    )
    event["contexts"] |= {
        "order": {"id": 3, "total": 12.5},
        "runtime": {"name": "CPython", "version": "3.11.7"},
    }
    shown = detail(sentry, event)
    assert shown["user"]["id"] == "7"
    assert shown["user"]["email"] == "ann@example.com"
    assert shown["user"]["username"] == "ann"
    assert shown["user"]["data"] == {"plan": "gold"}
    assert shown["contexts"]["order"] == {"id": 3, "total": 12.5, "type": "default"}
    assert shown["contexts"]["runtime"]["type"] == "runtime"
    assert shown["context"] == {"k": [1, 2]}
    assert shown["packages"] == {"flask": "3.1.3"}
    assert shown["sdk"]["integrations"] == ["flask"]
    assert shown["dist"] == "42"
    assert shown["release"]["version"] == "simple-app@1.0.0"
    assert shown["dateCreated"] == "2026-11-23T15:34:57.299839Z"
    assert shown["dateReceived"] == "2026-11-23T15:35:00.000000Z"


def test_tags_are_the_senders_and_sentrys_own_sorted_by_key(sentry: Sentry) -> None:
    event = error_event(
        tags={"endpoint": "/error", "n": 5, "yes": True, "empty": "", "none": None},
        user={"id": "7"},
        request={"url": "http://localhost/error"},
        server_name="vm",
        logger="shop",
        dist="42",
    )
    event["contexts"]["runtime"] = {"name": "CPython", "version": "3.11.7"}
    shown = detail(sentry, event)
    assert tags(shown) == {
        "endpoint": "/error",
        "n": "5",
        "yes": "true",
        "level": "error",
        "environment": "staging",
        "release": "simple-app@1.0.0",
        "dist": "42",
        "transaction": "error",
        "server_name": "vm",
        "logger": "shop",
        "user": "id:7",
        "handled": "no",
        "mechanism": "flask",
        "url": "http://localhost/error",
        "runtime": "CPython 3.11.7",
        "runtime.name": "CPython",
    }
    keys = [tag["key"] for tag in shown["tags"]]
    assert keys == sorted(keys)
    assert {"key": "user", "value": "id:7", "query": 'user.id:"7"'} in shown["tags"]


def test_message_event_shows_its_template_and_parameters(sentry: Sentry) -> None:
    event = error_event(
        logentry={"message": "user %s", "formatted": "user ann\nsecond line", "params": ["ann"]}
    )
    del event["exception"]
    shown = detail(sentry, event)
    assert shown["title"] == "user ann"
    assert shown["message"] == "user ann\nsecond line"
    assert entry(shown, "message") == {
        "message": "user %s",
        "formatted": "user ann\nsecond line",
        "params": ["ann"],
    }


def test_long_value_is_cut_in_the_title_only(sentry: Sentry) -> None:
    shown = detail(sentry, error_event(value="x" * 300 + "\nmore"))
    assert shown["title"] == "ValueError: " + "x" * 97 + "..."
    assert entry(shown, "exception")["values"][0]["value"] == "x" * 300 + "\nmore"


def test_transaction_is_an_event_with_spans(sentry: Sentry) -> None:
    shown = detail(sentry, transaction_event())
    assert shown["type"] == "transaction"
    assert shown["title"] == "error"
    assert shown["groupID"] is None
    assert shown["startTimestamp"] == 1795448097.236271
    assert shown["endTimestamp"] == 1795448097.334741
    [span] = entry(shown, "spans")
    assert span["op"] == "db.query"
    assert span["start_timestamp"] == 1795448097.243544


def test_neighbours_within_the_issue(sentry: Sentry) -> None:
    ids = [sentry.send_event(error_event()) for _ in range(3)]
    shown = [sentry.get(f"{PROJECT}/events/{event_id}/") for event_id in ids]
    assert [event["previousEventID"] for event in shown] == [None, ids[0], ids[1]]
    assert [event["nextEventID"] for event in shown] == [ids[1], ids[2], None]


def test_latest_and_oldest_of_an_issue(sentry: Sentry) -> None:
    ids = [sentry.send_event(error_event(environment=name)) for name in ("a", "b", "a")]
    assert sentry.get(f"{ISSUE}/events/latest/")["eventID"] == ids[2]
    assert sentry.get(f"{ISSUE}/events/recommended/")["eventID"] == ids[2]
    assert sentry.get(f"{ISSUE}/events/oldest/")["eventID"] == ids[0]
    assert sentry.get(f"{ISSUE}/events/{ids[1]}/")["eventID"] == ids[1]
    assert sentry.get(f"{ISSUE}/events/latest/", environment="b")["eventID"] == ids[1]
    assert sentry.call("GET", f"{ISSUE}/events/{'0' * 32}/").status_code == 404
    assert sentry.get("/api/0/issues/SIMPLE-APP-1/events/oldest/")["eventID"] == ids[0]


def test_events_of_an_issue_are_listed_newest_first_and_searched(sentry: Sentry) -> None:
    ids = [sentry.send_event(error_event(tags={"n": n})) for n in range(3)]
    assert [e["eventID"] for e in sentry.get(f"{ISSUE}/events/")] == ids[::-1]
    [found] = sentry.get(f"{ISSUE}/events/", query="n:1")
    assert found["eventID"] == ids[1]
    assert "entries" not in found
    [full] = sentry.get(f"{ISSUE}/events/", query="n:1", full="1")
    assert full["entries"][0]["type"] == "exception"


def test_events_of_a_project_are_errors_of_all_its_issues(sentry: Sentry) -> None:
    ids = [sentry.send_event(error_event(kind)) for kind in ("A", "B")]
    sentry.send_event(transaction_event())
    assert [e["eventID"] for e in sentry.get(f"{PROJECT}/events/")] == ids[::-1]


def test_raw_event_is_as_it_was_ingested(sentry: Sentry) -> None:
    event = error_event(custom={"a": [1, {"b": None}]})
    sentry.send_event(event)
    raw = sentry.get(f"{PROJECT}/events/{event['event_id']}/json/")
    assert {name: raw[name] for name in event if name != "type"} == event


def test_event_id_may_have_dashes_and_any_case(sentry: Sentry) -> None:
    event = error_event(event_id="9ec79c33ec9942ab8353589fcb2e04dc")
    sentry.send_event(event)
    url = f"{PROJECT}/events/9EC79C33-EC99-42AB-8353-589FCB2E04DC/"
    assert sentry.get(url)["eventID"] == event["event_id"]
    found = sentry.get(f"/api/0/organizations/obs/eventids/{event['event_id']}/")
    assert (found["projectSlug"], found["groupId"]) == ("simple-app", "1")


def test_attachment_without_its_event_is_found_once_the_event_is_there(sentry: Sentry) -> None:
    event = error_event()
    sentry.send(Item.of("attachment", b"early", filename="a.txt"), event_id=event["event_id"])
    sentry.send_event(event)
    url = f"{PROJECT}/events/{event['event_id']}/attachments/"
    assert [attachment["name"] for attachment in sentry.get(url)] == ["a.txt"]


def test_tags_of_an_issue_are_counted(sentry: Sentry) -> None:
    for tier, endpoint in (("gold", "/a"), ("gold", "/a"), ("silver", "/a")):
        sentry.send_event(error_event(tags={"tier": tier, "endpoint": endpoint}))
    keys = {tag["key"]: tag for tag in sentry.get(f"{ISSUE}/tags/")}
    assert keys["tier"]["totalValues"] == 3
    assert keys["tier"]["uniqueValues"] == 2
    assert [(v["value"], v["count"]) for v in keys["tier"]["topValues"]] == [
        ("gold", 2),
        ("silver", 1),
    ]
    assert sentry.get(f"{ISSUE}/tags/endpoint/")["uniqueValues"] == 1
    values = sentry.get(f"{ISSUE}/tags/tier/values/")
    assert [(v["value"], v["count"]) for v in values] == [("gold", 2), ("silver", 1)]
    assert sentry.call("GET", f"{ISSUE}/tags/nothing/").status_code == 404
    assert sentry.get(f"{ISSUE}/hashes/")[0]["latestEvent"]["groupID"] == "1"
