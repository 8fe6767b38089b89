from __future__ import annotations

import pytest

from pytest_obsstack.clients.sentry.bugsink import BugsinkClient
from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.clients.sentry.glitchtip import GlitchTipClient
from pytest_obsstack.clients.sentry.open import open_tracker
from pytest_obsstack.clients.sentry.traits import traits_of
from pytest_obsstack.endpoints import SentryEndpoint, TrackerFlavour
from pytest_obsstack.providers.capabilities import unknown

FLAVOURS: dict[TrackerFlavour, type] = {
    "embedded": SentryClient,
    "sentry": SentryClient,
    "glitchtip": GlitchTipClient,
    "bugsink": BugsinkClient,
}
flavours = pytest.mark.parametrize("flavour", FLAVOURS)


@flavours
def test_each_flavour_has_its_client_with_the_traits_that_are_told(flavour: TrackerFlavour) -> None:
    endpoint = SentryEndpoint("http://127.0.0.1:9000", flavour=flavour)
    tracker = open_tracker(endpoint, writable=False)
    assert type(tracker) is FLAVOURS[flavour]
    assert tracker.traits == traits_of(endpoint)
    tracker.close()


@flavours
def test_capabilities_are_ones_that_tests_can_ask_for(flavour: TrackerFlavour) -> None:
    traits = traits_of(SentryEndpoint("http://127.0.0.1:9000", flavour=flavour))
    assert unknown(tuple(traits.capabilities)) == []
    assert {"issues", "tags", "breadcrumbs", "releases"} <= traits.capabilities


@flavours
def test_errors_can_be_settled_where_the_order_is_kept(flavour: TrackerFlavour) -> None:
    traits = traits_of(SentryEndpoint("http://127.0.0.1:9000", flavour=flavour))
    assert ("settled_errors" in traits.capabilities) is traits.ordering.settles_errors
    assert traits.ordering.settles_errors is (traits.product == "Sentry")
    assert (traits.ordering.instead is None) is traits.ordering.settles_errors
