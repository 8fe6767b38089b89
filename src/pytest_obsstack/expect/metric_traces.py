"""From a metric to a trace: the exemplar that an app has left of this test's request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.expect.hops import metric_hops
from pytest_obsstack.expect.mismatch import Mismatch, fail, plural
from pytest_obsstack.expect.question import KEEP
from pytest_obsstack.waiting import until

if TYPE_CHECKING:
    from pytest_obsstack.clients.prometheus.models import Exemplar
    from pytest_obsstack.clients.spans import Span
    from pytest_obsstack.expect.context import Context

_CLOCK_AHEAD_S = 60.0


def expect_exemplar(context: Context, selector: str) -> Exemplar:
    """The latest exemplar of this test's trace on a series of ``selector``, its span found."""
    __tracebackhide__ = True
    if "exemplars" not in context.stack.capabilities:
        raise ObsstackError(
            "This stack keeps no exemplars.",
            expected="the capability `exemplars`",
            found=f"--obs-stack={context.stack.kind} without it",
            advice='mark the test with @pytest.mark.obs_requires("exemplars")',
        )
    start_s = (context.exchanges.first_started_s or context.started_s) - 1.0
    others: list[Exemplar] = []
    lonely: list[Exemplar] = []

    def poll() -> Exemplar | None:
        if context.stack.steerable:
            context.stack.scrape("otel-collector")
        found = context.clients.prometheus.exemplars(
            selector, start_s=start_s, end_s=context.last_ended_s + _CLOCK_AHEAD_S
        )
        own = [exemplar for exemplar in found if exemplar.trace_id == context.trace_id]
        others[:] = [exemplar for exemplar in found if exemplar.trace_id != context.trace_id]
        spans = {span.span_id for span in _spans(context)} if own else set()
        whole = [exemplar for exemplar in own if exemplar.labels.get("span_id") in spans]
        lonely[:] = [exemplar for exemplar in own if exemplar not in whole]
        return max(whole, key=lambda exemplar: exemplar.timestamp_s, default=None)

    waited = until(poll, timeout_s=context.timeout_s)
    if waited.value is None:
        fail(
            Mismatch(
                summary=f"No exemplar matched within {waited.waited_s:.1f} s "
                f"({plural(waited.polls, 'poll')}).",
                expected=f"{selector}, an exemplar of trace {context.short_trace()} and its span",
                found=_found(lonely, others),
                hops=metric_hops(context),
                advice=_advice(lonely, others),
                look=(f"{context.clients.prometheus.url} {selector}", KEEP),
            )
        )
    return waited.value


def _spans(context: Context) -> list[Span]:
    return [
        span for store in context.clients.span_stores for span in store.otlp_spans(context.trace_id)
    ]


def _found(lonely: list[Exemplar], others: list[Exemplar]) -> str:
    if lonely:
        return (
            f"{plural(len(lonely), 'exemplar')} of this trace, but no span "
            f"{lonely[-1].labels.get('span_id') or '(the exemplar names none)'} in it"
        )
    if others:
        return f"{plural(len(others), 'exemplar')} of other traces, none of this one"
    return "no exemplar at all"


def _advice(lonely: list[Exemplar], others: list[Exemplar]) -> str | None:
    if lonely:
        return "the span was not exported: look at the app's span processor and sampler"
    if others:
        return (
            "of each series and scrape only the last exemplar is kept: let this request be the "
            "last that the series counts"
        )
    return (
        "let the app record the measurement inside of the request's sampled span (OpenTelemetry's "
        "exemplar filter `trace_based`)"
    )
