"""The client that fits an error tracker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_obsstack.clients.http import HttpOptions
from pytest_obsstack.clients.sentry.bugsink import BugsinkClient
from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.clients.sentry.glitchtip import GlitchTipClient
from pytest_obsstack.clients.sentry.tracker import Tracker
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
