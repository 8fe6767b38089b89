"""What a running stack can show and do, from what runs in it."""

from __future__ import annotations

from pytest_obsstack.clients.sentry.traits import traits_of
from pytest_obsstack.providers.capabilities import EMBEDDED
from pytest_obsstack.providers.state import StackState

_OF_CONTAINERS = ("compose", "faults", "app_control", "exact_metrics", "writes")


def tracker_capabilities(state: StackState) -> frozenset[str]:
    """What error trackers of the stack's kind can show; none where it has no tracker."""
    if state.endpoints.sentry is None:
        return frozenset()
    return traits_of(state.endpoints.sentry).capabilities


def capabilities_of(state: StackState) -> frozenset[str]:
    """The capabilities of a stack that this package has started; none of somebody else's."""
    if state.control is not None:
        return EMBEDDED
    if state.compose is None:
        return frozenset()
    have = {*_OF_CONTAINERS, *tracker_capabilities(state)}
    endpoints = state.endpoints
    if endpoints.prometheus is not None:
        have |= {"metrics", "exemplars"}
    if endpoints.loki is not None:
        have.add("logs")
    if endpoints.tempo is not None:
        have.add("spans")
    if endpoints.grafana is not None:
        have.add("grafana")
    if endpoints.collector is None:
        have.discard("otlp_traces")
    if state.compose.tracker == "glitchtip":
        have.add("tracker_workers")
    return frozenset(have)
