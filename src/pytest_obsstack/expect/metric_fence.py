"""The fence of metrics: samples that the app took after its last response.

The collector passes the app's own sample times on, so one look at Prometheus proves both that the
app has exported and that a scrape has stored it. An app of several processes has as many instances,
and any of them may have answered: each must have exported since.
"""

from __future__ import annotations

from pytest_obsstack.expect.context import AppFacts, Context
from pytest_obsstack.expect.selector import instance_matcher
from pytest_obsstack.expect.settled import Settled
from pytest_obsstack.waiting import until

_ALL_PROCESSES = (
    "a process that has counted nothing exports nothing: send requests until each has answered, "
    "and say how many there are (AppSpec.processes, WEB_CONCURRENCY)"
)


def metrics_settled(context: Context, after_s: float, *, timeout_s: float | None = None) -> Settled:
    """Prometheus holds a sample that the app took at ``after_s`` (Unix seconds) or later.

    Of each of its processes, where it has several.
    """
    newest: list[float] = []

    def poll() -> bool | None:
        if context.stack.steerable:
            context.stack.scrape("otel-collector")
        newest[:] = _newest_of_processes(context)
        new = sum(1 for sample_s in newest if sample_s >= after_s)
        return True if new >= context.app.processes else None

    waited = until(poll, timeout_s=context.timeout_s if timeout_s is None else timeout_s)
    if waited.value:
        return Settled(None, waited.polls, waited.waited_s)
    advice = _ALL_PROCESSES if context.app.processes > 1 else None
    return Settled(_reason(context.app, newest, after_s), waited.polls, waited.waited_s, advice)


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
    newest = _newest_of_processes(context, at_s)
    return min(newest) if len(newest) >= context.app.processes else None


def own_matcher(app: AppFacts) -> str:
    """The PromQL matcher of the app's own series, of all its processes."""
    if not app.instance:
        return f'job="{app.service}"'
    return instance_matcher(app.instance, app.processes)


def _newest_of_processes(context: Context, at_s: float | None = None) -> list[float]:
    name = context.history.metric_name
    if name is None:
        name = context.history.metric_name = _metric_of_most(context)
    if name is None:
        return []
    maximum = "max" if context.app.processes == 1 else "max by (instance) "
    result = context.clients.prometheus.query(
        f"{maximum}(timestamp({name}{{{own_matcher(context.app)}}}))", time_s=at_s
    )
    newest = [series.last.value for series in result.series]
    if len(newest) < context.app.processes:
        # Processes that have counted since may have other metrics in common.
        context.history.metric_name = None
    return newest


def _metric_of_most(context: Context) -> str | None:
    """A metric of the app itself that most of its processes export; all of one come together."""
    matcher = f'{{{own_matcher(context.app)},__name__!~"{_NOT_OF_THE_APP}"}}'
    instances: dict[str, set[str]] = {}
    for labels in context.clients.prometheus.series(matcher):
        instances.setdefault(labels["__name__"], set()).add(labels.get("instance", ""))
    return min(instances, key=lambda name: (-len(instances[name]), name), default=None)
