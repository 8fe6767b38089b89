"""A small Flask app that reports in the ways that are hard to prove settled.

Run as ``python hard_cases.py``: Sentry's SDK with its own defaults, OpenTelemetry over OTLP/HTTP,
one process whose server sends streamed bodies in chunks.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import sentry_sdk
import sentry_sdk.logger
from flask import Flask, Response, request
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from sentry_sdk.integrations.flask import FlaskIntegration
from werkzeug.serving import WSGIRequestHandler, run_simple

sentry_sdk.init(
    integrations=[FlaskIntegration(transaction_style="url")],
    auto_enabling_integrations=False,
    traces_sample_rate=1.0,
    enable_logs=True,
    # Sent with the next envelope after half a minute, at a flush and at the end.
    send_client_reports=os.environ.get("CLIENT_REPORTS") == "on",
)
traces = TracerProvider()
traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(traces)
metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())]))
jobs = metrics.get_meter("hard-cases").create_counter("jobs")

app = Flask("hard_cases")
FlaskInstrumentor().instrument_app(app)  # type: ignore[no-untyped-call]


@app.get("/health")
def health() -> str:
    jobs.add(0)
    return "ok"


@app.get("/burst")
def burst() -> str:
    """Reports so many messages at once that the SDK's queue overflows, and lets it rest then."""
    for number in range(int(request.args["events"])):
        sentry_sdk.capture_message(f"message {number}", level="error")
    time.sleep(float(request.args.get("rest", "0")))
    return "ok"


@app.get("/flush")
def flush() -> str:
    """Sends all that waits, and the SDK's report of what it has lost."""
    sentry_sdk.flush(timeout=5)
    return "ok"


@app.get("/background")
def background() -> str:
    """Answers at once, and reports an error from a thread afterwards."""
    headers = {
        "sentry-trace": sentry_sdk.get_traceparent() or "",
        "baggage": sentry_sdk.get_baggage() or "",
    }
    delay_s = float(request.args.get("delay", "0.3"))
    threading.Thread(target=work, args=(headers, delay_s)).start()
    return "ok"


def work(headers: dict[str, str], delay_s: float) -> None:
    time.sleep(delay_s)
    transaction = sentry_sdk.continue_trace(headers, op="task", name="background job")
    with sentry_sdk.start_transaction(transaction):
        jobs.add(1)
        sentry_sdk.capture_exception(LookupError("Nobody is waiting for this"))


@app.get("/stream")
def stream() -> Response:
    """Sends its body in parts, and reports an error while it makes the last."""

    def rows() -> Iterator[str]:
        yield "first\n"
        sentry_sdk.capture_exception(EOFError("The last row is broken"))
        yield "last\n"

    # In the context of the request, whose transaction and span have ended by then.
    from flask import stream_with_context

    return Response(stream_with_context(rows()), mimetype="text/plain")


@app.get("/two-batches")
def two_batches() -> str:
    """Ends a span so long before the request that it is exported by itself."""
    with trace.get_tracer("hard-cases").start_as_current_span("early"):
        pass
    time.sleep(0.2)
    return "ok"


@app.get("/sentry-log")
def sentry_log() -> str:
    """Writes a structured log of Sentry's, which the SDK sends in batches."""
    sentry_sdk.logger.info(request.args["text"])
    return "ok"


class _Chunked(WSGIRequestHandler):
    # The version that has chunked bodies; with HTTP/1.0 they end with the connection.
    protocol_version = "HTTP/1.1"


if __name__ == "__main__":
    run_simple("127.0.0.1", int(os.environ["PORT"]), app, threaded=True, request_handler=_Chunked)
