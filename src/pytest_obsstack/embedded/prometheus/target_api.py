"""The endpoints about targets, metadata and the server itself."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pytest_obsstack.embedded.prometheus.answers import invalid_parameter, success
from pytest_obsstack.embedded.prometheus.api import Endpoint, answering
from pytest_obsstack.embedded.prometheus.format import duration_text, rfc3339_nano
from pytest_obsstack.embedded.prometheus.model import Metadata
from pytest_obsstack.embedded.prometheus.params import Params
from pytest_obsstack.embedded.prometheus.promql.ast import Matcher
from pytest_obsstack.embedded.prometheus.promql.errors import PromqlParseError
from pytest_obsstack.embedded.prometheus.promql.selectors import parse_selector
from pytest_obsstack.embedded.prometheus.scrape import ScrapeLoop, ScrapeManager
from pytest_obsstack.embedded.prometheus.target import Target

_NEVER = "0001-01-01T00:00:00Z"


class TargetApi:
    def __init__(self, scrapes: ScrapeManager, version: str, started_ns: int) -> None:
        self._scrapes = scrapes
        self._version = version
        self._started_ns = started_ns

    def routes(self) -> list[Route]:
        endpoints: dict[str, Endpoint] = {
            "/targets": self.targets,
            "/targets/metadata": self.targets_metadata,
            "/scrape_pools": self.scrape_pools,
            "/metadata": self.metadata,
            "/status/buildinfo": self.build_info,
            "/status/runtimeinfo": self.runtime_info,
        }
        return [
            Route(f"/api/v1{path}", answering(endpoint)) for path, endpoint in endpoints.items()
        ]

    def targets(self, _: Request, params: Params) -> Response:
        state = params.get("state").lower()
        pool = params.get("scrapePool")
        loops = [loop for loop in self._scrapes.loops if pool in ("", loop.config.job_name)]
        answer: dict[str, Any] = {
            "activeTargets": [],
            "droppedTargets": [],
            "droppedTargetCounts": None,
        }
        if state in ("", "any", "active"):
            answer["activeTargets"] = [_active_target(loop) for loop in loops]
        if state in ("", "any", "dropped"):
            pools = {loop.config.job_name for loop in self._scrapes.loops}
            answer["droppedTargetCounts"] = dict.fromkeys(sorted(pools), 0)
        return success(answer)

    def scrape_pools(self, _: Request, __: Params) -> Response:
        pools = {loop.config.job_name for loop in self._scrapes.loops}
        return success({"scrapePools": sorted(pools)})

    def metadata(self, _: Request, params: Params) -> Response:
        """By family all that targets say of it, each once."""
        limit, per_metric = params.limit(), params.limit("limit_per_metric")
        found: dict[str, list[dict[str, str]]] = {}
        for _target, name, metadata in self._all_metadata(params.get("metric")):
            if limit and name not in found and len(found) >= limit:
                continue
            entries = found.setdefault(name, [])
            entry = _metadata_json(metadata)
            if entry not in entries and not (per_metric and len(entries) >= per_metric):
                entries.append(entry)
        return success(found)

    def targets_metadata(self, _: Request, params: Params) -> Response:
        limit = params.limit()
        matchers = self._target_matchers(params)
        metric = params.get("metric")
        found: list[dict[str, Any]] = []
        for target, name, metadata in self._all_metadata(metric):
            labels = dict(target.key.labels)
            if all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers):
                named = {} if metric else {"metric": name}
                found.append({"target": labels, **named, **_metadata_json(metadata)})
        return success(found[:limit] if limit else found)

    @staticmethod
    def _target_matchers(params: Params) -> tuple[Matcher, ...]:
        text = params.get("match_target")
        try:
            return parse_selector(text) if text else ()
        except PromqlParseError as error:
            raise invalid_parameter("match_target", str(error)) from None

    def _all_metadata(self, metric: str) -> Iterator[tuple[Target, str, Metadata]]:
        for loop in self._scrapes.loops:
            for name, metadata in loop.target.metadata.items():
                if metric in ("", name):
                    yield loop.target, name, metadata

    def build_info(self, _: Request, __: Params) -> Response:
        return success(
            {
                "version": self._version,
                "revision": "embedded",
                "branch": "embedded",
                "buildUser": "pytest-obsstack",
                "buildDate": "",
                "goVersion": f"python{platform.python_version()}",
            }
        )

    def runtime_info(self, _: Request, __: Params) -> Response:
        started = rfc3339_nano(self._started_ns)
        return success(
            {
                "startTime": started,
                "reloadConfigSuccess": True,
                "lastConfigTime": started,
                "corruptionCount": 0,
            }
        )


def _metadata_json(metadata: Metadata) -> dict[str, str]:
    return {"type": metadata.type, "help": metadata.help, "unit": metadata.unit}


def _active_target(loop: ScrapeLoop) -> dict[str, Any]:
    target, config = loop.target, loop.config
    result = target.last_result
    interval = duration_text(round(config.scrape_interval_s * 1000))
    timeout = duration_text(round(config.scrape_timeout_s * 1000))
    discovered = {
        "__address__": target.key.address,
        "__metrics_path__": config.metrics_path,
        "__scheme__": "http",
        "__scrape_interval__": interval,
        "__scrape_timeout__": timeout,
        "job": config.job_name,
        **config.labels,
    }
    return {
        "discoveredLabels": discovered,
        "labels": dict(target.key.labels),
        "scrapePool": config.job_name,
        "scrapeUrl": target.key.url,
        "globalUrl": target.key.url,
        "lastError": target.last_error,
        "lastScrape": _NEVER if result is None else rfc3339_nano(result.timestamp_ms * 10**6),
        "lastScrapeDuration": 0 if result is None else result.duration_s,
        "health": target.health,
        "scrapeInterval": interval,
        "scrapeTimeout": timeout,
    }
