"""Integrations, alert rules, and what came of them: incidents, notifications, deliveries.

All times are Unix nanoseconds. Everything is frozen; the alert state replaces what changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["critical", "warning"]
Resource = Literal["event_alert", "metric_alert", "issue"]
"""What ``Sentry-Hook-Resource`` says that a webhook is about."""


@dataclass(frozen=True)
class SentryApp:
    """An internal integration: where notifications go, and the secret that signs them."""

    id: int
    uuid: str
    installation_uuid: str
    organization_id: int
    slug: str
    name: str
    webhook_url: str | None
    is_alertable: bool
    verify_install: bool
    scopes: tuple[str, ...]
    client_id: str
    client_secret: str = field(repr=False)
    created_ns: int
    events: tuple[str, ...] = ()
    """What else it is told of: ``issue``."""


@dataclass(frozen=True)
class IssueFiring:
    """When a rule last acted on an issue, and because of which event."""

    issue_id: int
    event_id: str
    fired_ns: int


@dataclass(frozen=True)
class MetricAction:
    """Whom a trigger of a metric rule notifies."""

    id: int
    sentry_app_id: int


@dataclass(frozen=True)
class Trigger:
    """A threshold of a metric rule."""

    id: int
    label: Level
    threshold: float
    actions: tuple[MetricAction, ...]


@dataclass(frozen=True)
class MetricRule:
    """Watches an aggregate over the last ``window_min`` minutes of one project."""

    id: int
    organization_id: int
    project_id: int
    name: str
    dataset: str
    """As Sentry names it; ``source`` is what this server answers it from."""
    source: str
    event_types: tuple[str, ...]
    aggregate: str
    query: str
    environment: str | None
    window_min: int
    above: bool
    """Whether it fires above its thresholds, else below."""
    resolve_threshold: float | None
    triggers: tuple[Trigger, ...]
    created_ns: int


@dataclass(frozen=True)
class Incident:
    """One time that a metric rule was beyond a threshold, from the first trigger to the end."""

    id: int
    rule_id: int
    level: Level
    """The highest trigger that is active, or was when it ended."""
    value: float
    """What the aggregate was when the level last changed."""
    started_ns: int
    closed_ns: int | None = None


@dataclass(frozen=True)
class Delivery:
    """How sending a notification ended."""

    delivered: bool
    attempts: int
    response_status: int | None
    """Of the last attempt; ``None`` where nobody answered."""
    error: str | None
    ended_ns: int


@dataclass(frozen=True)
class Notification:
    """A webhook that is owed to an integration, or was sent."""

    id: int
    request_id: str
    """Also the header ``Request-ID``, the same in each attempt."""
    rule_id: int
    """0 where no rule has made it."""
    resource: Resource
    action: str
    app_uuid: str
    created_ns: int
    body: Mapping[str, Any] | None
    """The webhook's JSON; dropped once it was sent."""
    delivery: Delivery | None = None
    """``None`` while it is under way."""
