from __future__ import annotations

from typing import Any

import pytest

from pytest_obsstack.embedded.sentry.state.model import Issue, StoredEvent
from tests.unit.embedded.sentry.support import Sentry, error_event, frame, transaction_event

ISSUES = "/api/0/organizations/obs/issues/"


def test_events_of_one_place_are_one_issue_whatever_their_values(sentry: Sentry) -> None:
    sentry.send_event(error_event(value="order 17"))
    sentry.send_event(error_event(value="order 18", user={"id": "7"}))
    sentry.send_event(error_event(value="order 19", user={"id": 7, "email": "a@example.com"}))
    sentry.send_event(error_event(value="order 20", user={"email": "a@example.com"}))
    [issue] = sentry.issues()
    assert issue["count"] == "4"
    assert issue["userCount"] == 2
    assert issue["title"] == "ValueError: order 20"
    assert issue["metadata"] == {
        "type": "ValueError",
        "value": "order 20",
        "filename": "app.py",
        "function": "view",
    }
    assert issue["culprit"] == "error"
    assert issue["shortId"] == "SIMPLE-APP-1"
    assert (issue["status"], issue["substatus"], issue["level"]) == ("unresolved", "new", "error")
    assert issue["isUnhandled"] is True
    assert issue["project"]["slug"] == "simple-app"
    assert issue["permalink"] == "http://127.0.0.1:9000/organizations/obs/issues/1/"


def test_frames_of_libraries_do_not_split_an_issue(sentry: Sentry) -> None:
    own = frame("view")
    sentry.send_event(error_event(frames=[frame("wsgi", in_app=False), own]))
    sentry.send_event(error_event(frames=[frame("asgi", in_app=False), own]))
    sentry.send_event(error_event(frames=[own, frame("helper")]))
    assert [issue["count"] for issue in sentry.issues(sort="freq")] == ["2", "1"]


def test_frames_of_libraries_tell_issues_apart_where_there_is_nothing_else(sentry: Sentry) -> None:
    sentry.send_event(error_event(frames=[frame("wsgi", in_app=False)]))
    sentry.send_event(error_event(frames=[frame("asgi", in_app=False)]))
    assert len(sentry.issues()) == 2


def test_type_and_source_line_tell_issues_apart_and_the_line_number_does_not(
    sentry: Sentry,
) -> None:
    sentry.send_event(error_event(frames=[frame("view", line=10)]))
    sentry.send_event(error_event(frames=[frame("view", line=11)]))
    sentry.send_event(error_event("KeyError", frames=[frame("view")]))
    sentry.send_event(error_event(frames=[frame("view", context_line="other()")]))
    assert sorted(issue["count"] for issue in sentry.issues()) == ["1", "1", "2"]


def test_without_a_stack_trace_the_value_groups_and_numbers_in_it_do_not(sentry: Sentry) -> None:
    for value in ("user 5 is gone", "user 61 is gone", "user is gone"):
        sentry.send_event(error_event(value=value, frames=[]))
    assert sorted(issue["count"] for issue in sentry.issues()) == ["1", "2"]


def test_fingerprint_of_the_sdk_wins(sentry: Sentry) -> None:
    sentry.send_event(error_event("A", fingerprint=["same"]))
    sentry.send_event(error_event("B", fingerprint=["same"]))
    assert [issue["count"] for issue in sentry.issues()] == ["2"]


def test_default_in_a_fingerprint_stands_for_the_usual_grouping(sentry: Sentry) -> None:
    for kind, fingerprint in (
        ("A", ["{{ default }}", "x"]),
        ("A", ["{{default}}", "x"]),
        ("B", ["{{ default }}", "x"]),
        ("A", ["{{ default }}", "y"]),
        ("A", ["{{ default }}"]),
        ("A", None),
    ):
        sentry.send_event(error_event(kind, fingerprint=fingerprint))
    assert sorted(issue["count"] for issue in sentry.issues()) == ["1", "1", "2", "2"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            {"logentry": {"message": "user %s", "formatted": "user a", "params": ["a"]}},
            {"logentry": {"message": "user %s", "formatted": "user b", "params": ["b"]}},
        ),
        ({"message": "took 15.2 ms"}, {"message": "took 3.7 ms"}),
        (
            {"message": "job 9ec79c33-ec99-42ab-8353-589fcb2e04dc"},
            {"message": "job 00000000-ec99-42ab-8353-589fcb2e04dc"},
        ),
        ({"message": "from 10.0.0.1"}, {"message": "from 192.168.1.20"}),
        ({"message": "at 2026-11-23T10:00:00Z"}, {"message": "at 2025-01-01 09:59:59"}),
        ({"message": "mail a@example.com"}, {"message": "mail b@example.org"}),
        ({"message": "GET http://a/1"}, {"message": "GET https://b/2?x=1"}),
    ],
)
def test_messages_that_differ_in_their_parameters_are_one_issue(
    sentry: Sentry, first: dict[str, Any], second: dict[str, Any]
) -> None:
    for message in (first, second):
        event = error_event(**message)
        del event["exception"]
        sentry.send_event(event)
    assert [issue["count"] for issue in sentry.issues()] == ["2"]


def test_messages_that_differ_are_issues_that_differ(sentry: Sentry) -> None:
    for message in ("disk full", "disk gone"):
        event = error_event(message=message, level="warn")
        del event["exception"]
        sentry.send_event(event)
    issues = sentry.issues()
    assert {issue["title"] for issue in issues} == {"disk full", "disk gone"}
    assert {(issue["type"], issue["level"]) for issue in issues} == {("default", "warning")}


def test_transactions_are_no_issues(sentry: Sentry) -> None:
    sentry.send_event(transaction_event())
    assert sentry.issues("") == []


