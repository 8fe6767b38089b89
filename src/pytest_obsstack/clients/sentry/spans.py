"""Sentry as a store of OpenTelemetry spans."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_obsstack.clients.sentry.explore import OTLP_ORIGIN, SpanRow

if TYPE_CHECKING:
    from pytest_obsstack.clients.sentry.client import SentryClient
    from pytest_obsstack.clients.spans import Span


class SentrySpanStore:
    """The spans that Sentry's OTLP endpoint has taken; those of its own SDKs are left out.

    Only ``span_texts`` has them, too: it is asked what Sentry keeps, whoever sent it.
    """

    store_name = "Sentry"

    def __init__(self, client: SentryClient) -> None:
        self._client = client

    def otlp_spans(self, trace_id: str) -> list[SpanRow]:
        rows = self._client.spans_of_trace(trace_id)
        return [row for row in rows if row.origin == OTLP_ORIGIN]

    def whole(self, trace_id: str, span: Span) -> Span:
        if not isinstance(span, SpanRow):
            return span
        own = self._client.span_attributes(trace_id, span)
        return replace(span, attributes={**own, **span.attributes})

    def span_texts(self, trace_id: str) -> Iterator[tuple[str, str]]:
        for row in self._client.spans_of_trace(trace_id):
            # The spans of an SDK's transaction are in that event, with all that was sent of them.
            in_event = row.transaction_event_id is not None
            own = {} if in_event else self._client.span_attributes(trace_id, row)
            yield f"Sentry span {row.name}", json.dumps({**row.raw, **own}, ensure_ascii=False)

    def found_by(
        self,
        attribute: str,
        prefix: str,
        *,
        since_s: float,  # noqa: ARG002 - Sentry's default period is longer than any test
    ) -> list[tuple[str, str]]:
        # A list, as of a header, is kept as the text of its JSON.
        rows = self._client.spans_by(attribute, f"{attribute}:*{prefix}*")
        return [(str(row[attribute]), str(row["trace"])) for row in rows]

    def trace_url(self, trace_id: str) -> str:
        return (
            f"{self._client.url}/api/0/organizations/{self._client.organization}/trace/{trace_id}/"
        )
