"""Endpoints: a trip through JSON, and no secret in their text."""

from __future__ import annotations

import json

import pytest

from pytest_obsstack.endpoints import (
    CollectorEndpoint,
    Endpoints,
    LokiEndpoint,
    PrometheusEndpoint,
    SentryEndpoint,
)

WHOLE = Endpoints(
    sentry=SentryEndpoint(
        "http://s",
        token="s3cret-token",
        organization="acme",
        project="shop",
        dsn="http://s3cret-key@s/1",
        flavour="glitchtip",
        admin_email="a@b",
        admin_password="s3cret-word",
    ),
    collector=CollectorEndpoint("http://c", telemetry_url="http://c/metrics"),
    prometheus=PrometheusEndpoint("http://p", headers={"Authorization": "Bearer s3cret"}),
    loki=LokiEndpoint("http://l", headers={"X-Scope-OrgID": "s3cret"}),
)


@pytest.mark.parametrize(
    "endpoints", [WHOLE, Endpoints(), Endpoints(loki=LokiEndpoint("http://l"))]
)
def test_endpoints_survive_a_trip_through_json(endpoints: Endpoints) -> None:
    assert Endpoints.from_json(json.loads(json.dumps(endpoints.to_json()))) == endpoints


def test_no_secret_is_in_the_text() -> None:
    assert "s3cret" not in repr(WHOLE)


def test_a_product_that_is_not_there_is_none() -> None:
    assert Endpoints.from_json({}) == Endpoints(None, None, None, None)
