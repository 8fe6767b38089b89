"""The client that fits an error tracker, and what it can show without being asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_obsstack.clients.http import HttpOptions
from pytest_obsstack.clients.sentry.bugsink import BUGSINK, BugsinkClient
from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.clients.sentry.glitchtip import GLITCHTIP, GlitchTipClient
from pytest_obsstack.clients.sentry.tracker import SENTRY, Tracker, TrackerTraits
from pytest_obsstack.endpoints import SentryEndpoint

if TYPE_CHECKING:
    from typing_extensions import Unpack


def open_tracker(
    endpoint: SentryEndpoint, *, writable: bool = True, **options: Unpack[HttpOptions]
) -> Tracker:
    """A client of the endpoint's flavour, whose arguments are these."""
    if endpoint.flavour == "glitchtip":
        return GlitchTipClient(endpoint, writable=writable, **options)
    if endpoint.flavour == "bugsink":
        return BugsinkClient(endpoint, writable=writable, **options)
    return SentryClient(endpoint, writable=writable, **options)


def traits_of(endpoint: SentryEndpoint) -> TrackerTraits:
    """What a tracker of the endpoint's flavour can show."""
    return {"glitchtip": GLITCHTIP, "bugsink": BUGSINK}.get(endpoint.flavour, SENTRY)
