"""What every request gets: a server span, a user, tags, metrics, and one last log record."""

from __future__ import annotations

import logging
import os
import time

import sentry_sdk
from flask import Flask, Response, g, request
from opentelemetry import metrics, trace
from opentelemetry.instrumentation.flask import FlaskInstrumentor

from telemetry.redaction import mask_query
from telemetry.sentry import ACCESS_LOGGER
from telemetry.settings import Settings

DURATION_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})

DEFAULT_REGION = "us-east-1"
DEFAULT_CUSTOMER_TIER = "standard"

access_logger = logging.getLogger(ACCESS_LOGGER)
# Whatever LOG_LEVEL is: that the record of the end came shows that all others came, too.
access_logger.setLevel(logging.INFO)


def instrument(app: Flask, settings: Settings) -> None:
    """Adds the hooks; to be called before the app registers any of its own.

    May run before the SDKs start: OpenTelemetry's proxies find the providers once there are some.
    """
    # The stable names (http.request.method, url.path ...), which are not yet the default.
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
    FlaskInstrumentor.instrument_app(  # type: ignore[no-untyped-call]
        app,
        # Counted below under the app's own names, not twice.
        meter_provider=metrics.NoOpMeterProvider(),
        enable_commenter=False,
    )
    meter = metrics.get_meter("simple-app")
    requests_total = meter.create_counter(
        "http_requests", unit="{request}", description="Requests answered."
    )
    duration = meter.create_histogram(
        "http_request_duration",
        unit="s",
        description="Time from the first handler to the finished answer.",
        explicit_bucket_boundaries_advisory=list(DURATION_BUCKETS_S),
    )
    region = settings.resource_attributes.get("cloud.region", DEFAULT_REGION)

    @app.before_request
    def describe() -> None:
        g.started_s = time.perf_counter()
        identify(
            user_id=request.headers.get("X-User-Id"),
            email=request.headers.get("X-User-Email"),
            username=request.headers.get("X-User-Name"),
        )
        # On the isolation scope: on every event of this request and on none of the next.
        sentry_sdk.set_tag("region", request.headers.get("X-Region", region))
        tier = request.headers.get("X-Customer-Tier", DEFAULT_CUSTOMER_TIER)
        sentry_sdk.set_tag("customer_tier", tier)
        query = request.query_string.decode("latin-1")
        if query and settings.filter_sensitive_data:
            trace.get_current_span().set_attribute("url.query", mask_query(query))

    # Flask runs these in reverse order of registration: registered first, this one comes last,
    # after the handlers of exceptions too, and still inside the server span.
    @app.after_request
    def account(response: Response) -> Response:
        elapsed_s = time.perf_counter() - g.started_s if "started_s" in g else 0.0
        # Never the path itself, nor an invented method: each new value would be a new series.
        endpoint = request.url_rule.rule if request.url_rule is not None else "unmatched"
        method = request.method if request.method in METHODS else "_OTHER"
        duration.record(elapsed_s, {"endpoint": endpoint, "method": method})
        requests_total.add(
            1, {"endpoint": endpoint, "method": method, "status": str(response.status_code)}
        )
        access_logger.info(
            "request finished",
            extra={
                "method": method,
                "endpoint": endpoint,
                "status": response.status_code,
                "duration_ms": round(elapsed_s * 1000, 3),
            },
        )
        return response


def identify(*, user_id: str | None, email: str | None, username: str | None) -> None:
    """Names the user of this request on all its events; what is not given is left out."""
    given = {"id": user_id, "email": email, "username": username}
    user = {name: value for name, value in given.items() if value}
    if user:
        sentry_sdk.set_user(user)
