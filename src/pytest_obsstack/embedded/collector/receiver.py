"""The receiver as the collector has it: with its own words for what it leaves out."""

from __future__ import annotations

from collections.abc import Callable

from pytest_obsstack.embedded.otlp_receiver import (
    UNSUPPORTED_ENCODINGS as _UNSUPPORTED_ENCODINGS,  # noqa: F401 - the docs tell them
)
from pytest_obsstack.embedded.otlp_receiver import Consume, OtlpEndpoint
from pytest_obsstack.wire import otlp


def endpoint(signal: otlp.Signal, limits: Callable[[], int], consume: Consume) -> OtlpEndpoint:
    """One path of the receiver; ``consume`` gets the unpacked body."""
    return OtlpEndpoint(signal, limits, consume, _refusal)


def _refusal(what: str) -> str:
    return (
        f"not supported by the embedded OpenTelemetry Collector: {what}; "
        "use --obs-stack=compose, or --obs-use collector=URL"
    )
