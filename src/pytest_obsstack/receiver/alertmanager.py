"""Alertmanager's API v2: what Prometheus and Loki's ruler post.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml, ``postableAlerts``.
"""

from __future__ import annotations

from typing import Any

from pytest_obsstack.receiver.alert import Alert, NotAnAlert, Request, members, texts, unix_s

ALERTS_PATH = "/api/v2/alerts"
_NAME_LABEL = "alertname"


def parse_alerts(request: Request, body: Any) -> list[Alert]:
    """The alerts of one request; ``NotAnAlert`` for what Alertmanager answers with 400."""
    if not isinstance(body, list):
        raise NotAnAlert(f"the body is {type(body).__name__}, expected a list of alerts")
    return [_parse(request, raw) for raw in body]


def _parse(request: Request, raw: Any) -> Alert:
    raw = members(raw, "an alert")
    labels = texts(raw.get("labels"), "labels")
    # An empty value is the same as no label.
    labels = {name: value for name, value in labels.items() if value}
    if not labels:
        raise NotAnAlert("at least one label pair required")
    starts_s = unix_s(raw.get("startsAt"), "startsAt")
    ends_s = unix_s(raw.get("endsAt"), "endsAt")
    if starts_s is not None and ends_s is not None and ends_s < starts_s:
        raise NotAnAlert("start time must be before end time")
    resolved = ends_s is not None and ends_s <= request.received_s
    return Alert(
        name=labels.get(_NAME_LABEL, ""),
        status="resolved" if resolved else "firing",
        source="alertmanager",
        labels=labels,
        annotations=texts(raw.get("annotations"), "annotations"),
        starts_s=request.received_s if starts_s is None else starts_s,
        ends_s=ends_s,
        url=str(raw["generatorURL"]) if raw.get("generatorURL") else None,
        received_s=request.received_s,
        raw=raw,
    )
