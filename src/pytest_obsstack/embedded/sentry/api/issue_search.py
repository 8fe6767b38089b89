"""Finding issues: a search over their events, and the terms that are about the issue itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pytest_obsstack.embedded.sentry.api.http import bad_request, unsupported
from pytest_obsstack.embedded.sentry.discover.event_fields import EventFields, event_fields
from pytest_obsstack.embedded.sentry.search.fields import UnsupportedField
from pytest_obsstack.embedded.sentry.search.match import (
    FieldType,
    Getter,
    Predicate,
    compile_search,
)
from pytest_obsstack.embedded.sentry.search.syntax import (
    And,
    Filter,
    InvalidSearch,
    Node,
    Or,
    keys_of,
    parse_search,
    required_filters,
)
from pytest_obsstack.embedded.sentry.state.model import Issue, StoredEvent
from pytest_obsstack.embedded.sentry.state.store import SentryStore
from pytest_obsstack.embedded.sentry.window import Window

_STATUSES = {"unresolved", "resolved", "ignored"}
_SUBSTATUSES = {"new", "ongoing", "regressed", "archived_until_escalating", "archived_forever"}
_IS_ALIASES = {"archived": "ignored", "muted": "ignored"}
_IS_KNOWN = _STATUSES | _SUBSTATUSES | set(_IS_ALIASES) | {"unassigned", "for_review"}

_ISSUE_FIELDS: dict[str, tuple[FieldType, Callable[[Issue], Any]]] = {
    "is": ("string", lambda issue: [issue.status, issue.substatus or "", "unassigned"]),
    "issue": ("string", lambda issue: issue.short_id),
    "issue.id": ("integer", lambda issue: issue.id),
    "timesSeen": ("integer", lambda issue: issue.count),
    "userCount": ("integer", lambda issue: issue.user_count),
    "firstSeen": ("date", lambda issue: issue.first_seen_ns),
    "lastSeen": ("date", lambda issue: issue.last_seen_ns),
    "first_seen": ("date", lambda issue: issue.first_seen_ns),
    "last_seen": ("date", lambda issue: issue.last_seen_ns),
    "firstRelease": ("string", lambda issue: issue.first_release),
    "first_release": ("string", lambda issue: issue.first_release),
    "issue.type": ("string", lambda _issue: "error"),
    "issue.category": ("string", lambda _issue: "error"),
}
_SORTS: dict[str, Callable[[Issue], Any]] = {
    "date": lambda issue: issue.last_seen_ns,
    "new": lambda issue: issue.first_seen_ns,
    "freq": lambda issue: issue.count,
    "user": lambda issue: issue.user_count,
}


def find_issues(
    store: SentryStore, search: str, sort: str, window: Window, now_ns: int
) -> list[Issue]:
    """Issues with an event that fulfils the whole search, in order; as Sentry, a term on an event
    and another one must both hold for the same event.
    """  # noqa: D205 - one sentence
    if sort not in _SORTS:
        raise unsupported(f"sort {sort!r} of issues")
    fields = event_fields(store.catalog, store.issues)
    tree = _parsed(search)
    matches = compiled(tree, fields, now_ns)
    of_events = any(key not in _ISSUE_FIELDS for key in keys_of(tree))
    narrowed = of_events or window.environments is not None
    found = [
        issue
        for issue in _candidates(store, tree)
        if issue.project_id in window.project_ids
        and (
            _any_event_matches(issue, store, fields, matches, window)
            if narrowed
            else window.holds(issue.project_id, None, issue.last_seen_ns)
            and matches(_getter(issue, None, fields))
        )
    ]
    return sorted(found, key=lambda issue: (_SORTS[sort](issue), issue.id), reverse=True)


def find_events(
    store: SentryStore, issue: Issue, search: str, window: Window, now_ns: int
) -> list[StoredEvent]:
    """The issue's events that fulfil the search, the newest first."""
    fields = event_fields(store.catalog, store.issues)
    matches = compiled(_parsed(search), fields, now_ns)
    return [
        event
        for event in reversed(store.events_of(issue))
        if window.holds(event.project_id, event.environment, event.timestamp_ns)
        and matches(_getter(issue, event, fields))
    ]


def compiled(tree: Node, fields: EventFields, now_ns: int) -> Predicate:
    """The search as a predicate; a term that is not known is refused by name."""

    def kind_of(key: str) -> FieldType:
        known = _ISSUE_FIELDS.get(key)
        return fields.kind_of(key) if known is None else known[0]

    try:
        return compile_search(_checked(tree), kind_of, now_ns)
    except UnsupportedField as error:
        raise unsupported(f"search term {error.name!r}") from error
    except InvalidSearch as error:
        raise bad_request(str(error)) from error


def _parsed(search: str) -> Node:
    try:
        return parse_search(search)
    except InvalidSearch as error:
        raise bad_request(str(error)) from error


def _checked(tree: Node) -> Node:
    """Replace the aliases of ``is:`` and refuse what it cannot tell."""
    if isinstance(tree, Filter):
        if tree.key != "is":
            return tree
        for value in tree.values:
            if value not in _IS_KNOWN:
                raise UnsupportedField(f"is:{value}")
        values = tuple(_IS_ALIASES.get(value, value) for value in tree.values)
        return Filter("is", tree.operator, values, tree.negated)
    if isinstance(tree, (And, Or)):
        return type(tree)(tuple(_checked(part) for part in tree.parts))
    return tree


def _candidates(store: SentryStore, tree: Node) -> Iterable[Issue]:
    """What an index leaves to look at."""
    telemetry = store.telemetry
    for term in required_filters(tree):
        events: list[StoredEvent] | None = None
        if term.key == "trace":
            traces = dict.fromkeys(value.replace("-", "").lower() for value in term.values)
            events = [event for trace in traces for event in telemetry.trace(trace).events]
        elif term.key == "id":
            ids = dict.fromkeys(term.values)
            events = [event for value in ids for event in telemetry.events_with_id(value)]
        if events is not None:
            wanted = dict.fromkeys(event.issue_id for event in events)
            return [store.issues.by_id[i] for i in wanted if i is not None]
    return store.issues.by_id.values()


def _any_event_matches(
    issue: Issue, store: SentryStore, fields: EventFields, matches: Predicate, window: Window
) -> bool:
    """The latest event first: it is the likeliest."""
    return any(
        window.holds(event.project_id, event.environment, event.timestamp_ns)
        and matches(_getter(issue, event, fields))
        for event in reversed(store.events_of(issue))
    )


def _getter(issue: Issue, event: StoredEvent | None, fields: EventFields) -> Getter:
    def get(key: str) -> Any:
        known = _ISSUE_FIELDS.get(key)
        if known is not None:
            return known[1](issue)
        return None if event is None else fields.value(event, key)

    return get
