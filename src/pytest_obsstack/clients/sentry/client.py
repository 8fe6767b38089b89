"""The client of Sentry's ``/api/0``: what arrived, as typed values.

Reference: https://docs.sentry.io/api/. Servers that differ (GlitchTip, Bugsink) have clients of
their own; ``tracker.Tracker`` is what all have in common.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw
from pytest_obsstack.clients.http import HttpOptions
from pytest_obsstack.clients.sentry.accounts import SentryAccounts
from pytest_obsstack.clients.sentry.alerts import SentryAlerts
from pytest_obsstack.clients.sentry.api import MAX_PAGE_SIZE, if_there, listed
from pytest_obsstack.clients.sentry.connection import TrackerConnection
from pytest_obsstack.clients.sentry.event import Event, parse_event
from pytest_obsstack.clients.sentry.explore import LogRow, SpanRow
from pytest_obsstack.clients.sentry.explore_queries import ExploreQueries
from pytest_obsstack.clients.sentry.issue import (
    Attachment,
    Issue,
    IssueStatus,
    Outcome,
    Release,
    Tag,
    TagValue,
    id_of,
    parse_attachment,
    parse_issue,
    parse_outcome,
    parse_release,
    parse_tag,
    parse_tag_value,
)
from pytest_obsstack.clients.sentry.remembered import Remembered
from pytest_obsstack.clients.sentry.traits import SENTRY, TrackerTraits
from pytest_obsstack.clients.sentry.transaction import TransactionEvent, parse_transaction
from pytest_obsstack.endpoints import SentryEndpoint
from pytest_obsstack.errors import ObsstackError

if TYPE_CHECKING:
    from typing_extensions import Unpack

_ADVICE = {
    401: "give a valid auth token of this Sentry server",
    403: "give the token the scopes of this call: event:read, project:read, org:read to look; "
    "project:write, team:write, org:write, alerts:write to set up",
    404: "check the organisation, the project and the id, and that the token may see them",
}


class SentryClient:
    """Sentry's web API for one organisation and project, those of the endpoint.

    ``accounts`` sets up organisations, projects and keys; ``alerts`` rules and webhooks. Every
    model keeps the server's answer as ``raw``. Errors: ``BackendUnavailable``, ``BackendRefused``,
    and ``ObsstackError`` for a write with ``writable=False`` or an answer of another shape.
    """

    def __init__(
        self, endpoint: SentryEndpoint, *, writable: bool = True, **options: Unpack[HttpOptions]
    ) -> None:
        self.endpoint = endpoint
        self._connection = TrackerConnection(
            endpoint, SENTRY.product, "/api/0", advice=_ADVICE, writable=writable, **options
        )
        self._api = self._connection.api
        self._org = self._connection.in_organization
        self.accounts = SentryAccounts(self._api)
        self.alerts = SentryAlerts(self._connection)
        self._explore = ExploreQueries(self._connection)
        self._project_id: str | None = None
        # By project and id.
        self._events: Remembered[tuple[str, str], Raw] = Remembered()

    @property
    def traits(self) -> TrackerTraits:
        return SENTRY

    def close(self) -> None:
        self._connection.close()

    @property
    def url(self) -> str:
        """Base URL without ``/api/0``."""
        return self._connection.url

    @property
    def organization(self) -> str:
        """The organisation's slug; ``ObsstackError`` where the endpoint has none."""
        return self._connection.organization

    @property
    def project(self) -> str:
        """The project's slug; ``ObsstackError`` where the endpoint has none."""
        return self._connection.project

    # The server itself

    def health(self) -> None:
        """Returns when the server says that it is healthy; else ``BackendUnavailable``."""
        self._connection.web.get("/_health/")

    def version(self) -> str | None:
        """The server's version; ``None`` where it does not tell."""
        answer = if_there(lambda: self._connection.web.get_json("/api/client-config/"))
        if answer is None:
            return None
        config = fields.mapping(answer, "the client configuration")
        return fields.optional_text(fields.optional_mapping(config, "version"), "current")

    def issues_url(self, issue_id: str | None = None) -> str:
        """The page of an issue, or that of the list."""
        page = f"{self.url}/organizations/{self.organization}/issues/"
        return page if issue_id is None else f"{page}{issue_id}/"

    def get(self, url_path: str, **params: Any) -> Any:
        """The parsed JSON of any path below ``/api/0``: for what this client has no method for."""
        return self._connection.get(url_path, params)

    # Issues

    def iter_issues(
        self,
        query: str = "",
        *,
        project: str | None = None,
        stats_period: str | None = None,
        sort: str | None = None,
        page_size: int = MAX_PAGE_SIZE,
    ) -> Iterator[Issue]:
        """The issues that match Sentry's search ``query``, fetched page by page as asked for.

        ``""`` finds all, resolved ones too (Sentry's own default would be ``is:unresolved``).
        ``project`` is a slug; by default the endpoint's project.
        """
        params = {
            "query": query,
            "project": project or self.endpoint.project,
            "statsPeriod": stats_period,
            "sort": sort,
            "limit": page_size,
        }
        yield from map(parse_issue, listed(self._api, self._org("issues"), params))

    def issues(
        self, query: str = "", *, limit: int = MAX_PAGE_SIZE, **options: Any
    ) -> tuple[Issue, ...]:
        """The first ``limit`` issues that match; ``options`` as ``iter_issues`` takes them."""
        page_size = min(limit, MAX_PAGE_SIZE)
        return tuple(islice(self.iter_issues(query, page_size=page_size, **options), limit))

    def issue(self, issue_id: str) -> Issue:
        """An issue's details, with the first and last release."""
        return parse_issue(self._api.get_json(self._org("issues", issue_id)))

    def update_issue(self, issue: Issue | str, *, status: IssueStatus) -> Issue:
        """Resolve, ignore or reopen an issue."""
        url_path = self._org("issues", id_of(issue))
        return parse_issue(self._api.send_json("PUT", url_path, {"status": status}))

    def issue_events(self, issue: Issue | str, *, limit: int = MAX_PAGE_SIZE) -> tuple[Event, ...]:
        """The first ``limit`` events of an issue with their whole bodies, newest first."""
        params = {"full": "1", "per_page": min(limit, MAX_PAGE_SIZE)}
        found = listed(self._api, self._org("issues", id_of(issue), "events"), params)
        return tuple(map(parse_event, islice(found, limit)))

    def latest_event(self, issue: Issue | str) -> Event:
        return parse_event(
            self._api.get_json(self._org("issues", id_of(issue), "events", "latest"))
        )

    def tags(self, issue: Issue | str) -> tuple[Tag, ...]:
        """The tags of an issue's events, with their most frequent values."""
        found = listed(self._api, self._org("issues", id_of(issue), "tags"))
        return tuple(map(parse_tag, found))

    def tag_values(self, issue: Issue | str, key: str) -> tuple[TagValue, ...]:
        """All values of one tag of an issue."""
        found = listed(self._api, self._org("issues", id_of(issue), "tags", key, "values"))
        return tuple(map(parse_tag_value, found))

    # Events

    def event(self, event_id: str, *, project: str | None = None) -> Event:
        """The event with the id that the SDK returned; ``BackendRefused`` (404) if there is none.

        Events do not change, so a known one is not asked for again.
        """
        return parse_event(self._event_raw(event_id, project))

    def transaction(self, event_id: str, *, project: str | None = None) -> TransactionEvent:
        """The transaction with that event id."""
        return parse_transaction(self._event_raw(event_id, project))

    def event_json(self, event_id: str, *, project: str | None = None) -> Raw:
        """The event's payload as Sentry stored it, with the client's own field names."""
        url_path = self._event_path(event_id, project, "json")
        return fields.mapping(self._api.get_json(url_path), "an event's JSON")

    def attachments(self, event_id: str, *, project: str | None = None) -> tuple[Attachment, ...]:
        found = listed(self._api, self._event_path(event_id, project, "attachments"))
        return tuple(map(parse_attachment, found))

    def attachment_content(
        self, event_id: str, attachment_id: str, *, project: str | None = None
    ) -> bytes:
        url_path = self._event_path(event_id, project, "attachments", attachment_id)
        return self._api.get(url_path, {"download": "1"}).content

    # Traces

    def events_of_trace(
        self,
        trace_id: str,
        *,
        since_s: float | None = None,  # noqa: ARG002 - for trackers that cannot search by trace
    ) -> tuple[Event, ...]:
        """The error events of a trace, of every project, oldest first.

        An event that the index knows but whose body cannot be read yet is not among them: it has
        not arrived as a whole.
        """
        found = self._explore.errors(trace_id)
        events = (self._event_if_there(row.event_id, row.project) for row in found)
        return tuple(parse_event(raw) for raw in events if raw is not None)

    def spans_of_trace(self, trace_id: str) -> tuple[SpanRow, ...]:
        """All spans of a trace, from transactions and from OTLP, by start time."""
        return tuple(self._explore.spans(trace_id))

    def spans_by(self, attribute: str, query: str) -> tuple[Raw, ...]:
        """``attribute``, ``id`` and ``trace`` of all spans that Sentry's search ``query`` finds."""
        return tuple(self._explore.spans_by(attribute, query))

    def span_attributes(self, trace_id: str, row: SpanRow) -> Raw:
        """All attributes of a span of the trace, the sender's own included.

        Asks once for each span; ``BackendRefused`` where the server has no such endpoint.
        """
        return self._explore.attributes("spans", trace_id, row.span_id, row.project)

    def transactions_of_trace(self, trace_id: str) -> tuple[TransactionEvent, ...]:
        """The transactions of a trace, by start time.

        Found by their root spans; root spans that came by OTLP belong to no transaction event.
        As in ``events_of_trace``, one without a body has not arrived yet.
        """
        found: list[TransactionEvent] = []
        for row in self.spans_of_trace(trace_id):
            if row.is_transaction and row.transaction_event_id is not None:
                raw = self._event_if_there(row.transaction_event_id, row.project)
                if raw is not None:
                    found.append(parse_transaction(raw))
        return tuple(found)

    def logs_of_trace(self, trace_id: str) -> tuple[LogRow, ...]:
        """The structured logs of a trace, oldest first."""
        return tuple(self._explore.logs(trace_id))

    def log_attributes(self, trace_id: str, row: LogRow) -> Raw:
        """All attributes of a structured log of the trace, as ``span_attributes`` of a span."""
        return self._explore.attributes("logs", trace_id, row.log_id or "", row.project)

    # Releases and outcomes

    def releases(self, query: str | None = None) -> tuple[Release, ...]:
        """The organisation's releases, newest first; ``query`` is part of the version."""
        found = listed(self._api, self._org("releases"), {"query": query})
        return tuple(map(parse_release, found))

    def release(self, version: str) -> Release | None:
        """The release, or ``None``."""
        url_path = self._org("releases", version)
        return if_there(lambda: parse_release(self._api.get_json(url_path)))

    def outcomes(self, *, stats_period: str = "1d") -> tuple[Outcome, ...]:
        """How many of the project's items met which fate, by category.

        Sentry counts by the hour, so this is for looking on, not for what one test has caused.
        """
        params = {
            "groupBy": ["category", "outcome", "reason"],
            "field": "sum(quantity)",
            "statsPeriod": stats_period,
            "interval": "1h",
            "project": self._numeric_project(),
        }
        answer = fields.mapping(self._api.get_json(self._org("stats_v2"), params), "the statistics")
        return tuple(map(parse_outcome, fields.optional_items(answer, "groups")))

    def _event_path(self, event_id: str, project: str | None, *segments: str) -> str:
        return self._connection.in_project("events", event_id, *segments, project=project)

    def _event_raw(self, event_id: str, project: str | None) -> Raw:
        return self._events.get(
            (project or self.project, event_id),
            lambda: fields.mapping(
                self._api.get_json(self._event_path(event_id, project)), "an event"
            ),
        )

    def _event_if_there(self, event_id: str, project: str | None) -> Raw | None:
        return if_there(lambda: self._event_raw(event_id, project))

    def _numeric_project(self) -> str:
        # This endpoint alone takes no slug.
        if self._project_id is None:
            project = self.accounts.project(self.organization, self.project)
            if project is None:
                raise ObsstackError(
                    f"Sentry has no project {self.project!r}.",
                    expected=f"a project of organisation {self.organization!r}",
                    found="404",
                    advice="check the project's slug",
                )
            self._project_id = project.id
        return self._project_id
