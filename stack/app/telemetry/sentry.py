"""Errors and transactions to Sentry, by its own SDK."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import sentry_sdk
from sentry_sdk.integrations.flask import FlaskIntegration
from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger
from sentry_sdk.utils import BadDsn, Dsn

from telemetry.redaction import filter_sensitive_data
from telemetry.settings import Settings

if TYPE_CHECKING:
    from sentry_sdk.integrations import Integration
    from sentry_sdk.transport import Transport

ACCESS_LOGGER = "app.access"
"""The last record of each request; kept out of Sentry, as are the exporters' own loggers."""

TRANSPORT_QUEUE_SIZE = 5000
"""Envelopes that may wait; the SDK's 100 lose a third of 100 requests that come four at a time."""


def start_sentry(settings: Settings, transport: type[Transport] | None = None) -> str:
    """Starts the SDK in this process; the line that tells so, or why not, without any key."""
    dsn = settings.sentry_dsn
    if dsn is None:
        return "Sentry disabled: SENTRY_DSN is not set"
    try:
        parsed = Dsn(dsn)
    except BadDsn as error:
        return f"Sentry disabled: SENTRY_DSN is not a valid DSN: {error}"
    except ValueError:
        # From the URL parser, whose texts quote the part that may hold the key.
        return "Sentry disabled: SENTRY_DSN is not a valid DSN: host or port cannot be read"

    integrations: list[Integration] = [
        # The rule ("/error") as the transaction's name, not the name of a Python function.
        FlaskIntegration(transaction_style="url"),
        LoggingIntegration(level=logging.INFO, event_level=logging.ERROR),
    ]
    if settings.inventory_url is not None:
        from sentry_sdk.integrations.httpx import HttpxIntegration

        integrations.append(HttpxIntegration())
    for name in (ACCESS_LOGGER, "opentelemetry.*"):
        ignore_logger(name)

    options: dict[str, Any] = {}
    if settings.filter_sensitive_data:
        options["before_send"] = filter_sensitive_data
        options["before_send_transaction"] = filter_sensitive_data
    if transport is not None:
        options["transport"] = transport
    sentry_sdk.init(
        dsn=dsn,
        environment=settings.sentry_environment,
        release=settings.sentry_release,
        integrations=integrations,
        # Looking for every framework that the SDK knows costs start-up time.
        auto_enabling_integrations=False,
        traces_sample_rate=settings.traces_sample_rate,
        # Who was hit by an error, from which address, with which request: wanted, all of it.
        # What must not leave is taken out by filter_sensitive_data.
        data_collection={},
        transport_queue_size=TRANSPORT_QUEUE_SIZE,
        # The modules of the app count as its own even where it is deployed into site-packages.
        in_app_include=["app", "inventory"],
        # The trace goes on into services of ours, not to whoever else is called (the collector).
        trace_propagation_targets=[settings.inventory_url] if settings.inventory_url else [],
        **options,
    )
    return (
        f"Sentry initialised: host={parsed.netloc} environment={settings.sentry_environment} "
        f"release={settings.sentry_release}"
    )
