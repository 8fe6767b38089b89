"""Expectations on metrics: what this test's requests have added to the app's counters.

Metrics carry no trace id. An increase is the difference of two values of the app instance that this
process drives alone, each read after a fence (see ``fence``): one that the app exported before the
test's first request and after all earlier ones, and one exported after its last response.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.expect.budget_series import expect_cardinality
from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.histogram import Histogram, merged, wanted_of
from pytest_obsstack.expect.hops import metric_hops
from pytest_obsstack.expect.increases import Increase, counted, increases
from pytest_obsstack.expect.matching import NOT_GIVEN, describe_value
from pytest_obsstack.expect.metric_fence import metrics_settled, own_metrics_settled
from pytest_obsstack.expect.metric_needs import (
    need_end,
    need_exactness,
    need_metric,
    need_responses,
    own_metric,
    settle_baseline,
)
from pytest_obsstack.expect.metric_traces import expect_exemplar
from pytest_obsstack.expect.mismatch import Mismatch, fail, plural
from pytest_obsstack.expect.question import KEEP, cannot_tell
from pytest_obsstack.expect.selector import label_names, name_of, with_suffix
from pytest_obsstack.expect.soft import Expectations
from pytest_obsstack.record.asserted import How
from pytest_obsstack.waiting import until

if TYPE_CHECKING:
    from pytest_obsstack.clients.prometheus.models import Exemplar
    from pytest_obsstack.expect.budget import Cardinality


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
            need_exactness(self._context, f"expect_increase({selector!r}, by={by:g})")
            need_responses(self._context, f"expect_increase({selector!r}, by={by:g})")
            need_end(self._context, f"tell that {selector} grew by exactly {by:g}")
        own = self._own(selector)
        if by == 0:
            need_metric(self._context, own)
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
        need_exactness(self._context, f"expect_no_increase({selector!r})")
        need_end(self._context, f"assert that {selector} did not increase")
        own = self._own(selector)
        settled = own_metrics_settled(self._context)
        if not settled.proven:
            raise cannot_tell(
                f"assert that {own} did not increase",
                settled,
                "metrics",
                metric_hops(self._context),
            )
        need_metric(self._context, own)
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
        a scalar or one series. Polls until the deadline; raises ``AssertionError`` then. This is
        presence: what holds before this test's requests are counted, such as an upper bound, is met
        at once; use ``expect_no_increase`` or ``expect_increase`` with ``by`` for that.
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
        need_exactness(self._context, call)
        need_responses(self._context, call)
        need_end(self._context, f"tell what {name} has observed")
        parts = [self._own(with_suffix(name, part)) for part in ("_count", "_sum", "_bucket")]
        wanted = wanted_of(count, sum, quantile or {})
        self._fence(parts[0], f"{parts[0]}: {wanted.describe()}")
        histogram = merged(*(counted(self._context, part) for part in parts))
        if not histogram.count:
            need_metric(self._context, parts[0])
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
        __tracebackhide__ = True
        return own_metric(self._context, selector)

    def settle_baseline(self) -> None:
        """Wait until everything that the app counted before now is stored.

        Called before the first request of a test that looks at metrics. A fence that is not reached
        is no failure here: the expectation will find it out and say why.
        """
        settle_baseline(self._context)

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

    def _links(self, promql: str) -> tuple[str, ...]:
        return (f"{self._context.clients.prometheus.url} {promql}", KEEP)


def _bound(by: float | None, at_least: float | None, total: float) -> tuple[str, bool]:
    if by is not None:
        return f"+{by:g}", math.isclose(total, by, rel_tol=1e-9)
    if at_least is not None:
        return f"+{at_least:g} or more", total >= at_least
    return "any increase", total > 0
