"""From path and query parameters to the things they name; 404 and 400 as Sentry answers them."""

from __future__ import annotations

from pytest_obsstack.embedded.sentry.api.http import Api, Call, bad_request, not_found
from pytest_obsstack.embedded.sentry.state.model import Issue, Organization, Project, StoredEvent
from pytest_obsstack.embedded.sentry.times import parse_iso, parse_period_ns
from pytest_obsstack.embedded.sentry.window import Window
from pytest_obsstack.wire.envelope import normalize_event_id

WINDOW_PARAMETERS = ("project", "environment", "statsPeriod", "start", "end")
"""What ``window_of`` reads."""


def organization_of(api: Api, call: Call) -> Organization:
    organization = api.store.catalog.organization(call.params["organization"])
    if organization is None:
        raise not_found()
    return organization


def project_of(api: Api, call: Call) -> Project:
    organization = organization_of(api, call)
    project = api.store.catalog.project(organization.id, call.params["project"])
    if project is None:
        raise not_found()
    return project


def issue_of(api: Api, call: Call) -> Issue:
    """By id or short id; within the organisation of the path, if it names one."""
    wanted = call.params["issue_id"]
    issues = api.store.issues.by_id
    if wanted.isascii() and wanted.isdigit():
        issue = issues.get(int(wanted))
    else:
        issue = next((i for i in issues.values() if i.short_id == wanted.upper()), None)
    if issue is None:
        raise not_found()
    if "organization" in call.params:
        organization = organization_of(api, call)
        if api.store.organization_of(issue.project_id) != organization:
            raise not_found()
    return issue


def event_of(api: Api, call: Call, project: Project) -> StoredEvent:
    event_id = normalize_event_id(call.params["event_id"])
    event = api.store.telemetry.events.get((project.id, event_id or ""))
    if event is None:
        raise not_found()
    return event


def window_of(api: Api, call: Call, organization: Organization) -> Window:
    """From ``project`` (ids or slugs, -1 for all), ``environment`` and the time parameters."""
    wanted = [value for value in call.all("project") if value != "-1"]
    projects: set[int] = set()
    for value in wanted:
        project = api.store.catalog.project(organization.id, value)
        if project is None:
            raise bad_request(f"Invalid project parameter: there is no project {value!r}.")
        projects.add(project.id)
    if not wanted:
        projects = {project.id for project in api.store.catalog.projects_of(organization.id)}
    start_ns, end_ns = times_of(api, call)
    environments = call.all("environment")
    return Window(
        frozenset(projects), frozenset(environments) if environments else None, start_ns, end_ns
    )


def times_of(api: Api, call: Call) -> tuple[int | None, int | None]:
    """``statsPeriod``, or ``start`` and ``end``; without them no restriction.

    Sentry would look back 90 days then; nothing here is ever that old.
    """
    period = call.one("statsPeriod")
    if period:
        period_ns = parse_period_ns(period)
        if period_ns is None:
            raise bad_request(f"Invalid statsPeriod: {period!r}")
        return api.clock_ns() - period_ns, None
    start, end = call.one("start"), call.one("end")
    if (start is None) is not (end is None):
        raise bad_request("start and end are both required")
    if start is None or end is None:
        return None, None
    start_ns, end_ns = parse_iso(start), parse_iso(end)
    if start_ns is None or end_ns is None:
        raise bad_request(f"{start if start_ns is None else end} is not a valid ISO8601 date query")
    if start_ns > end_ns:
        raise bad_request("start must be before end")
    return start_ns, end_ns
