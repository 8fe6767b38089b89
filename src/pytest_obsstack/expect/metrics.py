"""Expectations on metrics: what this test's requests have added to the app's counters.

Metrics carry no trace id. An increase is the difference of two values of the app instance that this
process drives alone, each read after a fence (see ``fence``): one that the app exported before the
test's first request and after all earlier ones, and one exported after its last response.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pytest_obsstack.errors import CannotTell, ObsstackError
from pytest_obsstack.expect.budget_series import expect_cardinality
from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.histogram import Histogram, merged, wanted_of
from pytest_obsstack.expect.hops import metric_hops
from pytest_obsstack.expect.increases import Increase, counted, increases
from pytest_obsstack.expect.matching import NOT_GIVEN, describe_value
from pytest_obsstack.expect.metric_fence import metrics_settled, own_metrics_settled
from pytest_obsstack.expect.metric_traces import expect_exemplar
from pytest_obsstack.expect.mismatch import Mismatch, fail, plural
from pytest_obsstack.expect.question import KEEP, cannot_tell
from pytest_obsstack.expect.selector import label_names, name_of, own_selector, with_suffix
from pytest_obsstack.expect.settled import background_unfinished
from pytest_obsstack.expect.soft import Expectations
from pytest_obsstack.record.asserted import How
from pytest_obsstack.waiting import until

if TYPE_CHECKING:
    from pytest_obsstack.clients.prometheus.models import Exemplar
    from pytest_obsstack.expect.budget import Cardinality

FIRST_EXPORT_S = 0.5
"""How long a new app may take to export what it has counted so far: five of its intervals."""


class MetricExpectations(Expectations):
    """``obs.metrics``: what this test has added to counters and histograms."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def expect_increase(
        self, selector: str, *, by: float | None = None, at_least: float | None = None
    ) -> float:
        """How much the series of ``selector`` grew by this test's requests, all added up.

        ``by`` asks for exactly that, which needs an app that nobody else drives; ``at_least`` for
        that or more; without either, for any increase. Counter resets and series that were born
        during the test are handled. Raises ``AssertionError``; ``ObsstackError`` where exactness
        cannot be had.
        """
        __tracebackhide__ = True
        if by is not None and at_least is not None:
            raise ObsstackError(
                "expect_increase was given two bounds.", expected="by or at_least", found="both"
            )
        if by is not None:
            self._need_exactness(f"expect_increase({selector!r}, by={by:g})")
            self._need_responses(f"expect_increase({selector!r}, by={by:g})")
            self._need_end(f"tell that {selector} grew by exactly {by:g}")
        own = self._own(selector)
        if by == 0:
            self._need_metric(own)
        self._fence(own, f"{own} {_bound(by, at_least, 0.0)[0]}")
        found = increases(self._context, own)
        total = math.fsum(increase.amount for increase in found)
        wanted, enough = _bound(by, at_least, total)
        if not enough:
            fail(
                Mismatch(
                    summary="A metric did not increase as expected.",
                    expected=f"{own} {wanted}",
                    found=f"+{total:g} in {len(found)} series" if len(found) > 1 else f"+{total:g}",
                    others=tuple(
                        f"{increase.describe()}" for increase in self._neighbours(own)[:5]
                    ),
                    hops=metric_hops(self._context),
                    look=self._links(own),
                )
            )
        how: How = "absent" if by == 0 else "present"
        self._context.asserted.add("metric", how, label_names(selector), [selector])
        return total

    def expect_no_increase(self, selector: str) -> None:
        """The series of ``selector`` did not grow; ``CannotTell`` where that is not proven."""
        __tracebackhide__ = True
        self._need_exactness(f"expect_no_increase({selector!r})")
        self._need_end(f"assert that {selector} did not increase")
        own = self._own(selector)
        settled = own_metrics_settled(self._context)
        if not settled.proven:
            raise cannot_tell(
                f"assert that {own} did not increase",
                settled,
                "metrics",
                metric_hops(self._context),
            )
        self._need_metric(own)
        found = [i for i in increases(self._context, own) if i.amount]
        if not found:
            self._context.asserted.add("metric", "absent", label_names(selector), [selector])
        else:
            fail(
                Mismatch(
                    summary="A metric increased that must not.",
                    expected=f"{own} +0",
                    found=found[0].describe(),
                    others=tuple(i.describe() for i in found[1:]),
                    look=self._links(own),
                )
            )

    def expect_metric(self, promql: str, comparison: float | Callable[[float], bool]) -> float:
        """The value of a PromQL expression, once it is as ``comparison`` says.

        ``comparison`` is a number (equality) or a function of the value. The expression must yield
        a scalar or one series. Polls until the deadline; raises ``AssertionError`` then.
        """
        __tracebackhide__ = True
        found: list[float] = []

        def poll() -> float | None:
            if self._context.stack.steerable:
                self._context.stack.scrape("otel-collector")
            result = self._context.clients.prometheus.query(promql)
            found[:] = [series.last.value for series in result.series]
            if len(found) != 1:
                return None
            good = comparison(found[0]) if callable(comparison) else found[0] == comparison
            return found[0] if good else None

        waited = until(poll, timeout_s=self._context.timeout_s)
        values = ", ".join(f"{value:g}" for value in found[:5])
        if waited.value is None:
            fail(
                Mismatch(
                    summary=f"A metric was not as expected within {waited.waited_s:.1f} s "
                    f"({plural(waited.polls, 'poll')}).",
                    expected=f"{promql} is {describe_value(comparison)}",
                    found=f"{len(found)} series: {values}" if found else "no series",
                    hops=metric_hops(self._context),
                    look=self._links(promql),
                )
            )
        self._context.asserted.add("metric", "present", label_names(promql), [promql])
        return waited.value

    def expect_histogram(
        self,
        name: str,
        *,
        count: Any = NOT_GIVEN,
        sum: Any = NOT_GIVEN,
        quantile: Mapping[float, Any] | None = None,
    ) -> Histogram:
        """The histogram of what this test's requests have observed, all series added up.

        ``name`` may have label matchers and is without ``_bucket``; ``count`` and ``sum`` are a
        number or a function of the value; ``quantile`` says for each share (0 to 1) a number that
        it must not exceed, or a function. Quantiles are interpolated within buckets, so choose
        bounds that are bucket bounds. Raises ``AssertionError``; ``CannotTell`` and
        ``ObsstackError`` where exactness cannot be had.
        """
        __tracebackhide__ = True
        call = f"expect_histogram({name!r})"
        self._need_exactness(call)
        self._need_responses(call)
        self._need_end(f"tell what {name} has observed")
        parts = [self._own(with_suffix(name, part)) for part in ("_count", "_sum", "_bucket")]
        wanted = wanted_of(count, sum, quantile or {})
        self._fence(parts[0], f"{parts[0]}: {wanted.describe()}")
        histogram = merged(*(counted(self._context, part) for part in parts))
        if not histogram.count:
            self._need_metric(parts[0])
        found = wanted.unmet(histogram)
        if found:
            fail(
                Mismatch(
                    summary="A histogram is not as expected.",
                    expected=f"{parts[0]}: {wanted.describe()}",
                    found=histogram.describe(),
                    others=tuple(found),
                    hops=metric_hops(self._context),
                    look=self._links(parts[2]),
                )
            )
        self._context.asserted.add("metric", "present", label_names(name), [name])
        return histogram

    def expect_exemplar(self, selector: str) -> Exemplar:
        """The latest exemplar on a series of ``selector`` that leads to this test's trace.

        Its span has been found in a store of spans, too. Waits until there is one; raises
        ``AssertionError`` at the deadline, ``ObsstackError`` where the stack keeps no exemplars.
        """
        __tracebackhide__ = True
        exemplar = expect_exemplar(self._context, self._own(selector))
        self._context.asserted.add("metric", "present", label_names(selector), [selector])
        return exemplar

    def expect_cardinality(
        self, selector: str, *, max: int | None = None, max_new: int | None = None
    ) -> Cardinality:
        """How many series the app has under ``selector``, which are no more than that.

        ``max`` bounds all of this app instance, ``max_new`` those that were born since the test's
        first request. Raises ``AssertionError`` with the labels that have the most values,
        ``CannotTell`` where arrival is not proven, where there is no such series, or no clean
        starting point, ``ObsstackError`` for ``max_new`` where others use the app, too.
        """
        __tracebackhide__ = True
        own = self._own(selector)
        cardinality = expect_cardinality(self._context, own, most=max, most_new=max_new)
        self._context.asserted.add("metric", "all", label_names(selector), [selector])
        return cardinality

    # ---- how

    def _own(self, selector: str) -> str:
        """``selector``, narrowed to the instance that this process drives."""
        __tracebackhide__ = True
        app = self._context.app
        return own_selector(selector, app.instance, processes=app.processes)

    def _need_end(self, purpose: str) -> None:
        """What goes on in the background may count later."""
        __tracebackhide__ = True
        unfinished = background_unfinished(self._context, "metrics")
        if unfinished is not None:
            raise cannot_tell(purpose, unfinished, "metrics")
        if self._context.history.goes_on:
            raise CannotTell(
                f"Cannot {purpose}: it may have been counted for an earlier test.",
                expected="each test of an app with background threads has seen the end of its work",
                found="an earlier one has not, and metrics do not tell whose they are",
                advice="call obs.expect_background_end(…) in each test of this app that starts "
                "such work, or use at_least=…",
            )

    def settle_baseline(self) -> None:
        """Wait until everything that the app counted before now is stored.

        Called before the first request of a test that looks at metrics. A fence that is not reached
        is no failure here: the expectation will find it out and say why.
        """
        context = self._context
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

    def _fence(self, selector: str, expected: str) -> None:
        __tracebackhide__ = True
        settled = metrics_settled(self._context, self._context.last_ended_s)
        if settled.proven:
            return
        fail(
            Mismatch(
                summary=f"No metric arrived within {settled.waited_s:.1f} s "
                f"({plural(settled.polls, 'poll')}).",
                expected=expected,
                found=settled.reason or "",
                hops=metric_hops(self._context),
                look=self._links(selector),
            )
        )

    def _neighbours(self, selector: str) -> list[Increase]:
        """What did increase under the same metric name, for the message."""
        name = name_of(selector)
        if name is None:
            return []
        own = self._own(name)
        return [i for i in increases(self._context, own) if i.amount]

    def _need_responses(self, call: str) -> None:
        """What a request without a response has counted, or is about to, cannot be told.

        Nor what a request has counted of which nobody here knows.
        """
        __tracebackhide__ = True
        if not self._context.exchanges.all:
            raise CannotTell(
                f"{call} cannot be told.",
                expected="a request of this test, after which the app has exported",
                found="no request of this test is known, so there is nothing to wait for",
                advice="send one with obs.get(…), or hand obs.headers to your client first",
            )
        for exchange in self._context.exchanges.all:
            if exchange.status is None and not exchange.handed_out:
                raise CannotTell(
                    f"{call} cannot be told.",
                    expected="a response to each request",
                    found=exchange.describe(),
                    advice="use at_least=…, or find out why the app did not answer",
                )

    def _need_metric(self, selector: str) -> None:
        """A metric that the app has never exported did not increase, but that proves nothing."""
        __tracebackhide__ = True
        name = name_of(selector)
        if name is None:
            return
        own = self._own(name)
        if not self._context.clients.prometheus.series(own):
            raise CannotTell(
                f"Cannot assert that {selector} did not increase: there is no such metric.",
                expected=f"series of {own}, whatever their labels",
                found="none: the app has not exported that name",
                advice="correct the name, or let the app count something under it first",
            )

    def _need_exactness(self, call: str) -> None:
        __tracebackhide__ = True
        if not self._context.exact_metrics:
            raise ObsstackError(
                f"{call} cannot be told on this stack.",
                expected="an app that this test drives alone",
                found=f"--obs-stack={self._context.stack.kind}: others may use the app",
                advice="use at_least=…, or run without -n where nobody else uses the app",
            )

    def _links(self, promql: str) -> tuple[str, ...]:
        return (f"{self._context.clients.prometheus.url} {promql}", KEEP)


def _bound(by: float | None, at_least: float | None, total: float) -> tuple[str, bool]:
    if by is not None:
        return f"+{by:g}", math.isclose(total, by, rel_tol=1e-9)
    if at_least is not None:
        return f"+{at_least:g} or more", total >= at_least
    return "any increase", total > 0
