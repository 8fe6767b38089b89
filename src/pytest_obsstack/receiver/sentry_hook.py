"""Webhooks of Sentry's internal integrations: of issue rules, of metric rules, and of issues.

https://docs.sentry.io/organization/integrations/integration-platform/webhooks/
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_obsstack.receiver.alert import Alert, AlertStatus, NotAnAlert, Request, members, unix_s

RESOURCE_HEADER = "sentry-hook-resource"
ISSUE = "issue"
"""The name of what is told of an issue, which no rule has made; its label ``action`` says what."""
SIGNATURE_HEADER = "sentry-hook-signature"


def signed_with(request: Request, client_secret: str) -> bool:
    """Whether the header holds the body's HMAC by that secret."""
    wanted = hmac.new(client_secret.encode(), request.content, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted, request.headers.get(SIGNATURE_HEADER, ""))


def parse_hook(request: Request, body: Any, secrets: Iterable[str]) -> Alert | None:
    """The alert that it tells of; ``None`` for a webhook about something else.

    ``secrets`` are those of the integrations that are known. Raises ``NotAnAlert``.
    """
    resource = request.headers[RESOURCE_HEADER]
    if resource not in ("event_alert", "metric_alert", ISSUE):
        return None
    body = members(body, "the body")
    data = members(body.get("data"), "data")
    known = list(secrets)
    signed = any(signed_with(request, secret) for secret in known) if known else None
    if resource == ISSUE:
        return _issue(request, str(body.get("action", "")), data, signed)
    if resource == "metric_alert":
        return _metric_alert(request, str(body.get("action", "")), data, signed)
    return _event_alert(request, data, signed)


def _event_alert(request: Request, data: Mapping[str, Any], signed: bool | None) -> Alert:  # noqa: FBT001
    event = members(data.get("event"), "data.event")
    contexts = event.get("contexts") or {}
    trace = contexts.get("trace") if isinstance(contexts, Mapping) else None
    return Alert(
        name=str(data.get("triggered_rule", "")),
        status="firing",
        source="sentry",
        labels=_tags(event.get("tags")),
        annotations={"title": str(event.get("title") or "")},
        starts_s=None,
        ends_s=None,
        url=event.get("web_url"),
        received_s=request.received_s,
        trace_id=trace.get("trace_id") if isinstance(trace, Mapping) else None,
        issue_id=_text(event.get("issue_id")),
        event_id=_text(event.get("event_id")),
        signed=signed,
        raw=data,
    )


def _issue(
    request: Request,
    action: str,
    data: Mapping[str, Any],
    signed: bool | None,  # noqa: FBT001
) -> Alert:
    issue = members(data.get("issue"), "data.issue")
    project = issue.get("project")
    return Alert(
        name=ISSUE,
        status="resolved" if action == "resolved" else "firing",
        source="sentry",
        labels={
            "action": action,
            "short_id": str(issue.get("shortId") or ""),
            "project": str(project.get("slug", "")) if isinstance(project, Mapping) else "",
        },
        annotations={"title": str(issue.get("title") or "")},
        starts_s=unix_s(issue.get("firstSeen"), "firstSeen"),
        ends_s=None,
        url=issue.get("web_url") or issue.get("permalink"),
        received_s=request.received_s,
        issue_id=_text(issue.get("id")),
        signed=signed,
        raw=data,
    )


def _metric_alert(
    request: Request,
    action: str,
    data: Mapping[str, Any],
    signed: bool | None,  # noqa: FBT001
) -> Alert:
    incident = members(data.get("metric_alert"), "data.metric_alert")
    rule = members(incident.get("alert_rule"), "data.metric_alert.alert_rule")
    status: AlertStatus = "resolved" if action == "resolved" else "firing"
    return Alert(
        name=str(rule.get("name", "")),
        status=status,
        source="sentry",
        labels={"level": action, "projects": ",".join(map(str, incident.get("projects") or []))},
        annotations={
            "title": str(data.get("description_title") or ""),
            "text": str(data.get("description_text") or ""),
        },
        starts_s=unix_s(incident.get("date_started"), "date_started"),
        ends_s=unix_s(incident.get("date_closed"), "date_closed"),
        url=data.get("web_url"),
        received_s=request.received_s,
        signed=signed,
        raw=data,
    )


def _tags(value: Any) -> dict[str, str]:
    """Pairs, as Sentry sends them, or an object."""
    pairs = value.items() if isinstance(value, Mapping) else value or ()
    try:
        return {str(name): str(text) for name, text in pairs}
    except (TypeError, ValueError):
        raise NotAnAlert("data.event.tags are no pairs") from None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
