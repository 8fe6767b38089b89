"""What has to be so for a metric to tell exactly what a test has counted; else it says why not."""

from __future__ import annotations

import time

from pytest_obsstack.errors import CannotTell, ObsstackError
from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.metric_fence import metrics_settled
from pytest_obsstack.expect.question import cannot_tell
from pytest_obsstack.expect.selector import name_of, own_selector
from pytest_obsstack.expect.settled import background_unfinished

FIRST_EXPORT_S = 0.5
"""How long a new app may take to export what it has counted so far: five of its intervals."""


def own_metric(context: Context, selector: str) -> str:
    """``selector``, narrowed to the instance that this process drives."""
    __tracebackhide__ = True
    app = context.app
    return own_selector(selector, app.instance, processes=app.processes)


def settle_baseline(context: Context) -> None:
    """Wait until everything that the app counted before now is stored.

    Called before the first request of a test that looks at metrics. A fence that is not reached
    is no failure here: the expectation will find it out and say why.
    """
    if context.shared_app:
        # Other workers' last requests are not known here: what they counted is exported now.
        context.baseline_s = time.time()
        metrics_settled(context, context.baseline_s)
    elif context.history.last_ended_s:
        metrics_settled(context, context.history.last_ended_s)
    elif context.app.ready_s is not None:
        # The question whether it is ready was a request, too. An app that exports nothing
        # before it has something to count is not waited for any longer.
        timeout_s = min(context.timeout_s, FIRST_EXPORT_S)
        metrics_settled(context, context.app.ready_s, timeout_s=timeout_s)


def need_end(context: Context, purpose: str) -> None:
    """What goes on in the background may count later."""
    __tracebackhide__ = True
    unfinished = background_unfinished(context, "metrics")
    if unfinished is not None:
        raise cannot_tell(purpose, unfinished, "metrics")
    if context.history.goes_on:
        raise CannotTell(
            f"Cannot {purpose}: it may have been counted for an earlier test.",
            expected="each test of an app with background threads has seen the end of its work",
            found="an earlier one has not, and metrics do not tell whose they are",
            advice="call obs.expect_background_end(…) in each test of this app that starts "
            "such work, or use at_least=…",
        )


def need_responses(context: Context, call: str) -> None:
    """What a request without a response has counted, or is about to, cannot be told.

    Nor what a request has counted of which nobody here knows.
    """
    __tracebackhide__ = True
    if not context.exchanges.all:
        raise CannotTell(
            f"{call} cannot be told.",
            expected="a request of this test, after which the app has exported",
            found="no request of this test is known, so there is nothing to wait for",
            advice="send one with obs.get(…), or hand obs.headers to your client first",
        )
    for exchange in context.exchanges.all:
        if exchange.status is None and not exchange.handed_out:
            raise CannotTell(
                f"{call} cannot be told.",
                expected="a response to each request",
                found=exchange.describe(),
                advice="use at_least=…, or find out why the app did not answer",
            )


def need_metric(context: Context, selector: str) -> None:
    """A metric that the app has never exported did not increase, but that proves nothing."""
    __tracebackhide__ = True
    name = name_of(selector)
    if name is None:
        return
    own = own_metric(context, name)
    if not context.clients.prometheus.series(own):
        raise CannotTell(
            f"Cannot assert that {selector} did not increase: there is no such metric.",
            expected=f"series of {own}, whatever their labels",
            found="none: the app has not exported that name",
            advice="correct the name, or let the app count something under it first",
        )


def need_exactness(context: Context, call: str, *, instead: str = "at_least=…") -> None:
    """What others count in the same app is not told apart from what this test has caused."""
    __tracebackhide__ = True
    if not context.exact_metrics:
        raise ObsstackError(
            f"{call} cannot be told on this stack.",
            expected="an app that this test drives alone",
            found=f"--obs-stack={context.stack.kind}: others may use the app",
            advice=f"use {instead}, or run without -n where nobody else uses the app",
        )
