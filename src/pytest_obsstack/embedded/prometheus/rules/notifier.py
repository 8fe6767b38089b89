"""Notifications to Alertmanagers: ``POST /api/v2/alerts``, one queue each, no second attempt.

As ``notifier/notifier.go`` of Prometheus: what an Alertmanager does not take is lost until the
alert is due again (``resend_delay``). https://prometheus.io/docs/alerting/latest/clients/
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote_plus

import orjson

from pytest_obsstack.embedded.http_client import PostClient, SendError
from pytest_obsstack.embedded.prometheus.format import rfc3339_millis
from pytest_obsstack.embedded.prometheus.rules.alerting import Alert

log = logging.getLogger("obsstack.embedded.prometheus")

_MAX_BATCH = 64
_MAX_QUEUED = 10_000
_HEADERS = {"Content-Type": "application/json", "User-Agent": "Prometheus/3.5.0"}
_PATH = "/api/v2/alerts"
_DRAIN_S = 2.0

Notification = Mapping[str, Any]


def notification(
    alert: Alert, expr: str, external_url: str, external_labels: Mapping[str, str]
) -> Notification:
    """The alert in Alertmanager's form; external labels do not replace the alert's own."""
    ends_ms = alert.valid_until_ms if alert.resolved_at_ms is None else alert.resolved_at_ms
    annotations = {"annotations": dict(alert.annotations)} if alert.annotations else {}
    return {
        **annotations,
        "endsAt": rfc3339_millis(ends_ms or 0),
        "startsAt": rfc3339_millis(alert.fired_at_ms or 0),
        "generatorURL": f"{external_url}/graph?g0.expr={quote_plus(expr)}&g0.tab=1",
        "labels": dict(sorted({**external_labels, **dict(alert.labels)}.items())),
    }


class AlertmanagerQueue:
    """What one Alertmanager is still to be told."""

    def __init__(self, base_url: str, timeout_s: float) -> None:
        self.url = base_url.rstrip("/") + _PATH
        self.sent = self.failed = self.dropped = 0
        """Numbers of alerts."""
        self.last_error = ""
        self._client = PostClient(self.url, timeout_s=timeout_s)
        self._waiting: list[Notification] = []
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    def add(self, alerts: Sequence[Notification]) -> None:
        """To be sent once the notifier runs; the oldest make room where there are too many."""
        self._waiting.extend(alerts)
        too_many = len(self._waiting) - _MAX_QUEUED
        if too_many > 0:
            del self._waiting[:too_many]
            self.dropped += too_many
        self._idle.clear()
        self._more.set()

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Returns when all is sent, or could not be within two seconds."""
        task, self._task = self._task, None
        if task is None:
            return
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._idle.wait(), _DRAIN_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._client.close()

    async def _run(self) -> None:
        # A time limit that is up with the cancellation may swallow it (before Python 3.12).
        while self._task is asyncio.current_task():
            await self._more.wait()
            self._more.clear()
            while self._waiting:
                await self._send(self._waiting[:_MAX_BATCH])
                del self._waiting[:_MAX_BATCH]
            self._idle.set()

    async def _send(self, batch: Sequence[Notification]) -> None:
        try:
            answer = await self._client.post(orjson.dumps(list(batch)), _HEADERS)
        except SendError as error:
            self._lost(batch, f'Post "{self.url}": {error}')
            return
        if answer.status // 100 == 2:
            self.sent += len(batch)
        else:
            self._lost(batch, f"bad response status {answer.status}")

    def _lost(self, batch: Sequence[Notification], reason: str) -> None:
        self.failed += len(batch)
        self.last_error = reason
        log.warning("notification of %d alerts to %s failed: %s", len(batch), self.url, reason)

    def status(self) -> dict[str, Any]:
        return {
            "url": self.url,
            "sent": self.sent,
            "failed": self.failed,
            "dropped": self.dropped,
            "waiting": len(self._waiting),
            "last_error": self.last_error,
        }


class Notifier:
    """All Alertmanagers; each is told everything."""

    def __init__(self) -> None:
        self._queues: dict[str, AlertmanagerQueue] = {}
        self._running = False

    @property
    def queues(self) -> list[AlertmanagerQueue]:
        return list(self._queues.values())

    async def configure(self, urls: Sequence[str], timeout_s: float) -> None:
        """Tell these from now on; one that stays keeps its queue and its counts."""
        for url in [url for url in self._queues if url not in urls]:
            await self._queues.pop(url).stop()
        for url in urls:
            if url not in self._queues:
                self._queues[url] = AlertmanagerQueue(url, timeout_s)
                if self._running:
                    self._queues[url].start()

    def send(self, alerts: Sequence[Notification]) -> None:
        for queue in self._queues.values():
            queue.add(alerts)

    def start(self) -> None:
        self._running = True
        for queue in self._queues.values():
            queue.start()

    async def stop(self) -> None:
        self._running = False
        await asyncio.gather(*(queue.stop() for queue in self._queues.values()))
