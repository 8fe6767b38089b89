"""The client that fits an error tracker."""

from __future__ import annotations

from typing import Any

from pytest_obsstack.clients.sentry.tracker import Tracker
from pytest_obsstack.endpoints import SentryEndpoint


def open_tracker(endpoint: SentryEndpoint, **options: Any) -> Tracker:
    """A client of the endpoint's flavour; ``options`` as ``SentryClient`` takes them."""
    if endpoint.flavour == "glitchtip":
        from pytest_obsstack.clients.sentry.glitchtip import GlitchTipClient

        return GlitchTipClient(endpoint, **options)
    from pytest_obsstack.clients.sentry.client import SentryClient

    return SentryClient(endpoint, **options)
