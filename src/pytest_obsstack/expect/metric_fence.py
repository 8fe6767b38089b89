"""The fence of metrics: samples that the app took after its last response.

The collector passes the app's own sample times on, so one look at Prometheus proves both that the
app has exported and that a scrape has stored it. An app of several processes has as many instances,
and any of them may have answered: each must have exported since.
"""

from __future__ import annotations

import time

from pytest_obsstack.expect.context import AppFacts, Context
from pytest_obsstack.expect.selector import instance_matcher
from pytest_obsstack.expect.settled import Settled, never_tells
from pytest_obsstack.waiting import until

_ALL_PROCESSES = (
    "a process that has counted nothing exports nothing: send requests until each has answered, "
    "and say how many there are (AppSpec.processes, WEB_CONCURRENCY)"
)


_NO_METRICS = (
    "look whether it exports metrics; one that never does says so, "
    "AppSpec(signals=frozenset({…})) without metrics"
)


def own_metrics_settled(context: Context) -> Settled:
    """All that the app has counted because of this test is stored, and nothing more can come."""
    return never_tells(context, "metrics") or metrics_settled(context, context.last_ended_s)


def services_metrics_settled(context: Context) -> Settled:
    """The same of the app and of all services that it calls, as far as they export metrics."""
    unknown = never_tells(context, "metrics")
    if unknown is not None:
        return unknown
    after_s, polls, waited_s = context.last_ended_s, 0, 0.0
    for service in context.services():
        if "metrics" not in service.signals:
            continue
        settled = metrics_settled(context, after_s, service=service)
        polls, waited_s = polls + settled.polls, waited_s + settled.waited_s
        if not settled.proven:
            return settled
    return Settled(None, max(polls, 1), waited_s)


def metrics_settled(
    context: Context,
    after_s: float,
    *,
    service: AppFacts | None = None,
    timeout_s: float | None = None,
) -> Settled:
    """Prometheus holds a sample that the app took at ``after_s`` (Unix seconds) or later.

    Of each of its processes, where it has several. ``service``: of that one, and not of the app.
    """
    app = service or context.app
    newest: list[float] = []

    def poll() -> bool | None:
        if context.stack.steerable:
            context.stack.scrape("otel-collector")
        newest[:] = _newest_of_processes(context, app)
        new = sum(1 for sample_s in newest if sample_s >= after_s)
        return True if new >= app.processes else None

    waited = until(poll, timeout_s=context.timeout_s if timeout_s is None else timeout_s)
    if waited.value:
        settled = Settled(None, waited.polls, waited.waited_s)
        return _from_the_future(app, max(newest)) or settled
    advice = _ALL_PROCESSES if app.processes > 1 else None
    if not newest and app is not context.app:
        advice = _NO_METRICS
    return Settled(_reason(app, newest, after_s), waited.polls, waited.waited_s, advice)


def _from_the_future(app: AppFacts, newest_s: float) -> Settled | None:
    """The samples of an app whose clock is ahead are older than they say."""
    ahead_s = newest_s - time.time()
    if app.started_here or ahead_s <= 0:
        return None
    return Settled(
        f"the newest sample of {app.instance or app.service} is {ahead_s:.2f} s from now: its "
        "clock is ahead, so no sample tells whether it was taken after the last response",
        polls=0,
        advice="let the machines of the app and of the tests agree on the time (NTP)",
    )


def _reason(app: AppFacts, newest: list[float], after_s: float) -> str:
    name = app.instance or app.service
    if not newest:
        return f"Prometheus has no sample of {name}"
    if app.processes > 1:
        new = sum(1 for sample_s in newest if sample_s >= after_s)
        return (
            f"of {app.processes} processes of {name}, any of which may have answered, {new} "
            f"{'has' if new == 1 else 'have'} a sample from after the last response in Prometheus"
        )
    return (
        f"the newest sample of {name} in Prometheus is {after_s - max(newest):.2f} s older than "
        "the last response"
    )


_NOT_OF_THE_APP = "target_info|up|scrape_.+|ALERTS|ALERTS_FOR_STATE|.*:.*"
"""Series with the time of a scrape or of a rule's evaluation (recorded ones have colons in their
names) and not with the app's own, though they carry its labels."""


def newest_sample_s(context: Context, at_s: float | None = None) -> float | None:
    """Time up to which all that the app counted is stored (Unix seconds), as known at ``at_s``.

    That of its newest sample; of the process whose newest one is the oldest, if there are several.
    ``None`` where nothing is known of one of them.
    """
    newest = _newest_of_processes(context, context.app, at_s)
    return min(newest) if len(newest) >= context.app.processes else None


def own_matcher(app: AppFacts) -> str:
    """The PromQL matcher of the app's own series, of all its processes."""
    if not app.instance:
        return f'job="{app.service}"'
    return instance_matcher(app.instance, app.processes)


def _newest_of_processes(context: Context, app: AppFacts, at_s: float | None = None) -> list[float]:
    # What the app is known to export is remembered: it is asked for often.
    remembers = app is context.app
    name = context.history.metric_name if remembers else None
    if name is None:
        name = _metric_of_most(context, app)
    if name is None:
        return []
    maximum = "max" if app.processes == 1 else "max by (instance) "
    result = context.clients.prometheus.query(
        f"{maximum}(timestamp({name}{{{own_matcher(app)}}}))", time_s=at_s
    )
    newest = [series.last.value for series in result.series]
    if remembers:
        # Processes that have counted since may have other metrics in common.
        context.history.metric_name = name if len(newest) >= app.processes else None
    return newest


def _metric_of_most(context: Context, app: AppFacts) -> str | None:
    """A metric of the app itself that most of its processes export; all of one come together."""
    matcher = f'{{{own_matcher(app)},__name__!~"{_NOT_OF_THE_APP}"}}'
    instances: dict[str, set[str]] = {}
    for labels in context.clients.prometheus.series(matcher):
        instances.setdefault(labels["__name__"], set()).add(labels.get("instance", ""))
    return min(instances, key=lambda name: (-len(instances[name]), name), default=None)
