"""Order, number and groups of a test's events: what is asked of several things at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_obsstack.clients.sentry.tracker import not_shown
from pytest_obsstack.errors import CannotTell, ObsstackError
from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.matching import NOT_GIVEN, Candidate, differences, nearest
from pytest_obsstack.expect.mismatch import Mismatch, fail, plural
from pytest_obsstack.expect.question import KEEP, Shortfall, described
from pytest_obsstack.expect.sentry_fields import breadcrumb_fields, event_fields, event_title
from pytest_obsstack.expect.sequence import InOrder
from pytest_obsstack.waiting import until

if TYPE_CHECKING:
    from pytest_obsstack.clients.sentry.event import Event
    from pytest_obsstack.clients.sentry.issue import Issue

_BREADCRUMB = ("category", "message", "level", "type", "data")


def trail(context: Context, breadcrumbs: Any, *, exactly: bool = False) -> Any:
    """Breadcrumbs as a test gives them, as an expected value; anything but a list as it is."""
    if breadcrumbs is NOT_GIVEN:
        return breadcrumbs
    traits = context.clients.sentry.traits
    if "breadcrumbs" not in traits.capabilities:
        raise not_shown(traits.product, "breadcrumbs", "breadcrumbs")
    if not isinstance(breadcrumbs, (list, tuple)):
        return breadcrumbs
    for crumb in breadcrumbs:
        if not isinstance(crumb, Mapping) or crumb.keys() - set(_BREADCRUMB):
            raise ObsstackError(
                "A breadcrumb was given that cannot be compared.",
                expected=f"a mapping with some of {', '.join(_BREADCRUMB)}",
                found=repr(crumb),
            )
    return InOrder(tuple(breadcrumbs), exactly)


def expect_breadcrumbs(
    context: Context, event: Event, breadcrumbs: Sequence[Mapping[str, Any]], *, exactly: bool
) -> None:
    """The event has these breadcrumbs in this order."""
    __tracebackhide__ = True
    _require_own(context, [event])
    order = trail(context, list(breadcrumbs), exactly=exactly)
    wrong = order.differences_of(breadcrumb_fields(event), "breadcrumbs")
    if wrong:
        fail(
            Mismatch(
                summary="The breadcrumbs of an event are not as expected in their order.",
                expected=order.describe(),
                found=plural(len(event.breadcrumbs), "breadcrumb"),
                nearest=Candidate(event_title(event), tuple(wrong)),
                look=(context.clients.sentry.issues_url(event.issue_id), KEEP),
            )
        )
    context.asserted.add("event", "present", ["breadcrumbs"])


def of_count(
    count: int, expected: dict[str, Any], title: Callable[[Event], str], issue: Issue | None
) -> Callable[[Sequence[Event]], Shortfall | None]:
    """Judges whether exactly ``count`` of the events match."""
    if count < 0:
        raise ObsstackError(
            "expect_events was given no count.", expected="0 or more", found=str(count)
        )

    def judge(events: Sequence[Event]) -> Shortfall | None:
        candidates = [
            Candidate(title(event), tuple(differences(expected, event_fields(event))))
            for event in events
        ]
        matching = [each for each in candidates if each.matches]
        if len(matching) == count:
            return None
        where = "" if issue is None else f" in issue {issue.short_id or issue.id}"
        names = Counter(each.title for each in matching)
        return Shortfall(
            expected=f"{plural(count, 'event')} {described(expected)}".rstrip() + where,
            found=f"{len(matching)} of the {plural(len(events), 'event')} of this test{where}",
            nearest=None
            if len(matching) > count
            else nearest([each for each in candidates if not each.matches]),
            others=tuple(f"{number} × {name}" for name, number in names.most_common(5)),
            final=len(matching) > count,
        )

    return judge


def expect_grouping(
    context: Context, events: Sequence[Event], *, together: bool
) -> tuple[str, ...]:
    """The issues of the events, which are one issue, or each another."""
    __tracebackhide__ = True
    if len({event.event_id for event in events}) < 2:
        raise ObsstackError(
            "Only several events can be compared by their issues.",
            expected="two different events or more",
            found=plural(len(events), "event"),
        )
    _require_own(context, events)
    grouped = [_grouped(context, event) for event in events]
    issues = tuple(str(event.issue_id) for event in grouped)
    wrong = len(set(issues)) > 1 if together else len(set(issues)) < len(issues)
    if wrong:
        links = [context.clients.sentry.issues_url(issue) for issue in dict.fromkeys(issues)]
        fail(
            Mismatch(
                summary="The events are not all in one issue."
                if together
                else "Events that must not be grouped are in one issue.",
                expected=f"{plural(len(events), 'event')} in "
                + ("one issue" if together else "as many issues"),
                found=plural(len(set(issues)), "issue"),
                others=tuple(map(_group, grouped)),
                advice="errors are grouped by their fingerprint, else by their stack trace, else "
                "by type and value: "
                + (
                    "give them one fingerprint, or take out of it what differs"
                    if together
                    else "give each a fingerprint of its own"
                ),
                look=(*links[:2], KEEP),
            )
        )
    context.asserted.add("event", "present", ["issue"])
    return issues


def _grouped(context: Context, event: Event) -> Event:
    """The event once it belongs to an issue; trackers may group it after they have shown it."""
    __tracebackhide__ = True
    if event.issue_id is not None:
        return event

    def poll() -> Event | None:
        again = context.clients.sentry.event(event.event_id)
        return again if again.issue_id is not None else None

    waited = until(poll, timeout_s=context.timeout_s)
    if waited.value is None:
        product = context.clients.sentry.traits.product
        raise CannotTell(
            "Cannot tell in which issue an event is.",
            expected=f"{product} has grouped {event_title(event)}",
            found=f"it belongs to no issue after {waited.waited_s:.1f} s "
            f"({plural(waited.polls, 'poll')})",
            advice="look at the logs of the tracker and its workers",
        )
    return waited.value


def _group(event: Event) -> str:
    fingerprint = f", fingerprint {list(event.fingerprint)}" if event.fingerprint else ""
    hashes = f", grouped by {', '.join(event.hashes)}" if event.hashes else ""
    who = f"event {event.event_id}, {event_title(event)}"
    return f"issue {event.issue_id}: {who}{fingerprint}{hashes}"


def _require_own(context: Context, events: Sequence[Event]) -> None:
    """Another test's event proves nothing about this one."""
    __tracebackhide__ = True
    for event in events:
        if event.trace_id != context.trace_id:
            whose = "no trace" if event.trace_id is None else f"trace {event.trace_id}"
            raise ObsstackError(
                "An event of another test was given.",
                expected=f"events of trace {context.trace_id}",
                found=f"{event_title(event)} of {whose}",
                advice="get it by obs.sentry.expect_event or obs.sentry.events",
            )
