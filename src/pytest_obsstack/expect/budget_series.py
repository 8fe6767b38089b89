"""The budget of series: how many the app exports under a selector, and how many are this test's."""

from __future__ import annotations

from pytest_obsstack.errors import CannotTell
from pytest_obsstack.expect.budget import Cardinality, check_bounds, fullest_labels
from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.hops import metric_hops
from pytest_obsstack.expect.increases import check_baseline
from pytest_obsstack.expect.metric_fence import own_metrics_settled
from pytest_obsstack.expect.metric_needs import need_exactness
from pytest_obsstack.expect.mismatch import Mismatch, fail
from pytest_obsstack.expect.question import KEEP, cannot_tell


def expect_cardinality(
    context: Context, own: str, *, most: int | None, most_new: int | None
) -> Cardinality:
    """Count the series of a selector that is narrowed to the app's own instance."""
    __tracebackhide__ = True
    check_bounds("expect_cardinality", max=most, max_new=most_new)
    if most_new is not None:
        need_exactness(context, "expect_cardinality(max_new=…)", instead="max=…")
    settled = own_metrics_settled(context)
    if not settled.proven:
        raise cannot_tell(f"count the series of {own}", settled, "metrics", metric_hops(context))
    client = context.clients.prometheus
    now = [dict(series.labels) for series in client.query(own).series]
    if not now:
        raise CannotTell(
            f"Cannot count the series of {own}: there are none.",
            expected="one series or more",
            found="none: the app has not exported that name with these labels",
            advice="correct the selector, or let the app count something under it first",
        )
    new = None
    if most_new is not None:
        start_s = context.exchanges.first_started_s or context.started_s
        check_baseline(context, start_s)
        before = [dict(series.labels) for series in client.query(own, time_s=start_s).series]
        new = [labels for labels in now if labels not in before]
    too_many = most is not None and len(now) > most
    if too_many or (most_new is not None and new is not None and len(new) > most_new):
        bounds = [] if most is None else [f"at most {most} series"]
        bounds += (
            [] if most_new is None else [f"at most {most_new} new series since the test began"]
        )
        fail(
            Mismatch(
                summary="The app exports more series than it may.",
                expected=f"{own}: {', '.join(bounds)}",
                found=f"{len(now)} series" + ("" if new is None else f", {len(new)} new"),
                others=fullest_labels(now if too_many or new is None else new),
                advice="a label is for what has few values: put ids, paths with parameters and "
                "texts into spans or log lines instead",
                look=(f"{client.url} {own}", KEEP),
            )
        )
    return Cardinality(len(now), None if new is None else len(new))
