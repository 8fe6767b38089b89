"""A server whose webhooks go to a list, and rules like those that a client makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson

from pytest_obsstack.embedded.sentry.alerts.webhook import NoAnswer
from tests.unit.embedded.sentry.support import Sentry

RULES = "/api/0/projects/obs/simple-app/rules/"
METRIC_RULES = "/api/0/organizations/obs/alert-rules/"
HOOK = "http://127.0.0.1:9/hook"
FIRST_SEEN = {"id": "sentry.rules.conditions.first_seen_event.FirstSeenEventCondition"}
REGRESSION = {"id": "sentry.rules.conditions.regression_event.RegressionEventCondition"}


def frequency(more_than: int, interval: str = "1m") -> dict[str, Any]:
    return {
        "id": "sentry.rules.conditions.event_frequency.EventFrequencyCondition",
        "value": more_than,
        "interval": interval,
        "comparisonType": "count",
    }


def tagged(key: str, match: str, value: str = "") -> dict[str, Any]:
    return {
        "id": "sentry.rules.filters.tagged_event.TaggedEventFilter",
        "key": key,
        "match": match,
        "value": value,
    }


def level(match: str, number: str) -> dict[str, Any]:
    return {"id": "sentry.rules.filters.level.LevelFilter", "match": match, "level": number}


@dataclass
class Hook:
    """A receiver: what came, and what it answers in turn (the last answer stays)."""

    requests: list[tuple[str, bytes, Mapping[str, str]]] = field(default_factory=list)
    answers: list[int | Exception] = field(default_factory=lambda: [200])

    async def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        self.requests.append((url, body, headers))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [orjson.loads(body) for _, body, _ in self.requests]

    @property
    def actions(self) -> list[str]:
        return [body["action"] for body in self.bodies]

    def fails(self, *answers: int | str) -> None:
        """Answer so, a text standing for no answer at all, and 200 afterwards."""
        failing = [NoAnswer(a) if isinstance(a, str) else a for a in answers]
        self.answers = [*failing, 200]


class AlertingSentry(Sentry):
    """Stands still until ``start``; after each request its webhooks have been sent."""

    def __init__(self, path: Path | None = None, **settings: Any) -> None:
        super().__init__(path, **settings)
        self.hook = Hook()
        self.alerts = self.server.alerts
        self.alerts.outbox._send = self.hook
        self.alerts.outbox._pauses_s = (0.0, 0.0)
        self.app: dict[str, Any] = {}

    def start(self) -> None:
        self._loop.run_until_complete(self.server.start())
        self.settle()

    def stop(self) -> None:
        self._loop.run_until_complete(self.server.stop())

    def close(self) -> None:
        self.stop()
        super().close()

    def settle(self) -> None:
        self._loop.run_until_complete(self.server.alerts.outbox.settled())

    def pass_time(self, seconds: float) -> None:
        """As if the timers that are due by then had gone off."""

        async def look() -> None:
            self.alerts.evaluation.look_at_metrics()

        self.clock.advance(seconds)
        self._loop.run_until_complete(look())
        self.settle()

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        response = super().request(method, url, **options)
        self.settle()
        return response

    def make_app(self, name: str = "pager", **changes: Any) -> dict[str, Any]:
        body = {
            "name": name,
            "organization": "obs",
            "isInternal": True,
            "isAlertable": True,
            "verifyInstall": False,
            "webhookUrl": HOOK,
            "scopes": ["event:read"],
            "events": [],
            **changes,
        }
        made: dict[str, Any] = self.post("/api/0/sentry-apps/", body)
        self.app = made
        return made

    def rule_body(self, *conditions: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
        if not self.app:
            self.make_app()
        action = {
            "id": "sentry.rules.actions.notify_event_service.NotifyEventServiceAction",
            "service": self.app["slug"],
        }
        return {
            "name": "Tell me",
            "actionMatch": "any",
            "frequency": 5,
            "conditions": list(conditions),
            "actions": [action],
            **changes,
        }

    def make_rule(self, *conditions: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.post(RULES, self.rule_body(*conditions, **changes))
        return made

    def metric_body(
        self, above: float = 50, *, triggers: Sequence[Any] | None = None, **changes: Any
    ) -> dict[str, Any]:
        if not self.app:
            self.make_app()
        return {
            "name": "Slow",
            "aggregate": "p95(transaction.duration)",
            "dataset": "transactions",
            "query": "",
            "eventTypes": ["transaction"],
            "timeWindow": 1,
            "thresholdType": 0,
            "projects": ["simple-app"],
            "triggers": [self.trigger("critical", above)] if triggers is None else triggers,
            **changes,
        }

    def trigger(self, label: str, threshold: float) -> dict[str, Any]:
        action = {"type": "sentry_app", "targetType": "sentry_app", "sentryAppId": 1}
        return {"label": label, "alertThreshold": threshold, "actions": [action]}

    def make_metric_rule(self, above: float = 50, **changes: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.post(METRIC_RULES, self.metric_body(above, **changes))
        return made

    def refused(self, method: str, url: str, body: Any) -> Any:
        """The body of the answer 400."""
        response = self.call(method, url, body)
        assert response.status_code == 400, response.text
        return response.json()
