"""Bugsink: its own API (``/api/canonical/0``) told in Sentry's words.

Checked on 2.6. It keeps errors with their whole payloads, their issues and tags, and releases. It
has one project after the other and no organisations, answers with ids of its own, and takes no
transactions: it tells each SDK to send none for a day. Trace ids are among its tags.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import httpx

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw
from pytest_obsstack.clients.http import HttpOptions
from pytest_obsstack.clients.sentry.api import pages, path
from pytest_obsstack.clients.sentry.bugsink_models import (
    parse_bugsink_event,
    parse_bugsink_issue,
    parse_bugsink_release,
    parse_bugsink_tags,
)
from pytest_obsstack.clients.sentry.connection import TrackerConnection
from pytest_obsstack.clients.sentry.errors_alone import ErrorsAlone
from pytest_obsstack.clients.sentry.event import Event
from pytest_obsstack.clients.sentry.issue import (
    Issue,
    IssueStatus,
    Release,
    Tag,
    TagValue,
    as_user_tag,
    id_of,
)
from pytest_obsstack.clients.sentry.listing import newest_until
from pytest_obsstack.clients.sentry.remembered import Remembered
from pytest_obsstack.clients.sentry.search import checked
from pytest_obsstack.clients.sentry.tracker import not_shown, oldest_first
from pytest_obsstack.clients.sentry.traits import BUGSINK
from pytest_obsstack.clients.sentry.transaction import TransactionEvent
from pytest_obsstack.endpoints import SentryEndpoint
from pytest_obsstack.errors import ObsstackError

if TYPE_CHECKING:
    from typing_extensions import Unpack

API_PATH = "/api/canonical/0"

_STATES = ("open", "unresolved", "resolved", "muted")
_SENTRYS_OWN_KEYS = (
    "is",
    "has",
    "level",
    "timestamp",
    "firstSeen",
    "lastSeen",
    "assigned",
    "times",
)
_ADVICE = {
    401: "give a valid auth token of this Bugsink: 40 hex digits",
    403: "give a token that may read issues, events, projects and releases; to set up also one "
    "that may manage teams and projects",
    404: "check the project and the id, and that this is Bugsink 2.6.2 or newer",
}


class BugsinkClient(ErrorsAlone):
    """Bugsink's API for one project, that of the endpoint.

    See ``Tracker`` for what the methods give, and for the errors.
    """

    traits = BUGSINK

    def __init__(
        self, endpoint: SentryEndpoint, *, writable: bool = True, **options: Unpack[HttpOptions]
    ) -> None:
        self.endpoint = endpoint
        self._connection = TrackerConnection(
            endpoint, BUGSINK.product, API_PATH, advice=_ADVICE, writable=writable, **options
        )
        self._api = self._connection.api
        self._project: Raw | None = None
        # The same events, by Bugsink's own id and by the SDK's.
        self._by_own_id: Remembered[str, Event] = Remembered()
        self._by_event_id: Remembered[str, Event] = Remembered()

    def close(self) -> None:
        self._connection.close()

    @property
    def url(self) -> str:
        return self._connection.url

    @property
    def project(self) -> str:
        """The project's slug; ``ObsstackError`` where the endpoint has none."""
        return self._connection.project

    def health(self) -> None:
        self._connection.web.get("/health/ready")

    def version(self) -> str | None:
        schema = self._connection.web.get_json(f"{API_PATH}/schema/", {"format": "json"})
        info = fields.optional_mapping(fields.mapping(schema, "the API's description"), "info")
        return fields.optional_text(info, "version")

    def issues_url(self, issue_id: str | None = None) -> str:
        if issue_id is None:
            return f"{self.url}/issues/{self._project_id()}/"
        return f"{self.url}/issues/issue/{issue_id}/event/last/"

    def get(self, url_path: str, **params: Any) -> Any:
        """The parsed JSON of any path of the API: for what this client has no method for."""
        return self._connection.get(url_path, params)

    # Teams and projects

    def teams(self) -> Iterator[Raw]:
        return self._listed(path("teams"))

    def create_team(self, name: str) -> Raw:
        return self._post(path("teams"), {"name": name})

    def projects(self, team_id: str) -> Iterator[Raw]:
        return self._listed(path("projects"), {"team": team_id})

    def create_project(self, team_id: str, name: str) -> Raw:
        """The new project as its details show it, DSN included."""
        made = self._post(path("projects"), {"team": team_id, "name": name})
        return fields.mapping(self._api.get_json(path("projects", made["id"])), "a project")

    # Issues

    def issue(self, issue_id: str) -> Issue:
        """The issue; its level and last release are those of its latest event, as in Sentry."""
        raw = self._api.get_json(path("issues", issue_id))
        return parse_bugsink_issue(
            raw,
            project=self.endpoint.project,
            permalink=self.issues_url(issue_id),
            latest=self.latest_event(issue_id),
            tags=self.tags(issue_id),
        )

    def issues(self, query: str = "", *, limit: int = 100) -> tuple[Issue, ...]:
        """Knows ``tag:value`` and text, ``trace:`` among them; ``is:`` and a state alone.

        Without what takes a request for each issue: level, last release, number of users.
        """
        params: dict[str, Any] = {"project": self._project_id(), "sort": "last_seen"}
        prefix, _, state = query.strip().partition(":")
        if prefix == "is" and state in _STATES:
            params["state"] = state
        else:
            params["q"] = checked(BUGSINK.product, query, refused_keys=_SENTRYS_OWN_KEYS) or None
        found = self._listed(path("issues"), {**params, "order": "desc"})
        return tuple(
            parse_bugsink_issue(
                raw,
                project=self.endpoint.project,
                permalink=self.issues_url(fields.text(raw, "id")),
            )
            for raw in islice(found, limit)
        )

    def update_issue(self, issue: Issue | str, *, status: IssueStatus) -> Issue:
        """Bugsink's API only reads issues: ``ObsstackError``."""
        raise ObsstackError(
            f"Bugsink does not let its API change issue {id_of(issue)} to {status!r}.",
            expected="an error tracker whose API changes issues",
            found="Bugsink, where only its pages do",
            advice="use one that does (--obs-use sentry=lite, sentry=glitchtip, or the URL of a "
            "Sentry), or mark the test with obs_requires('issue_status')",
        )

    def issue_events(self, issue: Issue | str, *, limit: int = 100) -> tuple[Event, ...]:
        found = self._listed(path("events"), {"issue": id_of(issue)})
        return tuple(self._body(fields.text(row, "id")) for row in islice(found, limit))

    def latest_event(self, issue: Issue | str) -> Event:
        latest = next(iter(self.issue_events(issue, limit=1)), None)
        if latest is None:
            raise ObsstackError(
                f"Issue {id_of(issue)} has no event any more.",
                expected="an event",
                found="none: Bugsink drops old ones (retention_max_event_count)",
                advice="let the project keep more events",
            )
        return latest

    def tags(self, issue: Issue | str) -> tuple[Tag, ...]:
        return parse_bugsink_tags(self._listed(path("issues", id_of(issue), "tags")))

    def tag_values(self, issue: Issue | str, key: str) -> tuple[TagValue, ...]:
        """All values of a tag; those of ``user`` as Sentry writes them, where all have an id."""
        if key == "user":
            tags = {tag.key: tag for tag in self.tags(issue)}
            users, ids = tags.get("user"), tags.get("user.id")
            if users is None:
                return ()
            if ids is None or ids.total != users.total:
                raise not_shown(BUGSINK.product, "users without an id")
            return as_user_tag(ids).top_values
        found = self._listed(path("issues", id_of(issue), "tags"), {"key": key})
        return tuple(
            value for tag in parse_bugsink_tags(found) if tag.key == key for value in tag.top_values
        )

    # Events

    def event(self, event_id: str) -> Event:
        def ask() -> Event:
            params = {"project": self._project_id(), "event_id": event_id}
            event = parse_bugsink_event(self._api.get_json(path("events", "lookup"), params))
            self._by_own_id.put(fields.text(event.raw, "id"), event)
            return event

        return self._by_event_id.get(event_id, ask)

    def event_json(self, event_id: str, *, project: str | None = None) -> Raw:  # noqa: ARG002
        return fields.optional_mapping(self.event(event_id).raw, "data")

    # Traces

    def events_of_trace(self, trace_id: str, *, since_s: float | None = None) -> tuple[Event, ...]:
        """Searches by the tag ``trace``, and looks into each body all the same.

        A Bugsink that does not know the parameter ``q`` lists all, which is then only slower; see
        ``newest_until`` for its bound.
        """
        params = {
            "project": self._project_id(),
            "q": f"trace:{trace_id}",
            "sort": "last_seen",
            "order": "desc",
        }
        issues = newest_until(
            BUGSINK.product,
            self._listed(path("issues"), params),
            lambda issue: fields.optional_time(issue, "last_seen"),
            since_s=since_s,
            clock_ahead_s=lambda: self._api.clock_ahead_s,
        )
        return oldest_first(
            event
            for issue in issues
            for event in self._events_of_issue(fields.text(issue, "id"), trace_id, since_s)
            if event.trace_id == trace_id
        )

    def _events_of_issue(
        self, issue_id: str, trace_id: str, since_s: float | None
    ) -> Iterator[Event]:
        rows = newest_until(
            BUGSINK.product,
            self._listed(path("events"), {"issue": issue_id, "q": f"trace:{trace_id}"}),
            lambda row: fields.optional_time(row, "ingested_at"),
            since_s=since_s,
            clock_ahead_s=lambda: self._api.clock_ahead_s,
        )
        for row in rows:
            yield self._body(fields.text(row, "id"))

    def transactions_of_trace(self, trace_id: str) -> tuple[TransactionEvent, ...]:  # noqa: ARG002
        raise not_shown(BUGSINK.product, "transactions", "transactions")

    # Releases and outcomes

    def releases(self, query: str | None = None) -> tuple[Release, ...]:
        found = self._listed(path("releases"), {"project": self._project_id()})
        releases = (parse_bugsink_release(raw, project=self.endpoint.project) for raw in found)
        return tuple(r for r in releases if query is None or query in r.version)

    def release(self, version: str) -> Release | None:
        return next((r for r in self.releases(version) if r.version == version), None)

    def _project_id(self) -> str:
        wanted = self.project
        if self._project is None:
            names = []
            for raw in self._listed(path("projects")):
                if wanted in (raw.get("slug"), raw.get("name")):
                    self._project = raw
                    break
                names.append(fields.optional_text(raw, "slug") or "")
            else:
                raise ObsstackError(
                    f"Bugsink has no project {wanted!r}.",
                    expected=f"a project {wanted!r} that the token may see",
                    found=", ".join(names) or "no project",
                    advice="check the project's slug, or set it up with `obsstack sentry-setup`",
                )
        return fields.text(self._project, "id")

    def _body(self, own_id: str) -> Event:
        def ask() -> Event:
            event = parse_bugsink_event(self._api.get_json(path("events", own_id)))
            self._by_event_id.put(event.event_id, event)
            return event

        return self._by_own_id.get(own_id, ask)

    def _listed(self, url_path: str, params: Raw | None = None) -> Iterator[Raw]:
        """The objects of a list, over all its pages, fetched as they are asked for."""
        for page in pages(self._api, url_path, params or {}, _following):
            results = fields.mapping(page, f"GET {url_path}")
            yield from fields.optional_mappings(results, "results", "a result")

    def _post(self, url_path: str, body: Raw) -> Raw:
        return fields.mapping(self._api.send_json("POST", url_path, body), f"POST {url_path}")


def _following(response: httpx.Response, page: Any) -> str | None:  # noqa: ARG001 - see ``pages``
    """The cursor of the next page, whose address is in the answer itself."""
    address = fields.optional_text(page, "next")
    # That under which Bugsink believes to be reached, which may be another one. One without a
    # cursor is asked for all the same: what is on that page must not pass for absent.
    return None if address is None else httpx.URL(address).params.get("cursor", "")
