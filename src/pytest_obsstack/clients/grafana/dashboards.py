"""A dashboard as Grafana keeps it: panels, their queries, variables.

https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw
from pytest_obsstack.clients.grafana.variables import (
    Values,
    Variable,
    parse_variable,
    replaced,
    with_values,
)
from pytest_obsstack.errors import ObsstackError


@dataclass(frozen=True)
class FoundDashboard:
    """A dashboard in a list."""

    uid: str
    title: str
    path: str
    """Of its page, from the server's root on: ``/d/uid/slug``."""
    folder: str | None
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """One query of a panel."""

    ref_id: str
    data_source: str | None
    """Its data source's uid, or name in old dashboards; ``None`` is the default data source."""
    hidden: bool
    """Switched off: its data is not shown."""
    raw: Raw = field(repr=False)
    """With the parameters of the data source's own: ``expr``, ``query``."""


@dataclass(frozen=True)
class Panel:
    """A visualisation with its queries; one without queries (``text``) has no targets."""

    id: int | None
    title: str
    type: str
    targets: tuple[Target, ...]
    raw: Raw = field(repr=False, compare=False)


@dataclass(frozen=True)
class Dashboard:
    """A dashboard with all its panels, those in rows, open or collapsed, included."""

    uid: str
    title: str
    path: str
    provisioned: bool
    """Whether it comes from a file."""
    panels: tuple[Panel, ...]
    """In the dashboard's order, without the rows themselves."""
    variables: tuple[Variable, ...]
    raw: Raw = field(repr=False, compare=False)

    def panel(self, title: str) -> Panel:
        """The panel of that title; ``ObsstackError`` where there is none, or more than one."""
        found = [panel for panel in self.panels if panel.title == title]
        if len(found) != 1:
            raise ObsstackError(
                f"Dashboard {self.uid!r} has {len(found)} panels {title!r}.",
                expected="exactly one",
                found=", ".join(repr(panel.title) for panel in self.panels) or "no panels",
            )
        return found[0]

    def queries(self, panel: Panel, variables: Values | None = None) -> tuple[Target, ...]:
        """The panel's queries that are shown, with the variables' values in them.

        ``variables`` are values of the caller's choice; the others are those that are saved.
        """
        known = with_values(self.variables, variables or {})
        return tuple(
            replace(
                each,
                data_source=replaced(each.data_source, known),
                raw=replaced(each.raw, known),
            )
            for each in panel.targets
            if not each.hidden
        )


def parse_found_dashboard(raw: Any) -> FoundDashboard:
    raw = fields.mapping(raw, "a dashboard that was found")
    return FoundDashboard(
        uid=fields.text(raw, "uid"),
        title=fields.text(raw, "title"),
        path=fields.text(raw, "url"),
        folder=fields.optional_text(raw, "folderTitle"),
        tags=tuple(map(str, fields.optional_items(raw, "tags"))),
    )


def parse_dashboard(raw: Any) -> Dashboard:
    raw = fields.mapping(raw, "a dashboard")
    model = fields.mapping(raw.get("dashboard"), "field 'dashboard'")
    meta = fields.optional_mapping(raw, "meta")
    templating = fields.optional_mapping(model, "templating")
    return Dashboard(
        uid=fields.text(model, "uid"),
        title=fields.text(model, "title"),
        path=fields.text(meta, "url"),
        provisioned=bool(fields.optional_bool(meta, "provisioned")),
        panels=tuple(_panels(model)),
        variables=tuple(map(parse_variable, fields.optional_items(templating, "list"))),
        raw=raw,
    )


def _panels(holder: Raw) -> Iterator[Panel]:
    for panel in fields.optional_mappings(holder, "panels", "a panel"):
        if panel.get("type") == "row":
            # Only a collapsed row holds its panels; those of an open one follow it.
            yield from _panels(panel)
        else:
            yield _panel(panel)


def _panel(raw: Raw) -> Panel:
    own = _data_source(raw)
    return Panel(
        id=fields.optional_integer(raw, "id"),
        title=fields.optional_text(raw, "title") or "",
        type=fields.text(raw, "type"),
        targets=tuple(
            _target(each, _data_source(each) or own)
            for each in fields.optional_mappings(raw, "targets", "a panel's query")
        ),
        raw=raw,
    )


def _target(raw: Raw, data_source: str | None) -> Target:
    return Target(
        ref_id=fields.optional_text(raw, "refId") or "A",
        data_source=data_source,
        hidden=bool(fields.optional_bool(raw, "hide")),
        raw=raw,
    )


def _data_source(raw: Raw) -> str | None:
    """The uid in ``{"type", "uid"}``, or the name that dashboards before Grafana 8.3 have."""
    value = raw.get("datasource")
    if isinstance(value, str):
        return value
    return fields.optional_text(fields.optional_mapping(raw, "datasource"), "uid")
