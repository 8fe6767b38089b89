"""Whose an alert is: this test's, or somebody else's, whose alerts satisfy nothing.

An alert is this test's where its event has the test's trace id. One without an event is, unless its
labels name another instance of the app, or it began before the test's first request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_obsstack.expect.alert_fence import first_request_s
from pytest_obsstack.expect.alert_rules import foreign_instance
from pytest_obsstack.expect.matching import NOT_GIVEN, differences
from pytest_obsstack.expect.sentry_hops import events_of_test

if TYPE_CHECKING:
    from pytest_obsstack.expect.context import Context
    from pytest_obsstack.receiver.alert import Alert

_THIS_TEST = "this test"


def of_this_test(expected: Mapping[str, Any], *, signed: bool) -> dict[str, Any]:
    """The fields that are expected, and that the alert is this test's.

    ``signed``: and its signature right, where one is expected. What must not come must not come
    with a wrong one either.
    """
    own = {**expected, "caused_by": _THIS_TEST}
    return {**own, "signature": "accepted"} if signed else own


def alert_fields(context: Context, alert: Alert) -> dict[str, Any]:
    """What of an alert is compared, and who has caused it."""
    return {
        "name": alert.name,
        "status": alert.status,
        "source": alert.source,
        "labels": alert.labels,
        "annotations": alert.annotations,
        "caused_by": _cause(context, alert),
        "signature": "wrong or missing" if alert.signed is False else "accepted",
    }


def is_own(context: Context, found: Mapping[str, str], labels: Any) -> bool:
    """Whether an alert with these labels, as Prometheus tells it, is one that was asked for."""
    if labels is not NOT_GIVEN and differences(labels, found):
        return False
    return foreign_instance(context, found) is None


def _cause(context: Context, alert: Alert) -> str:
    if alert.trace_id is not None:
        own = alert.trace_id == context.trace_id
        return _THIS_TEST if own else f"trace {alert.trace_id[:8]}…"
    if alert.issue_id is not None:
        issues = {event.issue_id for event in events_of_test(context)}
        return _THIS_TEST if alert.issue_id in issues else f"issue {alert.issue_id}"
    foreign = foreign_instance(context, alert.labels)
    if foreign is not None:
        return f"app instance {foreign}"
    began_s = first_request_s(context)
    if alert.starts_s is not None and alert.starts_s < began_s:
        return f"something {began_s - alert.starts_s:.1f} s before the test's first request"
    return _THIS_TEST
