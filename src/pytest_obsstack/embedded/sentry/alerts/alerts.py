"""Alerts beside the server: their endpoints, what they listen to, what they send."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pytest_obsstack.embedded.sentry.alerts.app_api import AppApi
from pytest_obsstack.embedded.sentry.alerts.evaluation import Evaluation
from pytest_obsstack.embedded.sentry.alerts.issue_hooks import IssueHooks
from pytest_obsstack.embedded.sentry.alerts.metric_rule_api import MetricRuleApi
from pytest_obsstack.embedded.sentry.alerts.outbox import Outbox
from pytest_obsstack.embedded.sentry.alerts.rule_api import RuleApi, delivery_json
from pytest_obsstack.embedded.sentry.alerts.state import AlertState
from pytest_obsstack.embedded.sentry.alerts.webhook import Post, post
from pytest_obsstack.embedded.sentry.api.http import Api, Handler
from pytest_obsstack.embedded.sentry.api.routes import ORGANIZATION, PROJECT
from pytest_obsstack.embedded.sentry.observers import Observers

_SHOWN_FAILURES = 5


class Alerts:
    """Alert rules with webhook delivery; ``send`` makes one attempt to send a webhook."""

    def __init__(self, api: Api, observers: Observers, *, send: Post = post) -> None:
        self.state = AlertState()
        for kind, apply in self.state.kinds().items():
            api.ledger.register(kind, apply)
        self.outbox = Outbox(api, self.state, send=send)
        self.evaluation = Evaluation(api, self.state, self.outbox.add)
        issue_hooks = IssueHooks(api, self.state, self.outbox.add)
        observers.on_event.append(issue_hooks.on_event)
        observers.on_status.append(issue_hooks.on_status)
        observers.on_event.append(self.evaluation.on_event)
        observers.on_accepted.append(self.evaluation.on_accepted)

    def endpoints(self) -> Mapping[str, Mapping[str, Handler]]:
        """In the form of ``api.routes.ENDPOINTS``."""
        apps = AppApi(self.state)
        rules = RuleApi(self.state)
        metrics = MetricRuleApi(self.state, self.evaluation.look_at_metric)
        return {
            "/api/0/sentry-apps/": {"POST": apps.create_app},
            "/api/0/sentry-apps/{app}/": {"GET": apps.get_app, "DELETE": apps.delete_app},
            f"{ORGANIZATION}/sentry-apps/": {"GET": apps.list_apps},
            f"{ORGANIZATION}/sentry-app-installations/": {"GET": apps.list_installations},
            f"{PROJECT}/rules/": {"GET": rules.list_rules, "POST": rules.create_rule},
            f"{PROJECT}/rules/{{rule_id}}/": {
                "GET": rules.get_rule,
                "PUT": rules.update_rule,
                "DELETE": rules.delete_rule,
            },
            f"{ORGANIZATION}/alert-rules/": {
                "GET": metrics.list_rules,
                "POST": metrics.create_rule,
            },
            f"{ORGANIZATION}/alert-rules/available-actions/": {
                "GET": metrics.list_available_actions
            },
            f"{ORGANIZATION}/alert-rules/{{rule_id}}/": {
                "GET": metrics.get_rule,
                "PUT": metrics.refuse_update,
                "DELETE": metrics.delete_rule,
            },
        }

    def start(self) -> None:
        """Send what is owed, and look at the metric rules."""
        self.outbox.start()
        self.evaluation.start()

    async def stop(self) -> None:
        self.evaluation.stop()
        await self.outbox.stop()

    def status(self) -> dict[str, Any]:
        """Counts, and the latest webhooks that could not be delivered."""
        notifications = list(self.state.notifications.values())
        ends = Counter(
            "pending" if n.delivery is None else "delivered" if n.delivery.delivered else "failed"
            for n in notifications
        )
        failed = [n for n in notifications if n.delivery is not None and not n.delivery.delivered]
        return {
            "issue_rules": len(self.state.issue_rules),
            "metric_rules": len(self.state.metric_rules),
            "integrations": len(self.state.apps),
            "open_incidents": len(self.state.open_incidents),
            "webhooks": dict(ends),
            "failed_webhooks": [delivery_json(n) for n in failed[-_SHOWN_FAILURES:]],
        }
