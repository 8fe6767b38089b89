"""The clients of a stack: made once, closed together, and an error for what is not there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.endpoints import (
    CollectorEndpoint,
    Endpoints,
    GrafanaEndpoint,
    LokiEndpoint,
    SentryEndpoint,
    TempoEndpoint,
)
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.expect.clients import Clients
from pytest_obsstack.providers.stack import Stack
from pytest_obsstack.providers.state import ProductState, StackState
from tests.unit.expect.fakes import endpoints


def clients(of: Endpoints, *capabilities: str, **products: ProductState) -> Clients:
    state = StackState("attach", "r", Path(), of, products, 0.0)
    return Clients(Stack(state, frozenset(capabilities)))


def test_each_client_is_made_once_for_its_endpoint() -> None:
    of = replace(
        endpoints(),
        tempo=TempoEndpoint("http://127.0.0.1:3200"),
        grafana=GrafanaEndpoint("http://127.0.0.1:3000", password="x"),
    )
    made = clients(of)
    assert made.sentry is made.sentry
    assert isinstance(made.sentry, SentryClient)
    assert (made.sentry.url, made.sentry.organization) == ("http://127.0.0.1:9000", "obsstack")
    assert made.prometheus.url == "http://127.0.0.1:9090"
    assert made.loki.url == "http://127.0.0.1:3100"
    assert made.tempo.url == "http://127.0.0.1:3200"
    assert made.grafana.url == "http://127.0.0.1:3000"
    made.close()


@pytest.mark.parametrize(
    ("component", "what"),
    [
        ("sentry", "an error tracker"),
        ("prometheus", "a Prometheus"),
        ("loki", "a Loki"),
        ("tempo", "a Tempo"),
        ("grafana", "a Grafana"),
    ],
)
def test_a_component_that_the_stack_has_not_is_named(component: str, what: str) -> None:
    made = clients(Endpoints(), collector=ProductState("http://c", "1"))
    with pytest.raises(ObsstackError) as caught:
        getattr(made, component)
    assert str(caught.value) == (
        f"This stack has no {component}.\n"
        f"  expected  {what} that can be asked\n"
        "  found     --obs-stack=attach with collector\n"
        f"  do        give --obs-use {component}=URL, or mark the test with obs_requires"
    )


@pytest.mark.parametrize("endpoint", [None, CollectorEndpoint("http://c")])
def test_a_collector_whose_metrics_cannot_be_reached_is_none(
    endpoint: CollectorEndpoint | None,
) -> None:
    assert clients(Endpoints(collector=endpoint)).collector is None


@pytest.mark.parametrize("writes", [False, True])
def test_clients_write_only_where_the_stack_allows_it(writes: bool) -> None:
    of = Endpoints(sentry=SentryEndpoint("http://127.0.0.1:1"), loki=LokiEndpoint("http://l"))
    made = clients(of, *(["writes"] if writes else []))
    assert isinstance(made.sentry, SentryClient)
    assert made.sentry._api.writable is writes
    assert made.loki._api.writable is writes
    made.close()


def test_closing_makes_no_client() -> None:
    made = clients(Endpoints())
    made.close()
    assert set(vars(made)) == {"_stack"}
