"""When groups are evaluated, and what settings that change do to those that are there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from pytest_obsstack.embedded.prometheus.engine.query import QueryOptions
from pytest_obsstack.embedded.prometheus.rules.alerting import Alert, AlertingRule
from pytest_obsstack.embedded.prometheus.rules.group import Environment, Group
from pytest_obsstack.embedded.prometheus.rules.notifier import Notifier, notification
from pytest_obsstack.embedded.prometheus.settings import PrometheusSettings
from pytest_obsstack.embedded.prometheus.store import SeriesStore


class RuleManager:
    """The groups of the settings, each evaluated on its own interval while it runs."""

    def __init__(self, store: SeriesStore, clock_ns: Callable[[], int]) -> None:
        self._store = store
        self._clock_ns = clock_ns
        self._groups: dict[tuple[str, str], Group] = {}
        self._loops: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._running = False
        self.notifier = Notifier()

    @property
    def groups(self) -> list[Group]:
        """By file, then by name, as Prometheus lists them."""
        return [self._groups[key] for key in sorted(self._groups)]

    async def configure(self, settings: PrometheusSettings, options: QueryOptions) -> None:
        """Evaluate the groups of these settings from now on.

        A group that stays as it was goes on; of one that has changed, and in which a rule has kept
        its name and labels, the rule's alerts stay. Series of rules that are no more are ended.
        """
        environment = Environment(
            store=self._store,
            options=options,
            external_labels=dict(settings.external_labels),
            external_url=settings.external_url.rstrip("/"),
            resend_delay_ms=round(settings.resend_delay_s * 1000),
        )
        await self.notifier.configure(settings.alertmanagers, settings.alertmanager_timeout_s)
        default_ms = round(settings.evaluation_interval_s * 1000)
        wanted = {
            (config.file, config.name): Group(config, environment, default_ms)
            for config in settings.rule_groups
        }
        for key, group in list(self._groups.items()):
            new = wanted.get(key)
            if new is not None and new.same_as(group):
                wanted[key] = group
                continue
            await self._end_loop(key)
            if new is not None:
                new.take_over(group)
            group.end(self._clock_ns(), new)
        self._groups = wanted
        if self._running:
            self.start()

    def start(self) -> None:
        self._running = True
        self.notifier.start()
        for key, group in self._groups.items():
            if key not in self._loops:
                self._loops[key] = asyncio.create_task(self._run(group))

    async def stop(self) -> None:
        """End evaluation; alerts stay as they are, and what is due is still sent."""
        self._running = False
        for key in list(self._loops):
            await self._end_loop(key)
        await self.notifier.stop()

    def evaluate(self, group: Group) -> None:
        """Evaluate the group now."""
        environment = group.environment

        def notify(expr: str, alerts: Sequence[Alert]) -> None:
            url, labels = environment.external_url, environment.external_labels
            self.notifier.send([notification(alert, expr, url, labels) for alert in alerts])

        group.evaluate(self._clock_ns(), notify)

    def evaluate_all(self) -> int:
        """Evaluate every group now; the number of rules."""
        for group in self.groups:
            self.evaluate(group)
        return sum(len(group.rules) for group in self.groups)

    def status(self) -> dict[str, Any]:
        rules = [running.rule for group in self.groups for running in group.rules]
        alerting = [rule for rule in rules if isinstance(rule, AlertingRule)]
        return {
            "rules": len(rules),
            "alerts": {
                state: sum(alert.state == state for rule in alerting for alert in rule.shown())
                for state in ("pending", "firing")
            },
            "alertmanagers": [queue.status() for queue in self.notifier.queues],
        }

    async def _run(self, group: Group) -> None:
        interval_s = group.interval_ms / 1000
        due = time.monotonic()
        while True:
            self.evaluate(group)
            # An evaluation that was late, or took long, lets those be that it has missed.
            due = max(due + interval_s, time.monotonic())
            await asyncio.sleep(due - time.monotonic())

    async def _end_loop(self, key: tuple[str, str]) -> None:
        loop = self._loops.pop(key, None)
        if loop is not None:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)
