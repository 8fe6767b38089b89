"""The client that fits an error tracker, and what it can show without being asked."""

from __future__ import annotations

from typing import Any

from pytest_obsstack.clients.sentry.bugsink import BUGSINK, BugsinkClient
from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.clients.sentry.glitchtip import GLITCHTIP, GlitchTipClient
from pytest_obsstack.clients.sentry.tracker import SENTRY, Tracker, TrackerTraits
from pytest_obsstack.endpoints import SentryEndpoint


def open_tracker(endpoint: SentryEndpoint, **options: Any) -> Tracker:
    """A client of the endpoint's flavour; ``options`` as ``SentryClient`` takes them."""
    if endpoint.flavour == "glitchtip":
        return GlitchTipClient(endpoint, **options)
    if endpoint.flavour == "bugsink":
        return BugsinkClient(endpoint, **options)
    return SentryClient(endpoint, **options)


def traits_of(endpoint: SentryEndpoint) -> TrackerTraits:
    """What a tracker of the endpoint's flavour can show."""
    return {"glitchtip": GLITCHTIP, "bugsink": BUGSINK}.get(endpoint.flavour, SENTRY)
