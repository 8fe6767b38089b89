"""Expectations on spans: what of this test's trace must be, or must not be, in the trace store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.expect.budget import check_bounds, within_spans
from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.fence import spans_settled
from pytest_obsstack.expect.hops import span_hops
from pytest_obsstack.expect.matching import NOT_GIVEN, given
from pytest_obsstack.expect.own_traces import spans_of_test, whole_span
from pytest_obsstack.expect.question import Question
from pytest_obsstack.expect.shape_report import fit_of, shortfall_of
from pytest_obsstack.expect.soft import Expectations
from pytest_obsstack.expect.span_fields import span_fields, span_title

if TYPE_CHECKING:
    from pytest_obsstack.clients.spans import Span
    from pytest_obsstack.expect.question import Shortfall
    from pytest_obsstack.expect.shape import SpanShape


class TraceExpectations(Expectations):
    """``obs.traces``: the OpenTelemetry spans of this test's trace.

    Spans that Sentry's own SDK sends belong to its transactions: ``obs.sentry.expect_transaction``.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def expect_span(
        self,
        name: Any = NOT_GIVEN,
        *,
        service: Any = NOT_GIVEN,
        status: Any = NOT_GIVEN,
        kind: Any = NOT_GIVEN,
        parent: Span | str | Any = NOT_GIVEN,
        environment: Any = NOT_GIVEN,
        duration_ms: Any = NOT_GIVEN,
        attributes: Any = NOT_GIVEN,
    ) -> Span:
        """The latest span that matches; waits until there is one.

        ``attributes`` are the span's and its resource's; the returned span has them all. ``status``
        is ``"error"`` or ``"ok"`` (which an unset status is, too); ``kind`` one of
        ``server client internal producer consumer``; ``parent`` a span or its id. Raises
        ``AssertionError`` at the deadline.
        """
        __tracebackhide__ = True
        expected = given(
            name=name,
            service=service,
            status=status,
            kind=kind,
            parent=getattr(parent, "span_id", parent),
            environment=environment,
            duration_ms=duration_ms,
            attributes=attributes,
        )
        # Each span's attributes are a request of their own: asked for where they are compared.
        fetch = self._fetch if attributes is NOT_GIVEN else self._fetch_whole
        return self._whole(self._question(fetch).one(self._context, expected))

    def expect_trace(self, *shapes: SpanShape, exactly: bool = False) -> tuple[Span, ...]:
        """The spans that have these shapes, each made by ``span`` with its children.

        A shape is looked for anywhere in the trace, and its spans may have other children, too;
        ``exactly``: the trace consists of these spans, and begins with those of ``shapes``. Gives
        the spans in the order in which they were written, each before its children. Waits until
        they are there; ``exactly`` waits until arrival has settled. Raises ``AssertionError`` with
        both trees drawn, ``CannotTell`` for ``exactly`` where arrival is not proven.
        """
        __tracebackhide__ = True
        if not shapes:
            raise ObsstackError(
                "expect_trace was given no shape.", expected="one shape or more, made by span(…)"
            )
        wanted = [each for shape in shapes for each in shape.walk()]
        whole = any("attributes" in each.fields for each in wanted)
        callers = {exchange.span_id for exchange in self._context.exchanges.all}

        def judge(spans: Sequence[Span]) -> Shortfall | None:
            fits, tree = fit_of(shapes, spans, callers, exactly=exactly)
            return shortfall_of(fits, tree, self._context.short_trace(), exactly=exactly)

        spans = self._question(self._fetch_whole if whole else self._fetch).together(
            self._context,
            judge,
            expected=[each.fields for each in wanted],
            summary="The spans have not exactly the expected shape"
            if exactly
            else "No spans of the expected shape arrived",
            purpose="assert that there are no other spans" if exactly else None,
        )
        if any(each.children for each in wanted):
            self._context.asserted.add("span", "present", ["parent"])
        fits, _ = fit_of(shapes, spans, callers, exactly=exactly)
        found = [each.span for fit in fits for each in fit.walk()]
        return tuple(self._whole(span) for span in found if span is not None)

    def expect_span_count(self, *, max: int) -> int:
        """How many spans this test has caused, which are no more than that.

        Raises ``AssertionError`` with the spans that there are most of, ``CannotTell`` where more
        may still come.
        """
        __tracebackhide__ = True
        check_bounds("expect_span_count", max=max)
        spans = self._question().together(
            self._context,
            within_spans(max, self._context.short_trace()),
            expected=[],
            summary="The test has caused more spans than it may",
            purpose="count the spans",
        )
        return len(spans)

    def expect_no_span(
        self,
        name: Any = NOT_GIVEN,
        *,
        service: Any = NOT_GIVEN,
        status: Any = NOT_GIVEN,
        kind: Any = NOT_GIVEN,
    ) -> None:
        """No span of this test matches; ``CannotTell`` where arrival is not proven settled."""
        __tracebackhide__ = True
        expected = given(name=name, service=service, status=status, kind=kind)
        self._question().none(self._context, expected)

    def spans(self) -> tuple[Span, ...]:
        """All spans of this test by start time, once arrival has settled; with all attributes."""
        __tracebackhide__ = True
        return tuple(map(self._whole, self._question().all(self._context)))

    def _question(self, fetch: Callable[[], Sequence[Span]] | None = None) -> Question[Span]:
        question = span_question(self._context)
        return question if fetch is None else replace(question, fetch=fetch)

    def _fetch(self) -> Sequence[Span]:
        return span_question(self._context).fetch()

    def _fetch_whole(self) -> Sequence[Span]:
        return [self._whole(span) for span in self._fetch()]

    def _whole(self, span: Span) -> Span:
        return whole_span(self._context, self._context.clients.traces, span)


def span_question(context: Context) -> Question[Span]:
    """What can be asked of the OpenTelemetry spans of this test."""
    return Question(
        backend="OpenTelemetry",
        noun="span",
        signal="spans",
        fetch=lambda: spans_of_test(context, context.clients.traces),
        fields=span_fields,
        title=span_title,
        settle=spans_settled,
        hops=span_hops,
        links=lambda: [
            *_page_in_grafana(context),
            context.clients.traces.trace_url(context.trace_id),
        ],
    )


def _page_in_grafana(context: Context) -> list[str]:
    """Where a person sees the trace, if Grafana has it: the store's own URL is for programs."""
    if context.stack.endpoints.grafana is None:
        return []
    grafana = context.clients.grafana
    try:
        sources = grafana.data_sources()
    except ObsstackError:
        # A link is an offer: that there is none must not hide the message that it belongs to.
        return []
    return [
        grafana.trace_url(source, context.trace_id) for source in sources if source.type == "tempo"
    ]
