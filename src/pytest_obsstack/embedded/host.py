"""The process: builds the four products, opens their listeners, wires them to each other."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import re
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from pytest_obsstack.embedded.assembly import build_product, log_to_stderr
from pytest_obsstack.embedded.collector.server import CollectorServer
from pytest_obsstack.embedded.collector.settings import CollectorSettings
from pytest_obsstack.embedded.control import ControlError, control_app
from pytest_obsstack.embedded.faults import FaultRule, FaultyApp
from pytest_obsstack.embedded.journal import Journal
from pytest_obsstack.embedded.listener import Listener, PortTaken
from pytest_obsstack.embedded.loki.server import LokiServer
from pytest_obsstack.embedded.loki.settings import LokiSettings
from pytest_obsstack.embedded.mutations.app import (
    MutatingApp,
    collector_rewrite,
    sentry_rewrite,
)
from pytest_obsstack.embedded.mutations.rules import Mutations
from pytest_obsstack.embedded.product import Product
from pytest_obsstack.embedded.prometheus.server import PrometheusServer
from pytest_obsstack.embedded.prometheus.settings import PrometheusSettings
from pytest_obsstack.embedded.sentry.server import SentryServer
from pytest_obsstack.embedded.sentry.settings import SentrySettings
from pytest_obsstack.embedded.settings import PRODUCTS, HostSettings, PortWish

log = logging.getLogger("obsstack.embedded")

# The settings whose home is a type each; the JSON of a product is laid over its defaults.
_KINDS: Mapping[str, tuple[Any, Any]] = {
    "sentry": (SentryServer, SentrySettings),
    "collector": (CollectorServer, CollectorSettings),
    "prometheus": (PrometheusServer, PrometheusSettings),
    "loki": (LokiServer, LokiSettings),
}

# Apps report to these two; what they hand on has been changed by then.
_REWRITES = {"sentry": sentry_rewrite, "collector": collector_rewrite}


class Host:
    """All products of the embedded stack and their listeners."""

    product_names = PRODUCTS

    def __init__(self, settings: HostSettings) -> None:
        self._settings = settings
        self._started_at = time.time()
        self._listeners = {
            name: Listener(settings.bind, settings.ports.get(name, PortWish()))
            for name in (*PRODUCTS, "control")
        }
        self._own = self._default_settings()
        for name, given in settings.products.items():
            self._own[name] = {**self._own[name], **given}
        self._journals: dict[str, Journal] = {}
        self._products: dict[str, Product] = {}
        self._apps: dict[str, FaultyApp] = {}
        self.mutations = Mutations()
        for name in PRODUCTS:
            self._build(name)
        self._shutdown = asyncio.Event()

    def _build(self, name: str) -> None:
        server_kind, settings_kind = _KINDS[name]
        settings = settings_kind.from_json(self._own[name])
        product, journal = build_product(server_kind, settings, self._settings.journal_path(name))
        self._journals[name] = journal
        self._products[name] = product
        rewrite = _REWRITES.get(name)
        app = product.app
        if rewrite is not None:
            app = MutatingApp(app, self.mutations, rewrite)
        self._apps[name] = FaultyApp(app)

    def _default_settings(self) -> dict[str, dict[str, Any]]:
        """How the products find each other: the guide's architecture, on this process' ports."""
        urls = {name: listener.url for name, listener in self._listeners.items()}
        collector_target = urls["collector"].removeprefix("http://")
        return {
            "sentry": {"public_url": urls["sentry"]},
            "collector": {"logs_endpoint": f"{urls['loki']}/otlp/v1/logs"},
            "prometheus": {
                "external_url": urls["prometheus"],
                "scrape_configs": [
                    {
                        "job_name": "otel-collector",
                        "targets": [collector_target],
                        "honor_labels": True,
                    },
                    {
                        "job_name": "otel-collector-telemetry",
                        "targets": [collector_target],
                        "metrics_path": "/telemetry/metrics",
                    },
                ],
            },
            "loki": {},
        }

    async def run(self) -> None:
        """Serve until asked to end; writes the ready file once everything answers."""
        loop = asyncio.get_running_loop()
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signal_number, self.request_shutdown)
        control = control_app(self, self._settings.control_token)
        await self._listeners["control"].open(control)
        await asyncio.gather(*(self.start_product(name) for name in PRODUCTS))
        write_ready(self._settings, {"pid": os.getpid(), **self.status()})
        await self._shutdown.wait()
        # The collector first: what it has accepted still finds its backends.
        await self.stop_product("collector")
        await asyncio.gather(*(self.stop_product(name) for name in PRODUCTS))
        await self._listeners["control"].close()
        for journal in self._journals.values():
            journal.close()
        for listener in self._listeners.values():
            listener.release()

    def request_shutdown(self) -> None:
        self._shutdown.set()

    async def start_product(self, name: str) -> None:
        listener = self._listeners[name]
        if listener.listening:
            return
        await listener.open(self._apps[name])
        await self._products[name].start()
        log.info("%s answers at %s", name, listener.url)

    async def stop_product(self, name: str) -> None:
        listener = self._listeners[name]
        if not listener.listening:
            return
        await listener.close()
        await self._products[name].stop()
        log.info("%s is stopped", name)

    def set_faults(self, name: str, rules: Sequence[FaultRule]) -> None:
        try:
            self._apps[name].set_rules(rules)
        except re.error as error:
            raise ControlError(f"path is not a regular expression: {error}") from error

    async def configure(self, name: str, changes: Mapping[str, Any]) -> None:
        """Lay ``changes`` over the product's settings, as an edited configuration file would."""
        product = self._products[name]
        configure = getattr(product, "configure", None)
        if configure is None:
            raise ControlError(f"{name} cannot be configured while it runs")
        changed = {**self._own[name], **changes}
        try:
            settings = _KINDS[name][1].from_json(changed)
        except (KeyError, TypeError, ValueError) as error:
            raise ControlError(f"not settings of {name}: {error}") from error
        self._own[name] = changed
        # Prometheus ends scrapes that are under way; the collector has nothing to wait for.
        done = configure(settings)
        if inspect.isawaitable(done):
            await done

    async def scrape(self, job: str | None) -> Any:
        return await self._running_prometheus("scrape").scrape_now(job)

    def evaluate(self) -> int:
        """Evaluate Prometheus' rules now; how many there are."""
        return self._running_prometheus("evaluate rules").evaluate_now()

    def _running_prometheus(self, action: str) -> PrometheusServer:
        prometheus = self._products["prometheus"]
        if (
            not isinstance(prometheus, PrometheusServer)
            or not self._listeners["prometheus"].listening
        ):
            raise ControlError(f"prometheus is stopped, so it cannot {action}")
        return prometheus

    def status(self) -> dict[str, Any]:
        """Everything that ``obsstack status`` and the plugin need to know; no secrets."""
        products = {
            name: {
                "url": self._listeners[name].url,
                "listening": self._listeners[name].listening,
                "wish_met": self._listeners[name].wish_met,
                "version": self._products[name].version,
                "faults": self._apps[name].describe(),
                **self._products[name].status(),
            }
            for name in PRODUCTS
        }
        return {
            "control": self._listeners["control"].url,
            "uptime_s": round(time.time() - self._started_at, 3),
            "products": products,
        }


def write_ready(settings: HostSettings, content: Mapping[str, Any]) -> None:
    """Write the ready file in one step, so that a reader never sees half of it."""
    partial = settings.ready_path.with_suffix(".partial")
    partial.write_bytes(orjson.dumps(content))
    partial.replace(settings.ready_path)


def main(settings: HostSettings) -> int:
    """Run the process; the exit code is 1 if it could not start."""
    log_to_stderr()

    async def run() -> None:
        await Host(settings).run()

    try:
        asyncio.run(run())
    except PortTaken as error:
        write_ready(settings, {"error": str(error)})
        log.error("%s", error)
        return 1
    return 0
