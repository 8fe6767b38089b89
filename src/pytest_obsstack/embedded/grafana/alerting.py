"""Alert rules: evaluated at their interval by really running their queries.

Source: pkg/services/ngalert (states, ``for``, no data, errors). Nobody is notified: contact points
and policies are read by nothing here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_obsstack.embedded.grafana.expressions import (
    EXPRESSIONS,
    ExpressionError,
    Number,
    Values,
    evaluate,
    values_of,
)
from pytest_obsstack.embedded.grafana.plugins import result_of
from pytest_obsstack.embedded.grafana.provisioning import AlertRule, Provisioned
from pytest_obsstack.embedded.grafana.queries.query import Query
from pytest_obsstack.embedded.grafana.refusal import Unsupported
from pytest_obsstack.embedded.grafana.times import SECOND, TimeRange
from pytest_obsstack.embedded.grafana.upstream import Upstream

log = logging.getLogger("obsstack.embedded.grafana")

_Labels = tuple[tuple[str, str], ...]


@dataclass
class Alert:
    """One label set of a rule; ``state`` as Grafana shows it: ``Normal``, ``Normal (NoData)``."""

    labels: Mapping[str, str]
    state: str
    active_ns: int
    """Since when it is in this state (Unix nanoseconds)."""
    value: float | None = None
    met_ns: int | None = None
    """Since when the condition holds without a break."""


@dataclass
class RuleStatus:
    """What became of the last evaluation; ``health`` is ``unknown`` before the first."""

    health: str = "unknown"
    last_error: str = ""
    evaluated_ns: int = 0
    took_s: float = 0.0
    alerts: dict[_Labels, Alert] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """``firing``, ``pending`` or ``inactive``."""
        states = {alert.state for alert in self.alerts.values()}
        if any(state.startswith("Alerting") for state in states):
            return "firing"
        return "pending" if "Pending" in states else "inactive"


class Alerting:
    """The rules' states, and the tasks that keep them."""

    def __init__(
        self, provisioned: Provisioned, upstream: Upstream, clock_ns: Callable[[], int]
    ) -> None:
        self._provisioned = provisioned
        self._upstream = upstream
        self._clock_ns = clock_ns
        self.statuses = {rule.uid: RuleStatus() for rule in provisioned.alert_rules}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._keep_evaluating(rule))
            for rule in self._provisioned.alert_rules
            if not rule.paused
        ]

    async def stop(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def evaluate(self, rule: AlertRule) -> None:
        """Run the rule's queries now and take over what they say."""
        now_ns = self._clock_ns()
        began = time.monotonic()
        status = self.statuses[rule.uid]
        try:
            numbers = await self._condition(rule, now_ns)
        except (ExpressionError, Unsupported) as error:
            _take_error(rule, status, str(error), now_ns)
        else:
            _take_numbers(rule, status, numbers, now_ns)
        status.evaluated_ns = now_ns
        status.took_s = time.monotonic() - began

    async def _keep_evaluating(self, rule: AlertRule) -> None:
        while True:
            try:
                await self.evaluate(rule)
            except Exception:
                # A defect of ours must not end the evaluations without a word.
                log.exception("evaluating rule %s failed", rule.uid)
                self.statuses[rule.uid].health = "error"
            await asyncio.sleep(rule.interval_s)

    async def _condition(self, rule: AlertRule, now_ns: int) -> list[Number]:
        results: dict[str, Values] = {}
        for node in rule.data:
            ref_id = str(node.get("refId") or "")
            model = {"refId": ref_id, **(node.get("model") or {})}
            if node.get("datasourceUid") in (EXPRESSIONS, "-100"):
                results[ref_id] = evaluate(model, results)
            else:
                results[ref_id] = await self._query(
                    str(node.get("datasourceUid")), node, model, now_ns
                )
        if rule.condition not in results:
            raise ExpressionError(
                f"condition {rule.condition} does not exist, must be one of {sorted(results)}"
            )
        numbers = [each for each in results[rule.condition] if isinstance(each, Number)]
        if len(numbers) < len(results[rule.condition]):
            raise ExpressionError(
                "invalid format of evaluation results for the alert definition "
                f"{rule.condition}: looks like time series data, only reduced data can be "
                "alerted on."
            )
        return numbers

    async def _query(
        self,
        uid: str,
        node: Mapping[str, object],
        model: Mapping[str, object],
        now_ns: int,
    ) -> Values:
        source = self._provisioned.data_source(uid)
        if source is None:
            raise ExpressionError("data source not found")
        relative = node.get("relativeTimeRange")
        window = relative if isinstance(relative, dict) else {}
        time_range = TimeRange(
            now_ns - int(window.get("from") or 0) * SECOND,
            now_ns - int(window.get("to") or 0) * SECOND,
        )
        # Alerting runs no exemplar queries.
        query = Query.of({**model, "exemplar": False}, source, time_range)
        result = await result_of(query, self._upstream)
        if result.error:
            raise ExpressionError(f"failed to execute query {query.ref_id}: {result.error}")
        return values_of(result.frames)


def alert_labels(rule: AlertRule, labels: Mapping[str, str], name: str = "") -> dict[str, str]:
    """The labels of an alert: the series', the rule's, and those that Grafana adds."""
    return {
        **labels,
        **rule.labels,
        "alertname": name or rule.title,
        "grafana_folder": rule.folder,
    }


def _take_numbers(
    rule: AlertRule, status: RuleStatus, numbers: Sequence[Number], now_ns: int
) -> None:
    status.last_error, status.health = "", "ok"
    if not numbers:
        _take_no_data(rule, status, now_ns)
        return
    current: dict[_Labels, Alert] = {}
    for number in numbers:
        labels = alert_labels(rule, number.labels)
        key = tuple(sorted(labels.items()))
        current[key] = _next(rule, labels, status.alerts.get(key), number.value, now_ns)
    status.alerts = current


def _next(
    rule: AlertRule,
    labels: Mapping[str, str],
    before: Alert | None,
    value: float,
    now_ns: int,
) -> Alert:
    # Anything but zero holds, also what is not a number.
    if value == 0:
        return _in_state(Alert(labels, "Normal", now_ns, value), before)
    met_ns = before.met_ns if before is not None and before.met_ns is not None else now_ns
    state = "Alerting" if now_ns - met_ns >= rule.for_s * SECOND else "Pending"
    return _in_state(Alert(labels, state, now_ns, value, met_ns), before)


def _in_state(alert: Alert, before: Alert | None) -> Alert:
    if before is not None and before.state == alert.state:
        alert.active_ns = before.active_ns
    return alert


def _take_no_data(rule: AlertRule, status: RuleStatus, now_ns: int) -> None:
    if rule.no_data_state == "NoData":
        status.health = "nodata"
    _take_special(rule, status, rule.no_data_state, "NoData", "DatasourceNoData", now_ns)


def _take_error(rule: AlertRule, status: RuleStatus, text: str, now_ns: int) -> None:
    status.health, status.last_error = "error", text
    _take_special(rule, status, rule.exec_err_state, "Error", "DatasourceError", now_ns)


def _take_special(
    rule: AlertRule, status: RuleStatus, wanted: str, reason: str, name: str, now_ns: int
) -> None:
    """The state that the rule wishes for no data or an error."""
    if wanted == "KeepLast" and status.alerts:
        return
    state = {
        "OK": f"Normal ({reason})",
        "Ok": f"Normal ({reason})",
        "KeepLast": f"Normal ({reason})",
        "Alerting": f"Alerting ({reason})",
    }.get(wanted, reason)
    labels = alert_labels(rule, {}, name if state == reason else "")
    key = tuple(sorted(labels.items()))
    status.alerts = {key: _in_state(Alert(labels, state, now_ns), status.alerts.get(key))}
