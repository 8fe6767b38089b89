"""What the embedded Prometheus is told: what to scrape, how long to keep it, its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class ScrapeConfig:
    """One job of ``scrape_configs``: static targets, scraped over plain HTTP.

    ``targets`` are ``host:port``. ``labels`` are put on every series of the job's targets.
    ``scrape_timeout_s`` is at most the interval, as Prometheus demands.
    """

    job_name: str
    targets: tuple[str, ...]
    metrics_path: str = "/metrics"
    scrape_interval_s: float = 0.5
    scrape_timeout_s: float = 0.5
    honor_labels: bool = False
    honor_timestamps: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    body_size_limit: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        if not self.job_name:
            raise ValueError("job_name is empty, expected a name")
        if not self.scrape_interval_s > 0:
            raise ValueError(f"scrape_interval_s {self.scrape_interval_s}, expected more than 0")
        if not 0 < self.scrape_timeout_s <= self.scrape_interval_s:
            raise ValueError(
                f"scrape_timeout_s {self.scrape_timeout_s}, expected more than 0 and at most "
                f"the scrape interval of {self.scrape_interval_s}"
            )
        for target in self.targets:
            host, _, port = target.rpartition(":")
            if not host or not port.isdigit():
                raise ValueError(f"target {target!r}, expected host:port")

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ScrapeConfig:
        """Raises ``ValueError`` for an unknown key, ``KeyError`` where the name is missing."""
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(document) - known)
        if unknown:
            raise ValueError(f"unknown scrape config keys {unknown}, expected some of {known}")
        values = dict(document)
        values["targets"] = tuple(values.get("targets", ()))
        # A short interval given alone must not fail on the default of the timeout.
        interval_s = values.get("scrape_interval_s", cls.scrape_interval_s)
        values.setdefault("scrape_timeout_s", interval_s)
        return cls(**values)


@dataclass(frozen=True)
class PrometheusSettings:
    """Settings of the whole server; durations in seconds, limits as named."""

    scrape_configs: tuple[ScrapeConfig, ...] = ()
    lookback_delta_s: float = 300
    retention_s: float = 7200
    evaluation_interval_s: float = 60
    """The default step of subqueries (``global.evaluation_interval``)."""
    query_timeout_s: float = 120
    journal_interval_s: float = 5
    """How often values alone are journalled; new or vanished series and failures always are."""
    max_body_bytes: int = 32 * 1024 * 1024
    """Of a remote write request, packed and unpacked."""
    max_samples_per_query: int = 50_000_000
    max_series: int = 1_000_000
    """More series than this are refused: by remote write with 400, by a scrape as its error."""
    max_exemplars: int = 100_000

    def __post_init__(self) -> None:
        names = [config.job_name for config in self.scrape_configs]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"found multiple scrape configs with job name {doubled[0]!r}")

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> PrometheusSettings:
        """From plain JSON values; raises ``ValueError`` or ``KeyError`` that names the key."""
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(document) - known)
        if unknown:
            raise ValueError(f"unknown Prometheus settings {unknown}, expected some of {known}")
        values = dict(document)
        configs = values.get("scrape_configs", ())
        values["scrape_configs"] = tuple(ScrapeConfig.from_json(config) for config in configs)
        return cls(**values)
