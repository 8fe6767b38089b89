"""What Prometheus' HTTP API tells beside query results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw


@dataclass(frozen=True)
class Target:
    """One active scrape target."""

    job: str
    instance: str
    health: str
    """``up``, ``down`` or ``unknown`` (not scraped yet)."""
    last_error: str | None
    last_scrape: datetime | None
    """``None`` before the first scrape."""
    last_scrape_duration_s: float | None
    scrape_url: str
    labels: Mapping[str, str]
    raw: Raw = field(repr=False, compare=False)


@dataclass(frozen=True)
class Exemplar:
    """One measurement that stands for a series at a time, with the trace that it belongs to."""

    series: Mapping[str, str]
    """Labels of the series."""
    labels: Mapping[str, str]
    """The exemplar's own labels."""
    value: float
    timestamp_s: float
    raw: Raw = field(repr=False, compare=False)

    @property
    def trace_id(self) -> str | None:
        return self.labels.get("trace_id")


@dataclass(frozen=True)
class BuildInfo:
    """Which Prometheus it is."""

    version: str
    raw: Raw = field(repr=False, compare=False)


def parse_target(raw: Any) -> Target:
    raw = fields.mapping(raw, "a target")
    labels = fields.string_map(fields.optional_mapping(raw, "labels"))
    return Target(
        job=labels.get("job", ""),
        instance=labels.get("instance", ""),
        health=fields.text(raw, "health"),
        last_error=fields.optional_text(raw, "lastError"),
        last_scrape=fields.optional_go_time(raw, "lastScrape"),
        last_scrape_duration_s=fields.optional_number(raw, "lastScrapeDuration"),
        scrape_url=fields.text(raw, "scrapeUrl"),
        labels=labels,
        raw=raw,
    )


def parse_exemplars(raw: Any) -> list[Exemplar]:
    """The exemplars of one series of ``query_exemplars``."""
    raw = fields.mapping(raw, "a series of exemplars")
    series = fields.string_map(fields.optional_mapping(raw, "seriesLabels"))
    found = []
    for item in fields.optional_mappings(raw, "exemplars", "an exemplar"):
        labels = fields.string_map(fields.optional_mapping(item, "labels"))
        value, timestamp_s = fields.number(item, "value"), fields.number(item, "timestamp")
        found.append(Exemplar(series, labels, value, timestamp_s, item))
    return found
