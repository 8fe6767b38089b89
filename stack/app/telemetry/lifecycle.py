"""Start and stop of all reporting in one process: after a fork, before the exit."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import sentry_sdk

from telemetry.logs import OtlpHandler
from telemetry.otel import Providers, otlp_pipeline, start_opentelemetry
from telemetry.sentry import start_sentry
from telemetry.settings import Settings

STOP_TIMEOUT_S = 1.5
"""For everything that is still to be sent; backends that are down may take no longer than this."""

logger = logging.getLogger("app")


class Telemetry:
    """The reporting of this process."""

    def __init__(self, providers: Providers, handler: logging.Handler | None) -> None:
        self._providers = providers
        self._handler = handler

    @classmethod
    def start(cls, settings: Settings) -> Telemetry:
        """Starts the SDKs and says on one line each whether they report, and where."""
        pipeline = None if settings.otlp_endpoint is None else otlp_pipeline()
        providers = start_opentelemetry(settings, pipeline)
        handler = None if providers.logs is None else OtlpHandler(providers.logs)
        if handler is not None:
            logging.getLogger().addHandler(handler)
        logger.info(start_sentry(settings))
        if settings.otlp_endpoint is None:
            logger.info("OpenTelemetry export disabled: OTEL_EXPORTER_OTLP_ENDPOINT is not set")
        else:
            logger.info("OpenTelemetry export initialised: endpoint=%s", settings.otlp_endpoint)
        return cls(providers, handler)

    def stop(self) -> None:
        """Sends what is left, all signals at the same time, for at most STOP_TIMEOUT_S."""
        if self._handler is not None:
            logging.getLogger().removeHandler(self._handler)
        run_all(
            [
                # The SDK's own limit a little below, so that it still closes its transport.
                lambda: sentry_sdk.get_client().close(timeout=STOP_TIMEOUT_S - 0.2),
                *self._providers.shutdowns(),
            ],
            timeout_s=STOP_TIMEOUT_S,
        )


def run_all(calls: list[Callable[[], object]], *, timeout_s: float) -> None:
    """Runs the calls side by side and returns when all are done or the time is up."""
    deadline = time.monotonic() + timeout_s
    # Daemons, so that one that is still retrying does not hold up the exit.
    threads = [threading.Thread(target=call, daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
