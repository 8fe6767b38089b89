"""A scraped target: its labels, and what the answer to a scrape does to the store. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pytest_obsstack.embedded.prometheus.exposition import (
    ExpositionError,
    ScrapedSample,
    parse,
)
from pytest_obsstack.embedded.prometheus.model import (
    METRIC_NAME,
    STALE_NAN,
    Labels,
    Metadata,
    labels_of,
)
from pytest_obsstack.embedded.prometheus.settings import ScrapeConfig
from pytest_obsstack.embedded.prometheus.store import SeriesStore, TooManySeries

Health = Literal["unknown", "up", "down"]

_EXPORTED = "exported_"
_REPORTED = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)


@dataclass(frozen=True)
class TargetKey:
    """What identifies a target and decides how its samples are stored."""

    job: str
    address: str
    metrics_path: str
    labels: Labels
    honor_labels: bool
    honor_timestamps: bool

    @classmethod
    def of(cls, config: ScrapeConfig, address: str) -> TargetKey:
        # As in Prometheus, labels that begin with two underscores are dropped, and a configured
        # "instance" or "job" goes before the one that is made up.
        given = {n: v for n, v in config.labels.items() if not n.startswith("__")}
        labels = labels_of({"job": config.job_name, "instance": address, **given})
        return cls(
            config.job_name,
            address,
            config.metrics_path,
            labels,
            config.honor_labels,
            config.honor_timestamps,
        )

    @property
    def url(self) -> str:
        return f"http://{self.address}{self.metrics_path}"

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "labels": dict(self.labels)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> TargetKey:
        return cls(**{**document, "labels": labels_of(document["labels"])})


# A line up to its value: a name, perhaps labels (which may hold blanks), or a comment.
_SERIES = re.compile(rb"#.*|[^{\s]*(?:\{(?:[^\"}]|\"(?:[^\"\\]|\\.)*\")*\})?")


@dataclass(frozen=True)
class ScrapeResult:
    """One scrape: when it began, how long it took, and the body or the error."""

    timestamp_ms: int
    duration_s: float
    body: bytes = b""
    content_type: str = ""
    error: str = ""

    @cached_property
    def shape(self) -> tuple[str, str, tuple[bytes, ...]]:
        """What does not change with the values: the error, the type, each line's series."""
        matches = (_SERIES.match(line) for line in self.body.splitlines())
        return self.error, self.content_type, tuple(m[0] for m in matches if m is not None)

    def same_content(self, other: ScrapeResult | None) -> bool:
        content = (self.body, self.content_type, self.error)
        return other is not None and content == (other.body, other.content_type, other.error)


@dataclass
class Target:
    """``exposed`` are the series that get a stale marker when the next scrape lacks them."""

    key: TargetKey
    health: Health = "unknown"
    last_error: str = ""
    last_result: ScrapeResult | None = None
    metadata: dict[str, Metadata] = field(default_factory=dict)
    exposed: set[Labels] = field(default_factory=set)
    _known: set[Labels] = field(default_factory=set)
    _parsed: list[ScrapedSample] = field(default_factory=list)

    def apply(self, result: ScrapeResult, store: SeriesStore) -> None:
        """Store what the scrape gave: samples, stale markers, and the series about the scrape."""
        repeated = result.same_content(self.last_result)
        error = self.last_error if repeated else self._read(result)
        self.last_result = result
        samples = [] if error else self._parsed
        exposed: set[Labels] = set()
        added = 0
        try:
            for sample in samples:
                added += sample.labels not in self._known
                self._append(sample, result.timestamp_ms, exposed, store)
            if samples:
                self._known = {sample.labels for sample in samples}
        except TooManySeries as refused:
            error, samples, added = str(refused), [], 0
        self._mark_stale(self.exposed - exposed, result.timestamp_ms, store)
        self.exposed = exposed
        self.last_error = error
        self.health = "down" if error else "up"
        counts = (len(samples), len(samples), added)
        values = (float(not error), result.duration_s, *map(float, counts))
        for name, value in zip(_REPORTED, values, strict=True):
            store.append(self._report_labels(name), result.timestamp_ms, value)

    def retire(self, timestamp_ms: int, store: SeriesStore) -> None:
        """The target is scraped no more: all of its series end."""
        reported = {self._report_labels(name) for name in _REPORTED}
        self._mark_stale(self.exposed | reported, timestamp_ms, store)
        self.exposed = set()
        self.last_result = None

    def _read(self, result: ScrapeResult) -> str:
        """Parse a body unlike the one before; the error text, empty where all is well."""
        self._parsed = []
        if result.error or not result.body:
            return result.error
        try:
            exposition = parse(result.body, result.content_type)
        except ExpositionError as error:
            return str(error)
        self.metadata = exposition.metadata
        self._parsed = [self._own(sample) for sample in exposition.samples]
        return ""

    def _own(self, sample: ScrapedSample) -> ScrapedSample:
        labels = merged_labels(sample.labels, self.key.labels, honor=self.key.honor_labels)
        timestamp_ms = sample.timestamp_ms if self.key.honor_timestamps else None
        return ScrapedSample(labels, sample.value, timestamp_ms, sample.exemplar)

    @staticmethod
    def _append(
        sample: ScrapedSample, scraped_ms: int, exposed: set[Labels], store: SeriesStore
    ) -> None:
        """A sample that is not newer than the stored one is left out, as in Prometheus."""
        labels, timestamp_ms = sample.labels, sample.timestamp_ms
        if timestamp_ms is None:
            # The exposer has no say in the time, so the absence of the series tells its end.
            exposed.add(labels)
            timestamp_ms = scraped_ms
        store.append(labels, timestamp_ms, sample.value)
        if sample.exemplar is not None:
            store.add_exemplar(labels, sample.exemplar, timestamp_ms)

    @staticmethod
    def _mark_stale(ended: Iterable[Labels], timestamp_ms: int, store: SeriesStore) -> None:
        for labels in ended:
            if store.get(labels) is not None:
                store.append(labels, timestamp_ms, STALE_NAN)

    def _report_labels(self, name: str) -> Labels:
        return labels_of([(METRIC_NAME, name), *self.key.labels])


def merged_labels(scraped: Labels, target: Labels, *, honor: bool) -> Labels:
    """The labels of a sample with those of its target.

    Where both have a label, the target's wins and the scraped one is kept as ``exported_…``;
    with ``honor_labels`` the scraped one wins.
    """
    labels = dict(scraped)
    if honor:
        return labels_of({**dict(target), **labels})
    conflicting = sorted((name for name, _ in target if name in labels), key=len)
    exported = {name: labels[name] for name in conflicting}
    labels.update(target)
    for name, value in exported.items():
        renamed = _EXPORTED + name
        while renamed in labels:
            renamed = _EXPORTED + renamed
        labels[renamed] = value
    return labels_of(labels)
