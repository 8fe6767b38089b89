"""What the embedded Prometheus is told: what to scrape, how long to keep it, its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pytest_obsstack.embedded.prometheus.rules.files import GroupConfig


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
    """Of rule groups without one, and the default step of subqueries."""
    rule_groups: tuple[GroupConfig, ...] = ()
    """Of all rule files; in JSON ``rule_files``, the content of each by its name."""
    alertmanagers: tuple[str, ...] = ()
    """Base URLs; each is told of all alerts with ``POST /api/v2/alerts``."""
    alertmanager_timeout_s: float = 10
    resend_delay_s: float = 60
    """How long until an alert that goes on is told again (``--rules.alert.resend-delay``)."""
    external_labels: Mapping[str, str] = field(default_factory=dict)
    """Added to each alert that is told."""
    external_url: str = ""
    """Where a person finds this Prometheus; links of alerts begin with it."""
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
        if not self.evaluation_interval_s > 0:
            raise ValueError(
                f"evaluation_interval_s {self.evaluation_interval_s}, expected more than 0"
            )
        for url in self.alertmanagers:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"alertmanager {url!r}, expected http://host:port")

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> PrometheusSettings:
        """From plain JSON values; raises ``ValueError`` or ``KeyError`` that names the key."""
        known = {f.name for f in fields(cls)} - {"rule_groups"} | {"rule_files"}
        unknown = sorted(set(document) - known)
        if unknown:
            raise ValueError(f"unknown Prometheus settings {unknown}, expected some of {known}")
        values = dict(document)
        configs = values.get("scrape_configs", ())
        values["scrape_configs"] = tuple(ScrapeConfig.from_json(config) for config in configs)
        values["alertmanagers"] = tuple(values.get("alertmanagers", ()))
        files = values.pop("rule_files", None)
        if files:
            # Grammar and engine: a server without rules starts without them.
            from pytest_obsstack.embedded.prometheus.rules.files import parse_files

            values["rule_groups"] = parse_files(files)
        return cls(**values)
