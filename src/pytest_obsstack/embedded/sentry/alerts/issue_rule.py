"""Issue alert rules: read from Sentry's JSON, and whether one holds for an event.

https://docs.sentry.io/api/alerts/create-an-issue-alert-rule-for-a-project/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.embedded.sentry.alerts.issue_conditions import (
    Occurrence,
    Part,
    parse_condition,
)
from pytest_obsstack.embedded.sentry.alerts.issue_filters import parse_filter
from pytest_obsstack.embedded.sentry.alerts.parts import RawPart, raw_parts
from pytest_obsstack.embedded.sentry.api.http import invalid_field, unsupported
from pytest_obsstack.embedded.sentry.times import NS

NOTIFY_SERVICE = "sentry.rules.actions.notify_event_service.NotifyEventServiceAction"
NOTIFY_APP = "sentry.rules.actions.notify_event_sentry_app.NotifyEventSentryAppAction"
FIELDS: Mapping[str, type[Any]] = {
    "name": str,
    "environment": str,
    "owner": str,
    "frequency": int,
    "actionMatch": str,
    "filterMatch": str,
    "conditions": list,
    "filters": list,
    "actions": list,
}
"""The members of a rule's JSON, as ``Call.fields`` checks them."""
_MATCHES = ("all", "any", "none")
_MIN_FREQUENCY, _MAX_FREQUENCY = 5, 60 * 24 * 30
_MAX_NAME = 256


@dataclass(frozen=True)
class NotifyAction:
    """Whom a rule notifies: an integration by its slug, or by its installation with settings."""

    raw: Mapping[str, Any]
    service: str | None
    installation_uuid: str | None
    settings: Sequence[Mapping[str, Any]] | None


@dataclass(frozen=True)
class IssueRule:
    """Acts on an event when its conditions and then its filters hold."""

    id: int
    project_id: int
    name: str
    action_match: str
    filter_match: str
    frequency_min: int
    """For so long the same issue is silent after the rule has acted on it."""
    environment: str | None
    conditions: tuple[Part, ...]
    filters: tuple[Part, ...]
    actions: tuple[NotifyAction, ...]
    created_ns: int

    @property
    def silence_ns(self) -> int:
        return self.frequency_min * 60 * NS

    def holds(self, occurrence: Occurrence) -> bool:
        """Whether it acts on the event, were it not for an earlier firing."""
        in_environment = self.environment in (None, occurrence.event.environment)
        return (
            in_environment
            and _matches(self.action_match, self.conditions, occurrence)
            and _matches(self.filter_match, self.filters, occurrence)
        )


def parse_issue_rule(
    body: Mapping[str, Any], rule_id: int, project_id: int, created_ns: int
) -> IssueRule:
    """From members of the types of ``FIELDS``.

    Raises ``ApiError`` as Sentry answers, field by field, and by name for what only Sentry has.
    """
    if body.get("owner") is not None:
        raise unsupported("field 'owner' of issue alert rules")
    filters = tuple(map(parse_filter, raw_parts(body, "filters")))
    if filters and body.get("filterMatch") is None:
        raise invalid_field(
            "filterMatch", "Must select a filter match (all, any, none) if filters are supplied."
        )
    conditions = _required(body, "conditions")
    actions = tuple(map(_parse_action, raw_parts(body, "actions")))
    if not actions:
        raise invalid_field("actions", "You must add an action for this alert to fire.")
    return IssueRule(
        id=rule_id,
        project_id=project_id,
        name=_name(body),
        action_match=_match(_required(body, "actionMatch"), "actionMatch"),
        filter_match=_match(body.get("filterMatch") or "all", "filterMatch"),
        frequency_min=_frequency(_required(body, "frequency")),
        environment=body.get("environment"),
        conditions=tuple(map(parse_condition, raw_parts({"conditions": conditions}, "conditions"))),
        filters=filters,
        actions=actions,
        created_ns=created_ns,
    )


def _parse_action(part: RawPart) -> NotifyAction:
    if part.id == NOTIFY_SERVICE:
        part.only("service")
        service = part.text("service")
        return NotifyAction({"id": part.id, "service": service}, service, None, None)
    if part.id == NOTIFY_APP:
        part.only("settings", "sentryAppInstallationUuid", "hasSchemaFormConfig")
        uuid, settings = part.text("sentryAppInstallationUuid"), part.members.get("settings")
        if not isinstance(settings, list):
            raise part.invalid("settings: This field is required.")
        raw = {"id": part.id, "sentryAppInstallationUuid": uuid, "settings": settings}
        return NotifyAction(raw, None, uuid, settings)
    raise unsupported(f"action {part.id!r} of issue alert rules")


def _matches(match: str, parts: Iterable[Part], occurrence: Occurrence) -> bool:
    """Without parts everything matches, as in Sentry."""
    results = [part.holds(occurrence) for part in parts]
    if not results:
        return True
    if match == "all":
        return all(results)
    return any(results) is (match == "any")


def _required(body: Mapping[str, Any], name: str) -> Any:
    value = body.get(name)
    if value is None:
        raise invalid_field(name, "This field is required.")
    return value


def _name(body: Mapping[str, Any]) -> str:
    name = str(_required(body, "name")).strip()
    if not name:
        raise invalid_field("name", "This field may not be blank.")
    if len(name) > _MAX_NAME:
        raise invalid_field("name", f"Ensure this field has no more than {_MAX_NAME} characters.")
    return name


def _match(value: str, name: str) -> str:
    if value not in _MATCHES:
        raise invalid_field(name, f'"{value}" is not a valid choice.')
    return value


def _frequency(value: int) -> int:
    if isinstance(value, bool) or value < _MIN_FREQUENCY:
        raise invalid_field(
            "frequency", f"Ensure this value is greater than or equal to {_MIN_FREQUENCY}."
        )
    if value > _MAX_FREQUENCY:
        raise invalid_field(
            "frequency", f"Ensure this value is less than or equal to {_MAX_FREQUENCY}."
        )
    return value