def test_resolved_issue_leaves_the_default_list_and_regresses_with_a_new_event(
    sentry: Sentry,
) -> None:
    sentry.send_event(error_event())
    detail = sentry.put(f"{ISSUES}1/", {"status": "resolved"})
    assert (detail["status"], detail["substatus"]) == ("resolved", None)
    assert sentry.issues() == []
    assert [issue["id"] for issue in sentry.issues("is:resolved")] == ["1"]
    sentry.clock.advance(60)
    event = error_event()
    sentry.send_event(event)
    detail = sentry.get(f"{ISSUES}1/")
    assert (detail["status"], detail["substatus"]) == ("unresolved", "regressed")
    assert [entry["type"] for entry in detail["activity"]] == [
        "set_regression",
        "set_resolved",
        "first_seen",
    ]
    assert detail["activity"][0]["data"] == {"event_id": event["event_id"]}
    assert detail["activity"][0]["dateCreated"] == "2026-11-23T15:36:00.000000Z"


def test_ignored_issue_stays_ignored_when_events_come(sentry: Sentry) -> None:
    sentry.send_event(error_event())
    detail = sentry.put(f"{ISSUES}1/", {"status": "ignored"})
    assert detail["substatus"] == "archived_until_escalating"
    sentry.send_event(error_event())
    assert sentry.issues() == []
    assert sentry.issues("is:archived")[0]["count"] == "2"
    assert sentry.put(f"{ISSUES}1/", {"status": "unresolved"})["substatus"] == "ongoing"


def test_several_issues_are_changed_at_once(sentry: Sentry) -> None:
    for kind in ("A", "B", "C"):
        sentry.send_event(error_event(kind))
    changed = sentry.put(ISSUES, {"status": "resolved"}, id=["1", "3"])
    assert changed["status"] == "resolved"
    assert [issue["title"][0] for issue in sentry.issues()] == ["B"]
    sentry.put(ISSUES, {"status": "unresolved", "hasSeen": True}, query="is:resolved")
    assert {issue["id"]: issue["hasSeen"] for issue in sentry.issues()} == {
        "1": True,
        "2": False,
        "3": True,
    }


def test_deleted_issue_is_gone_with_its_events_and_comes_again_as_another(sentry: Sentry) -> None:
    event = error_event()
    sentry.send_event(event)
    assert sentry.call("DELETE", f"{ISSUES}1/").status_code == 202
    assert sentry.issues("") == []
    url = f"/api/0/projects/obs/simple-app/events/{event['event_id']}/"
    assert sentry.call("GET", url).status_code == 404
    sentry.send_event(error_event())
    assert [(issue["id"], issue["count"]) for issue in sentry.issues()] == [("2", "1")]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"status": "resolvedInNextRelease"}, "status 'resolvedInNextRelease' of issues"),
        ({"status": "ignored", "statusDetails": {"ignoreCount": 5}}, "statusDetails"),
        ({"assignedTo": "user:1"}, "field 'assignedTo'"),
        ({"status": "done"}, '"done" is not a valid choice.'),
        ({"status": "resolved", "substatus": "ongoing"}, "not a valid choice for resolved"),
        ({"status": 5}, "Not a valid value: 5."),
        (["resolved"], "expected an object"),
    ],
)
def test_changes_that_are_not_possible_are_refused_and_change_nothing(
    sentry: Sentry, body: object, problem: str
) -> None:
    sentry.send_event(error_event())
    response = sentry.call("PUT", f"{ISSUES}1/", body)
    assert response.status_code == 400
    assert problem in " ".join(str(value) for value in response.json().values())
    assert sentry.get(f"{ISSUES}1/")["status"] == "unresolved"


def test_releases_of_an_issue_are_the_first_and_the_last(sentry: Sentry) -> None:
    for version in ("shop@1.0", "shop@1.1", "shop@1.2"):
        sentry.send_event(error_event(release=version))
    detail = sentry.get(f"{ISSUES}1/")
    assert detail["firstRelease"]["version"] == "shop@1.0"
    assert detail["lastRelease"]["version"] == "shop@1.2"


def test_first_and_last_seen_are_the_senders_times(sentry: Sentry) -> None:
    sentry.send_event(error_event(timestamp="2026-11-23T10:00:00Z"))
    sentry.send_event(error_event(timestamp=1795428000.5))
    sentry.send_event(error_event(timestamp="2026-11-23T11:30:00+01:00"))
    [issue] = sentry.issues()
    assert issue["firstSeen"] == "2026-11-23T10:00:00.000000Z"
    assert issue["lastSeen"] == "2026-11-23T10:30:00.000000Z"


def test_observers_are_told_what_is_new_and_what_has_regressed(sentry: Sentry) -> None:
    told: list[tuple[str, str, bool, bool]] = []

    def on_event(issue: Issue, event: StoredEvent, is_new: bool, is_regression: bool) -> None:
        told.append((issue.short_id, event.event_id, is_new, is_regression))

    transactions: list[str] = []
    sentry.server.observers.on_event.append(on_event)
    sentry.server.observers.on_transaction.append(lambda event: transactions.append(event.title))
    ids = [sentry.send_event(error_event()), sentry.send_event(error_event())]
    sentry.put(f"{ISSUES}1/", {"status": "resolved"})
    ids.append(sentry.send_event(error_event()))
    sentry.send_event(transaction_event("checkout"))
    assert told == [
        ("SIMPLE-APP-1", ids[0], True, False),
        ("SIMPLE-APP-1", ids[1], False, False),
        ("SIMPLE-APP-1", ids[2], False, True),
    ]
    assert transactions == ["checkout"]
