"""How often the parts of a trace have arrived: what Sentry itself never tells, for tests alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pytest_obsstack.embedded.sentry.api.http import Api, Call, Handler, Reply
from pytest_obsstack.embedded.sentry.state.otlp_spans import ORIGIN


def get_deliveries(api: Api, call: Call) -> Reply:
    """Counts by id: 1 as a rule. Exceptions are those recorded on spans that came over OTLP."""
    call.only()
    telemetry = api.store.telemetry
    contents = telemetry.trace(call.params["trace_id"])
    spans = Counter(span.span_id for span in contents.spans if span.origin == ORIGIN)
    return Reply(
        {
            "events": {
                event.event_id: telemetry.deliveries[event.project_id, event.event_id]
                for event in (*contents.events, *contents.transactions)
            },
            "spans": dict(spans),
            "exceptions": [
                {"span_id": e.span_id, "type": e.type, "message": e.message}
                for e in contents.exceptions
            ],
        }
    )


ENDPOINTS: Mapping[str, Mapping[str, Handler]] = {
    "/api/0/obsstack/traces/{trace_id}/": {"GET": get_deliveries}
}
"""Under no path of Sentry's own, which answers 404 there."""
