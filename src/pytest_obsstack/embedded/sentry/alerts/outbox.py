"""Sending what is owed: in order for each integration, a few attempts, and a record of the end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from pytest_obsstack.embedded.sentry.alerts.model import Notification, SentryApp
from pytest_obsstack.embedded.sentry.alerts.state import SENT, AlertState
from pytest_obsstack.embedded.sentry.alerts.webhook import (
    NoAnswer,
    Post,
    destination_problem,
    post,
    webhook_headers,
)
from pytest_obsstack.embedded.sentry.api.http import Api
from pytest_obsstack.embedded.sentry.times import NS

PAUSES_S: Sequence[float] = (0.1, 0.5)
"""Before the second and the third attempt; there is no fourth."""
_STOP_GRACE_S = 1.0


class Outbox:
    """A task for each integration that is owed something, so that a dead one delays no other.

    What was not sent when the server stopped is sent when it starts again, with the same
    ``Request-ID``; an attempt that was under way then may have arrived already.
    """

    def __init__(
        self,
        api: Api,
        state: AlertState,
        *,
        send: Post = post,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        self._api = api
        self._state = state
        self._send = send
        self._pauses_s = pauses_s
        self._running = False
        self._queues: dict[str, deque[Notification]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        self._running = True
        self.add(self._state.owed())

    async def stop(self) -> None:
        """What is under way gets a moment to end; the rest stays owed."""
        self._running = False
        self._queues.clear()
        tasks = list(self._tasks.values())
        if not tasks:
            return
        _, pending = await asyncio.wait(tasks, timeout=_STOP_GRACE_S)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    def add(self, notifications: Iterable[Notification]) -> None:
        """Send them soon; while stopped they stay owed."""
        if not self._running:
            return
        for notification in notifications:
            app_uuid = notification.app_uuid
            self._queues.setdefault(app_uuid, deque()).append(notification)
            if app_uuid not in self._tasks:
                self._tasks[app_uuid] = asyncio.create_task(self._drain(app_uuid))

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    async def _drain(self, app_uuid: str) -> None:
        try:
            while queue := self._queues.get(app_uuid):
                notification = queue.popleft()
                if notification.id in self._state.notifications:
                    end = await self._deliver(notification)
                    self._api.ledger.change(SENT, {"id": notification.id, **end})
        finally:
            del self._tasks[app_uuid]

    async def _deliver(self, notification: Notification) -> Mapping[str, Any]:
        """The members of the ``Delivery`` that this ends with."""
        app = next((a for a in self._state.apps.values() if a.uuid == notification.app_uuid), None)
        if app is None or app.webhook_url is None:
            return _end(0, None, "the integration was deleted")
        problem = destination_problem(app.webhook_url, self._api.settings.webhook_hosts)
        if problem is not None:
            return _end(0, None, problem)
        return await self._attempts(notification, app, app.webhook_url)

    async def _attempts(
        self, notification: Notification, app: SentryApp, url: str
    ) -> Mapping[str, Any]:
        body = orjson.dumps(notification.body)
        end: Mapping[str, Any] = {}
        for attempt, pause_s in enumerate((0.0, *self._pauses_s), start=1):
            await asyncio.sleep(pause_s)
            headers = webhook_headers(
                body,
                resource=notification.resource,
                request_id=notification.request_id,
                client_secret=app.client_secret,
                timestamp_s=self._api.clock_ns() // NS,
            )
            try:
                status = await self._send(url, body, headers)
            except NoAnswer as error:
                end = _end(attempt, None, str(error))
                continue
            if 200 <= status < 300:
                return _end(attempt, status, None)
            end = _end(attempt, status, f"{url} answered {status}")
            # What the receiver refuses it will refuse again; its own trouble may pass.
            if status < 500 and status != 429:
                return end
        return end


def _end(attempts: int, status: int | None, error: str | None) -> dict[str, Any]:
    return {
        "delivered": error is None,
        "attempts": attempts,
        "response_status": status,
        "error": error,
    }
