"""What a tracker answers that keeps errors, and nothing of what Sentry keeps beside them."""

from __future__ import annotations

from pytest_obsstack.clients.sentry.explore import SpanRow
from pytest_obsstack.clients.sentry.issue import Attachment, Outcome
from pytest_obsstack.clients.sentry.tracker import not_shown
from pytest_obsstack.clients.sentry.traits import TrackerTraits


class ErrorsAlone:
    """Of a ``Tracker``: no attachments, and ``ObsstackError`` for spans and outcomes."""

    traits: TrackerTraits

    def attachments(
        self,
        event_id: str,  # noqa: ARG002 - keeps none
        *,
        project: str | None = None,  # noqa: ARG002
    ) -> tuple[Attachment, ...]:
        return ()

    def attachment_content(
        self,
        event_id: str,  # noqa: ARG002
        attachment_id: str,  # noqa: ARG002
        *,
        project: str | None = None,  # noqa: ARG002
    ) -> bytes:
        raise not_shown(self.traits.product, "attachments")

    def spans_of_trace(self, trace_id: str) -> tuple[SpanRow, ...]:  # noqa: ARG002
        raise not_shown(self.traits.product, "spans", "tracker_spans")

    def outcomes(self) -> tuple[Outcome, ...]:
        raise not_shown(self.traits.product, "what it refused or what an SDK dropped")
