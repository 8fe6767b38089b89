"""Expectations on spans: what of this test's trace must be, or must not be, in the trace store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.fence import spans_settled
from pytest_obsstack.expect.hops import span_hops
from pytest_obsstack.expect.matching import ABSENT, NOT_GIVEN, given
from pytest_obsstack.expect.question import Question
from pytest_obsstack.expect.soft import Expectations

if TYPE_CHECKING:
    from pytest_obsstack.clients.spans import Span

_NOT_ERRORS = (None, "", "ok", "unset", "unknown")


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
        return Question(
            backend="OpenTelemetry",
            noun="span",
            signal="spans",
            fetch=fetch or self._fetch,
            fields=_fields,
            title=_title,
            settle=spans_settled,
            hops=span_hops,
            links=self._links,
        )

    def _fetch(self) -> Sequence[Span]:
        return self._context.clients.traces.otlp_spans(self._context.trace_id)

    def _fetch_whole(self) -> Sequence[Span]:
        return [self._whole(span) for span in self._fetch()]

    def _whole(self, span: Span) -> Span:
        return self._context.clients.traces.whole(self._context.trace_id, span)

    def _links(self) -> Sequence[str]:
        page = _page_in_grafana(self._context)
        return [*page, self._context.clients.traces.trace_url(self._context.trace_id)]


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


def status_of(span: Span) -> str:
    """``error`` or ``ok``: Sentry's many words for a failure are one for a test."""
    return "ok" if span.status in _NOT_ERRORS else "error"


def _fields(span: Span) -> dict[str, Any]:
    return {
        "name": span.name or ABSENT,
        "service": span.service or ABSENT,
        "status": status_of(span),
        "kind": span.kind or ABSENT,
        "parent": span.parent_span_id or ABSENT,
        "environment": span.environment or ABSENT,
        "duration_ms": ABSENT if span.duration_ms is None else span.duration_ms,
        "attributes": span.attributes,
    }


def _title(span: Span) -> str:
    return f"{span.service}: {span.name} ({span.kind}, {status_of(span)})"
