"""The ``otlp_http`` exporter: hand a request on as it came, and tell what became of it.

Errors are worded and mapped as the collector does: ``otlphttpexporter`` turns the backend's answer
into a gRPC status, permanent or not, and ``otlpreceiver`` turns that into the app's HTTP status.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_obsstack.embedded.collector.settings import without_credentials
from pytest_obsstack.embedded.http_client import Answer, PostClient, SendError
from pytest_obsstack.wire import otlp

log = logging.getLogger("obsstack.embedded.collector")

# "Retryable Response Codes" of the OTLP specification.
_RETRYABLE = frozenset({429, 502, 503, 504})
# Which statuses of a backend the app sees as they are; what can be retried becomes 503 or 429, all
# else 500, because its gRPC code is Unknown.
_PASSED_ON = {
    400: "InvalidArgument",
    401: "Unauthenticated",
    403: "PermissionDenied",
    404: "Unimplemented",
}
_MAX_REASON_CHARACTERS = 300


class ExportError(Exception):
    """The backend did not take a request; ``app_status`` is the HTTP status the app gets.

    ``answered``: the status follows from an answer of the backend, so the collector's error carries
    a gRPC code. Without an answer it carries none, and none counts as one that can be retried.
    """

    def __init__(self, message: str, *, app_status: int, answered: bool) -> None:
        super().__init__(message)
        self.app_status = app_status
        self.answered = answered


def joined(errors: Sequence[ExportError]) -> ExportError:
    """What the app is told when exporters of one pipeline failed.

    The collector's ``fanoutconsumer`` tries them all and joins their errors (``multierr``); the
    receiver takes the first gRPC code among them and the text of all.
    """
    first = next((error for error in errors if error.answered), errors[0])
    text = "; ".join(str(error) for error in errors)
    return ExportError(text, app_status=first.app_status, answered=first.answered)


@dataclass(frozen=True)
class PayloadFormat:
    """How a payload is encoded and what it holds."""

    signal: otlp.Signal
    encoding: otlp.Encoding


class OtlpHttpExporter:
    """Sends requests of one signal to one endpoint, unchanged; with no endpoint it drops them."""

    def __init__(
        self, name: str, endpoint: str, headers: Mapping[str, str], *, timeout_s: float
    ) -> None:
        self.name = name
        self.endpoint = without_credentials(endpoint)
        self._headers = dict(headers)
        self._client = PostClient(endpoint, timeout_s=timeout_s) if endpoint else None

    @property
    def has_endpoint(self) -> bool:
        return self._client is not None

    async def export(self, payload: bytes, payload_format: PayloadFormat) -> None:
        """Returns when the backend has taken it; raises ``ExportError``."""
        if self._client is None:
            raise ExportError(f"{self.name} has no endpoint", app_status=503, answered=False)
        headers = {
            **self._headers,
            "Content-Type": otlp.CONTENT_TYPES[payload_format.encoding],
            "User-Agent": "OpenTelemetry Collector (embedded)",
        }
        try:
            answer = await self._client.post(payload, headers)
        except SendError as error:
            raise ExportError(
                f'failed to make an HTTP request: Post "{self.endpoint}": {error}',
                app_status=503,
                answered=False,
            ) from error
        if 200 <= answer.status <= 299:
            self._log_partial_success(answer, payload_format)
            return
        raise self._error(answer)

    def close(self) -> None:
        """Close idle connections; an export under way ends first."""
        if self._client is not None:
            self._client.close()

    def _error(self, answer: Answer) -> ExportError:
        message = (
            f"error exporting items, request to {self.endpoint} responded with "
            f"HTTP Status Code {answer.status}"
        )
        reason = _reason(answer)
        if reason:
            message += f", Message={reason}, Details=[]"
        if answer.status in _RETRYABLE:
            app_status = 429 if answer.status == 429 else 503
            return ExportError(message, app_status=app_status, answered=True)
        code = _PASSED_ON.get(answer.status, "Unknown")
        return ExportError(
            f"Permanent error: rpc error: code = {code} desc = {message}",
            app_status=answer.status if answer.status in _PASSED_ON else 500,
            answered=True,
        )

    def _log_partial_success(self, answer: Answer, payload_format: PayloadFormat) -> None:
        # The collector only logs a partial success and counts the whole request as sent.
        encoding = otlp.encoding_of(answer.content_type)
        if not answer.body or encoding is None:
            return
        try:
            rejected, message = otlp.read_partial_success(
                payload_format.signal, answer.body, encoding
            )
        except otlp.WireError as error:
            log.warning("%s: answer of %s not understood: %s", self.name, self.endpoint, error)
            return
        if rejected or message:
            log.warning(
                "Partial success response: %s rejected %d items of %s: %s",
                self.name,
                rejected,
                payload_format.signal,
                message,
            )


def _reason(answer: Answer) -> str:
    """What the backend says: the message of a Status, or plain text (Loki's errors are text)."""
    encoding = otlp.encoding_of(answer.content_type)
    if encoding is not None:
        try:
            return otlp.read_error_body(answer.body, encoding).message
        except otlp.WireError:
            return _text(answer.body)
    return _text(answer.body)


def _text(body: bytes) -> str:
    text = body.decode("utf-8", "replace").strip()
    return " ".join(text.split())[:_MAX_REASON_CHARACTERS]
