"""GlitchTip: Sentry's own paths as far as it has them, and what it lacks put together here.

Run against 5.2; of 6.2 the paths and the fields that are used here are known to be the same, and
where it has more (ids of its own beside the SDK's, an issue's releases, culprit and users) that is
taken. It keeps errors, their issues and tags, and releases. Of transactions it tells ids
and times only, of spans and logs nothing; it has no search by trace. Its answers leave an event's
level and transaction to another page, count no users and name no culprit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw
from pytest_obsstack.clients.http import HttpOptions
from pytest_obsstack.clients.sentry.accounts import SentryAccounts
from pytest_obsstack.clients.sentry.api import if_there, listed, path
from pytest_obsstack.clients.sentry.connection import TrackerConnection
from pytest_obsstack.clients.sentry.errors_alone import ErrorsAlone
from pytest_obsstack.clients.sentry.event import Event, parse_event
from pytest_obsstack.clients.sentry.glitchtip_models import completed, trace_of, users_of
from pytest_obsstack.clients.sentry.issue import (
    Issue,
    IssueStatus,
    Release,
    Tag,
    TagValue,
    as_user_tag,
    id_of,
    parse_issue,
    parse_release,
    parse_tag,
)
from pytest_obsstack.clients.sentry.listing import newest_until
from pytest_obsstack.clients.sentry.remembered import Remembered
from pytest_obsstack.clients.sentry.search import checked, trace_term
from pytest_obsstack.clients.sentry.tracker import not_shown, oldest_first
from pytest_obsstack.clients.sentry.traits import GLITCHTIP
from pytest_obsstack.clients.sentry.transaction import TransactionEvent
from pytest_obsstack.endpoints import SentryEndpoint

if TYPE_CHECKING:
    from typing_extensions import Unpack


_PAGE_SIZE = 100
_EVENTS_PAGE_SIZE = 20
"""Whole bodies are listed, and a test's own events are mostly among the newest few."""
_SENTRYS_OWN_KEYS = (
    "trace",
    "timestamp",
    "firstSeen",
    "lastSeen",
    "assigned",
    "bookmarks",
    "times",
)
_ADVICE = {
    401: "give a valid auth token of this GlitchTip",
    403: "give the token the scopes of this call: event:read, project:read, org:read and "
    "project:releases to look; project:write, team:write, org:write to set up",
    404: "check the organisation, the project and the id, and that the token's user is a member",
}


