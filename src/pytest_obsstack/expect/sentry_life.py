"""The life of an issue: resolved by a test, and reopened by an error of the same test, or not.

Sentry notes which event made an issue regress, so that an event of another trace is told apart.
GlitchTip only opens the issue again: there an event of this test that arrived in it since the test
resolved it has to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_obsstack.clients.sentry.issue import activity_of
from pytest_obsstack.clients.sentry.tracker import not_shown
from pytest_obsstack.errors import CannotTell
from pytest_obsstack.expect.fence import errors_settled
from pytest_obsstack.expect.matching import ABSENT, Candidate, differences
from pytest_obsstack.expect.mismatch import Mismatch, fail, plural
from pytest_obsstack.expect.question import KEEP, cannot_tell
from pytest_obsstack.expect.sentry_fields import event_title, issue_title
from pytest_obsstack.expect.sentry_hops import events_of_test, sentry_hops
from pytest_obsstack.waiting import until

if TYPE_CHECKING:
    from pytest_obsstack.clients.sentry.event import Event
    from pytest_obsstack.clients.sentry.issue import Issue
    from pytest_obsstack.expect.context import Context

_THIS_TEST = "an event of this test"
_FIRST_RELEASE = frozenset({"firstRelease", "events_at"})
"""Where trackers tell it: Sentry and newer versions of GlitchTip, and Bugsink."""
_EXPECTED = {"status": "unresolved", "reopened_by": _THIS_TEST}


@dataclass(frozen=True)
class Resolved:
    """What a test knew when it resolved an issue."""

    event_ids: frozenset[str]
    """Its own events in the issue by then."""


def resolve(context: Context, issue: Issue) -> tuple[Issue, Resolved]:
    """Resolve it once all errors of the test are there: one under way would open it again.

    Where the tracker cannot prove that, those that are there have to do.
    """
    __tracebackhide__ = True
    client = context.clients.sentry
    if client.traits.ordering.settles_errors and context.exchanges.all:
        settled = errors_settled(context)
        if not settled.proven:
            hops = sentry_hops(context)
            raise cannot_tell(f"resolve {_name(issue)} for good", settled, "errors", hops)
    own = frozenset(event.event_id for event in _own_events(context, issue))
    return client.update_issue(issue, status="resolved"), Resolved(own)


def expect_regression(context: Context, issue: Issue, resolved: Resolved | None) -> Issue:
    """The issue, once an event of this test has opened it again."""
    __tracebackhide__ = True
    _need_resolved(context, issue, resolved)
    newest: list[Issue] = [issue]

    def poll() -> Issue | None:
        newest[0] = context.clients.sentry.issue(issue.id)
        return None if differences(_EXPECTED, _state(context, newest[0], resolved)) else newest[0]

    waited = until(poll, timeout_s=context.timeout_s)
    if waited.value is None:
        found = tuple(differences(_EXPECTED, _state(context, newest[0], resolved)))
        own = _since(context, issue, resolved)
        fail(
            Mismatch(
                summary=f"{_name(issue)} did not regress within {waited.waited_s:.1f} s "
                f"({plural(waited.polls, 'poll')}).",
                expected=f"{_name(issue)} open again because of {_THIS_TEST}",
                found=f"{plural(len(own), 'event')} of trace {context.short_trace()} in it"
                + ("" if resolved is None else " since it was resolved"),
                nearest=Candidate(issue_title(newest[0]), found),
                hops=sentry_hops(context),
                look=(context.clients.sentry.issues_url(issue.id), KEEP),
            )
        )
    context.asserted.add("issue", "present", ["status"])
    return waited.value


def expect_no_regression(context: Context, issue: Issue, resolved: Resolved | None) -> None:
    """No event of this test has opened the issue again."""
    __tracebackhide__ = True
    _need_resolved(context, issue, resolved)
    settled = errors_settled(context)
    own = _since(context, issue, resolved)
    if own:
        fail(
            Mismatch(
                summary=f"{_name(issue)} has regressed.",
                expected=f"no event of this test in {_name(issue)} since it was resolved",
                found=event_title(own[0]),
                others=tuple(event_title(event) for event in own[1:]),
                look=(context.clients.sentry.issues_url(issue.id), KEEP),
            )
        )
    if not settled.proven:
        purpose = f"assert that {_name(issue)} did not regress"
        raise cannot_tell(purpose, settled, "errors", sentry_hops(context))
    context.asserted.add("issue", "absent", ["status"])


def with_first_release(context: Context, issues: Sequence[Issue]) -> Sequence[Issue]:
    """The issues; ``ObsstackError`` where the tracker does not tell their first release."""
    traits = context.clients.sentry.traits
    for issue in issues:
        if issue.first_release is None and not _FIRST_RELEASE & issue.raw.keys():
            raise not_shown(traits.product, "the first release of an issue")
    return issues


def _state(context: Context, issue: Issue, resolved: Resolved | None) -> Mapping[str, Any]:
    return {
        "status": ABSENT if issue.status is None else issue.status,
        "reopened_by": _reopened_by(context, issue, resolved),
    }


def _reopened_by(context: Context, issue: Issue, resolved: Resolved | None) -> Any:
    activity = activity_of(issue)
    if activity is None:
        return _THIS_TEST if _since(context, issue, resolved) else ABSENT
    # The newest first: what comes before the resolution is of an earlier life.
    for entry in activity:
        if entry.type == "set_resolved":
            break
        if entry.type == "set_regression":
            event_id = entry.data.get("event_id")
            own = {event.event_id for event in _own_events(context, issue)}
            return _THIS_TEST if event_id in own else f"event {str(event_id)[:8]}… of another trace"
    return ABSENT


def _need_resolved(context: Context, issue: Issue, resolved: Resolved | None) -> None:
    __tracebackhide__ = True
    if resolved is not None:
        return
    activity = activity_of(context.clients.sentry.issue(issue.id))
    if activity is not None and any(entry.type == "set_resolved" for entry in activity):
        return
    raise CannotTell(
        f"Cannot tell whether {_name(issue)} has regressed: nobody is known to have resolved it.",
        expected="an issue that was resolved before",
        found=f"status {issue.status!r}"
        if activity is not None
        else f"{context.clients.sentry.traits.product}, which does not tell who did",
        advice="resolve it first: obs.sentry.resolve(issue)",
    )


def _since(context: Context, issue: Issue, resolved: Resolved | None) -> list[Event]:
    """This test's events in the issue since it was resolved."""
    known = frozenset() if resolved is None else resolved.event_ids
    return [e for e in _own_events(context, issue) if e.event_id not in known]


def _own_events(context: Context, issue: Issue) -> list[Event]:
    return [event for event in events_of_test(context) if event.issue_id == issue.id]


def _name(issue: Issue) -> str:
    return f"issue {issue.short_id or issue.id}"
