"""What an alert that was expected is made of, noted for the mutation self-check.

An alert has no telemetry of its own: it follows from the metric that its rule is about, or from the
error event that made it fire. That is what the self-check can put a fault into, so an expectation
on an alert is one on that telemetry, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_obsstack.expect.alert_rules import prometheus_rules, sentry_rule
from pytest_obsstack.expect.matching import NOT_GIVEN
from pytest_obsstack.expect.selector import label_names
from pytest_obsstack.receiver.sentry_hook import ISSUE
from pytest_obsstack.record.asserted import field_names

if TYPE_CHECKING:
    from pytest_obsstack.expect.context import Context
    from pytest_obsstack.receiver.alert import Alert


def note_alert(context: Context, alert: Alert, labels: Any) -> None:
    """An alert has come, and was this test's.

    Its rule is asked for where faults can be injected, and nowhere else.
    """
    made_of: list[str] = []
    if not context.stack.steerable:
        return
    if alert.trace_id is not None or alert.issue_id is not None:
        made_of = ["errors"]
        context.asserted.add("issue", "present", _event_fields(context, alert, labels))
    elif rules := prometheus_rules(context, alert.name):
        made_of = ["metrics"]
        queries = [rule.query for rule in rules]
        matched = [label for query in queries for label in label_names(query)]
        context.asserted.add("metric", "present", matched, queries)
    context.asserted.add("alert", "present", made_of, [alert.name])


def note_no_alert(context: Context, name: str, signal: str) -> None:
    """No alert has come; ``signal`` is that whose fence has proven it."""
    if signal == "errors":
        context.asserted.add("issue", "absent")
    context.asserted.add("alert", "absent", [signal], [name])


def _event_fields(context: Context, alert: Alert, labels: Any) -> frozenset[str]:
    """What of its event the alert hangs on: tags that were expected, the rule's environment."""
    if alert.name == ISSUE:
        # Its labels are the issue's, and no tags.
        return frozenset()
    fields = set() if labels is NOT_GIVEN else set(field_names({"tags": labels}))
    rule = sentry_rule(context, alert.name)
    if rule is not None and rule.environment is not None:
        fields.add("environment")
    return frozenset(fields)