class GlitchTipClient(ErrorsAlone):
    """GlitchTip's API for one organisation and project, those of the endpoint.

    ``accounts`` sets up organisations, projects and keys. See ``Tracker`` for what the methods
    give, and for the errors.
    """

    traits = GLITCHTIP

    def __init__(
        self, endpoint: SentryEndpoint, *, writable: bool = True, **options: Unpack[HttpOptions]
    ) -> None:
        self.endpoint = endpoint
        self._connection = TrackerConnection(
            endpoint, GLITCHTIP.product, "/api/0", advice=_ADVICE, writable=writable, **options
        )
        self._api = self._connection.api
        self.accounts = SentryAccounts(self._api)
        # Neither ever changes: an event, and its page with what the others leave out.
        self._events: Remembered[str, Event] = Remembered()
        self._stored: Remembered[str, Raw] = Remembered()

    def close(self) -> None:
        self._connection.close()

    @property
    def url(self) -> str:
        return self._connection.url

    @property
    def organization(self) -> str:
        """The organisation's slug; ``ObsstackError`` where the endpoint has none."""
        return self._connection.organization

    @property
    def project(self) -> str:
        """The project's slug; ``ObsstackError`` where the endpoint has none."""
        return self._connection.project

    def health(self) -> None:
        self._connection.web.get("/_health/")

    def version(self) -> str | None:
        settings = fields.mapping(self._connection.web.get_json("/api/settings/"), "the settings")
        return fields.optional_text(settings, "version")

    def issues_url(self, issue_id: str | None = None) -> str:
        page = f"{self.url}/{self.organization}/issues"
        return page if issue_id is None else f"{page}/{issue_id}"

    def get(self, url_path: str, **params: Any) -> Any:
        """The parsed JSON of any path below ``/api/0``: for what this client has no method for."""
        return self._connection.get(url_path, params)

    # Issues

    def issue(self, issue_id: str) -> Issue:
        """The issue; its culprit is that of its latest event, as in Sentry."""
        issue = parse_issue(self._api.get_json(path("issues", issue_id)))
        latest = self.latest_event(issue)
        return replace(
            issue,
            culprit=issue.culprit or latest.culprit,
            last_release=issue.last_release or latest.release,
            user_count=issue.user_count or self._user_count(issue),
        )

    def issues(self, query: str = "", *, limit: int = _PAGE_SIZE) -> tuple[Issue, ...]:
        """Knows ``tag:value``, ``is:``, ``has:``, ``level:`` and text; ``trace:`` alone."""
        trace_id = trace_term(query)
        if trace_id is not None:
            ids = dict.fromkeys(event.issue_id for event in self.events_of_trace(trace_id))
            return tuple(self.issue(issue_id) for issue_id in ids if issue_id)[:limit]
        query = checked(GLITCHTIP.product, query, refused_keys=_SENTRYS_OWN_KEYS)
        params = {"query": query or None, "limit": min(limit, _PAGE_SIZE)}
        found = listed(self._api, self._connection.in_project("issues"), params)
        # Without the numbers of users: they take a request for each issue.
        issues = (replace(parse_issue(raw), user_count=None) for raw in found)
        return tuple(islice(issues, limit))

    def update_issue(self, issue: Issue | str, *, status: IssueStatus) -> Issue:
        """Resolve, ignore or reopen an issue."""
        url_path = path("issues", id_of(issue))
        return parse_issue(self._api.send_json("PUT", url_path, {"status": status}))

    def issue_events(self, issue: Issue | str, *, limit: int = _PAGE_SIZE) -> tuple[Event, ...]:
        # The list has other field names throughout, so only the ids are taken from it.
        params = {"limit": min(limit, _PAGE_SIZE)}
        found = listed(self._api, path("issues", id_of(issue), "events"), params)
        rows = (fields.mapping(row, "an event") for row in islice(found, limit))
        # Newer versions have an id of their own as "id"; the SDK's is the one to be remembered by.
        names = ((row, "event_id" if "event_id" in row else "eventID") for row in rows)
        return tuple(self.event(fields.text(row, name).replace("-", "")) for row, name in names)

    def latest_event(self, issue: Issue | str) -> Event:
        found = self._api.get_json(path("issues", id_of(issue), "events", "latest"))
        return self._whole(parse_event(found))

    def tags(self, issue: Issue | str) -> tuple[Tag, ...]:
        found = listed(self._api, path("issues", id_of(issue), "tags"))
        return tuple(map(parse_tag, found))

    def tag_values(self, issue: Issue | str, key: str) -> tuple[TagValue, ...]:
        """All values of a tag; ``user`` is made of ``user.id``, where each event has one."""
        if key == "user":
            raw = self._api.get_json(path("issues", id_of(issue)))
            users = users_of(parse_issue(raw), self.tags(issue))
            if users is None:
                raise not_shown(GLITCHTIP.product, "users without an id")
            return as_user_tag(users).top_values
        found = self._api.get_json(path("issues", id_of(issue), "tags"), {"key": key})
        tags = map(parse_tag, fields.items(found, "the issue's tags"))
        return tuple(value for tag in tags if tag.key == key for value in tag.top_values)

    # Events

    def event(self, event_id: str) -> Event:
        url_path = self._connection.in_project("events", event_id)
        return self._events.get(
            event_id, lambda: self._completed(parse_event(self._api.get_json(url_path)))
        )

    def event_json(self, event_id: str, *, project: str | None = None) -> Raw:  # noqa: ARG002
        return self._stored_of(self.event(event_id))

    # Traces

    def events_of_trace(self, trace_id: str, *, since_s: float | None = None) -> tuple[Event, ...]:
        """Lists the project's events since then and looks into each; see ``newest_until``."""
        newest = newest_until(
            GLITCHTIP.product,
            self._listed_events(),
            lambda raw: fields.optional_time(raw, "dateReceived"),
            since_s=since_s,
            clock_ahead_s=lambda: self._api.clock_ahead_s,
        )
        # Most are those of other tests: only what is this trace's is read in full.
        return oldest_first(
            self._whole(parse_event(raw)) for raw in newest if trace_of(raw) == trace_id
        )

    def transactions_of_trace(self, trace_id: str) -> tuple[TransactionEvent, ...]:  # noqa: ARG002
        raise not_shown(GLITCHTIP.product, "transactions by trace", "transactions")

    # Releases and outcomes

    def releases(self, query: str | None = None) -> tuple[Release, ...]:
        found = map(parse_release, listed(self._api, self._connection.in_organization("releases")))
        # It takes the parameter and does not look at it.
        return tuple(release for release in found if query is None or query in release.version)

    def release(self, version: str) -> Release | None:
        url_path = self._connection.in_organization("releases", version)
        return if_there(lambda: parse_release(self._api.get_json(url_path)))

    def _user_count(self, issue: Issue) -> int | None:
        users = users_of(issue, self.tags(issue))
        return None if users is None else users.unique

    def _listed_events(self) -> Iterator[Raw]:
        """The project's events with their bodies, the last received first."""
        url_path = self._connection.in_project("events")
        for raw in listed(self._api, url_path, {"limit": _EVENTS_PAGE_SIZE}):
            yield fields.mapping(raw, "an event")

    def _whole(self, event: Event) -> Event:
        return self._events.get(event.event_id, lambda: self._completed(event))

    def _completed(self, event: Event) -> Event:
        return completed(event, self._stored_of(event))

    def _stored_of(self, event: Event) -> Raw:
        url_path = self._connection.in_organization(
            "issues", event.issue_id or "", "events", event.event_id, "json"
        )
        return self._stored.get(
            event.event_id,
            lambda: fields.mapping(self._api.get_json(url_path), "an event's JSON"),
        )
