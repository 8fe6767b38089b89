"""Which project the collector sends traces to."""

from __future__ import annotations

from pytest_obsstack.providers.stack import Stack
from pytest_obsstack.provision import containers
from pytest_obsstack.wire.dsn import Dsn


def collector_settings(dsn: str) -> dict[str, object]:
    """The collector's settings that send traces to the project of ``dsn``."""
    parsed = Dsn.parse(dsn)
    return {
        "traces_endpoint": parsed.otlp_traces_url,
        "traces_headers": {"x-sentry-auth": f"sentry sentry_key={parsed.public_key}"},
    }


def send_traces_to(stack: Stack, dsn: str) -> None:
    """Let the collector send traces to the project of ``dsn``, as an edit and a restart would."""
    if stack.state.compose is not None:
        containers.send_traces_to(stack, dsn)
        return
    stack.configure("collector", collector_settings(dsn))
    stack.restart("collector")
