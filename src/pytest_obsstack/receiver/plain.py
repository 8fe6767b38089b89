"""Plain JSON webhooks: those of Grafana's contact points, and GlitchTip's general webhook.

Grafana: https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/.
GlitchTip posts what Slack takes (``apps/alerts/webhooks.py``): a text and an attachment an issue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_obsstack.receiver.alert import Alert, AlertStatus, Request, members, texts, unix_s

_GLITCHTIP = "GlitchTip"


def parse_plain(request: Request, body: Any) -> list[Alert]:
    """The alerts that the body tells of; none where its form is not known."""
    if not isinstance(body, Mapping):
        return []
    if isinstance(body.get("alerts"), list) and "receiver" in body:
        return [_grafana(request, raw) for raw in body["alerts"]]
    if str(body.get("alias", "")) == _GLITCHTIP or str(body.get("text", "")).startswith(_GLITCHTIP):
        return [_glitchtip(request, str(body["text"]), raw) for raw in body.get("attachments", [])]
    return []


def _grafana(request: Request, raw: Any) -> Alert:
    raw = members(raw, "an alert")
    labels = texts(raw.get("labels"), "labels")
    status: AlertStatus = "resolved" if raw.get("status") == "resolved" else "firing"
    return Alert(
        name=labels.get("alertname", ""),
        status=status,
        source="grafana",
        labels=labels,
        annotations=texts(raw.get("annotations"), "annotations"),
        starts_s=unix_s(raw.get("startsAt"), "startsAt"),
        ends_s=unix_s(raw.get("endsAt"), "endsAt"),
        url=raw.get("generatorURL"),
        received_s=request.received_s,
        raw=raw,
    )


def _glitchtip(request: Request, text: str, raw: Any) -> Alert:
    """It names neither rule nor trace; the issue is in the link."""
    raw = members(raw, "an attachment")
    link = raw.get("title_link")
    issue_id = str(link).rstrip("/").rpartition("/")[2] if link else ""
    return Alert(
        name=text,
        status="firing",
        source="glitchtip",
        labels={
            str(field.get("title", "")): str(field.get("value", ""))
            for field in raw.get("fields") or ()
            if isinstance(field, Mapping)
        },
        annotations={"title": str(raw.get("title") or ""), "text": str(raw.get("text") or "")},
        starts_s=None,
        ends_s=None,
        url=None if link is None else str(link),
        received_s=request.received_s,
        issue_id=issue_id if issue_id.isdigit() else None,
        raw=raw,
    )
