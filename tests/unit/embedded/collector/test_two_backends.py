"""Traces that go to Tempo and to Sentry: both are tried, and the app hears of every failure."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from pytest_obsstack.embedded.collector.server import CollectorServer
from pytest_obsstack.embedded.collector.settings import CollectorSettings
from pytest_obsstack.embedded.journal import Journal, read_journal
from tests.unit.embedded.collector.support import (
    JSON,
    Backend,
    backend,
    client,
    closing,
    traces_body,
)

NOBODY = "http://127.0.0.1:1/v1/traces"


def make(tempo: str, sentry: str, journal: Journal | None = None) -> CollectorServer:
    settings = CollectorSettings(tempo_endpoint=tempo, traces_endpoint=sentry)
    return CollectorServer(settings, journal or Journal(None))


def urls(tempo: Backend, sentry: Backend) -> tuple[str, str]:
    return f"{tempo.url}/v1/traces", f"{sentry.url}/otlp"


def post(server: CollectorServer) -> httpx.Response:
    async def send() -> httpx.Response:
        async with client(server) as http:
            return await http.post("/v1/traces", content=traces_body(2), headers=JSON)

    return asyncio.run(closing(server, send()))


def page(server: CollectorServer) -> list[str]:
    """The samples of spans on the collector's page of its own metrics."""

    async def get() -> str:
        transport = httpx.ASGITransport(app=server.own_metrics)
        async with httpx.AsyncClient(transport=transport, base_url="http://collector") as http:
            return (await http.get("/metrics")).text

    lines = asyncio.run(get()).splitlines()
    return [line for line in lines if "_spans_total{" in line]


def samples(
    *, accepted: int = 0, refused: int = 0, tempo: tuple[int, int], sentry: tuple[int, int]
) -> list[str]:
    receiver = '{receiver="otlp",transport="http"}'
    to_tempo, to_sentry = '{exporter="otlp_http/tempo"}', '{exporter="otlp_http/sentry"}'
    return [
        f"otelcol_receiver_accepted_spans_total{receiver} {accepted}",
        f"otelcol_receiver_refused_spans_total{receiver} {refused}",
        f"otelcol_exporter_sent_spans_total{to_tempo} {tempo[0]}",
        f"otelcol_exporter_sent_spans_total{to_sentry} {sentry[0]}",
        f"otelcol_exporter_send_failed_spans_total{to_tempo} {tempo[1]}",
        f"otelcol_exporter_send_failed_spans_total{to_sentry} {sentry[1]}",
    ]


def test_both_backends_get_the_same_bytes() -> None:
    with backend() as tempo, backend() as sentry:
        server = make(*urls(tempo, sentry))
        response = post(server)
    assert response.status_code == 200
    assert [r.body for r in (*tempo.received, *sentry.received)] == [traces_body(2)] * 2
    assert [r.path for r in (*tempo.received, *sentry.received)] == ["/v1/traces", "/otlp"]
    assert page(server) == samples(accepted=2, tempo=(2, 0), sentry=(2, 0))


def test_the_second_is_tried_when_the_first_fails_and_the_app_hears_of_it() -> None:
    with backend(status=500) as tempo, backend() as sentry:
        server = make(*urls(tempo, sentry))
        response = post(server)
    assert response.status_code == 500
    assert response.json()["message"].startswith(
        f"Permanent error: rpc error: code = Unknown desc = error exporting items, "
        f"request to {tempo.url}/v1/traces responded with HTTP Status Code 500"
    )
    assert len(sentry.received) == 1
    assert page(server) == samples(refused=2, tempo=(0, 2), sentry=(2, 0))


@pytest.mark.parametrize(
    ("tempo_status", "sentry_status", "app_status"),
    [(401, 503, 401), (503, 401, 503), (429, 500, 429), (400, 400, 400)],
)
def test_errors_are_joined_and_the_first_code_counts(
    tempo_status: int, sentry_status: int, app_status: int
) -> None:
    with backend(status=tempo_status) as tempo, backend(status=sentry_status) as sentry:
        server = make(*urls(tempo, sentry))
        response = post(server)
    first, second = response.json()["message"].split("; ")
    assert response.status_code == app_status
    assert first.endswith(f"responded with HTTP Status Code {tempo_status}")
    assert second.endswith(f"responded with HTTP Status Code {sentry_status}")
    assert page(server) == samples(refused=2, tempo=(0, 2), sentry=(0, 2))


def test_an_answer_counts_more_than_a_backend_that_is_down() -> None:
    with backend(status=403) as sentry:
        response = post(make(NOBODY, f"{sentry.url}/otlp"))
    assert response.status_code == 403
    assert response.json()["message"].startswith("failed to make an HTTP request: ")


def test_two_backends_that_are_down_are_503() -> None:
    response = post(make(NOBODY, NOBODY))
    assert response.status_code == 503
    assert response.json()["message"].count("failed to make an HTTP request") == 2


def test_a_tracker_that_takes_no_traces_is_no_exporter() -> None:
    with backend() as tempo:
        server = make(f"{tempo.url}/v1/traces", "")
        response = post(server)
    assert response.status_code == 200
    assert [line for line in page(server) if "exporter=" in line] == [
        'otelcol_exporter_sent_spans_total{exporter="otlp_http/tempo"} 2',
        'otelcol_exporter_send_failed_spans_total{exporter="otlp_http/tempo"} 0',
    ]
    assert exporters(server) == {"otlp_http/tempo": f"{tempo.url}/v1/traces"}


def test_without_tempo_there_is_no_such_exporter() -> None:
    assert exporters(make("", NOBODY)) == {"otlp_http/sentry": NOBODY}


def exporters(server: CollectorServer) -> dict[str, Any]:
    """Id → endpoint of the exporters of spans."""
    every: dict[str, dict[str, Any]] = server.status()["exporters"]
    return {name: each["endpoint"] for name, each in every.items() if each["items"] == "spans"}


def test_counts_of_both_are_there_again_after_a_restart(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    with backend() as tempo, backend(status=500) as sentry:
        post(make(*urls(tempo, sentry), journal))
    journal.close()
    again = make(NOBODY, NOBODY)
    for entry in read_journal(tmp_path / "j"):
        again.replay(entry)
    assert page(again) == samples(refused=2, tempo=(2, 0), sentry=(0, 2))
    assert again.status()["exporters"]["otlp_http/sentry"]["failing"] is True


def test_the_effective_configuration_names_both() -> None:
    config = make("http://tempo:4318/v1/traces", "http://sentry/otlp")._settings.effective_config()
    assert config["service"]["pipelines"]["traces"]["exporters"] == [
        "otlp_http/tempo",
        "otlp_http/sentry",
    ]
    assert config["exporters"]["otlp_http/tempo"]["traces_endpoint"] == (
        "http://tempo:4318/v1/traces"
    )


def test_an_endpoint_that_is_no_url_is_refused() -> None:
    with pytest.raises(ValueError, match="tempo_endpoint: expected an http or https URL, found"):
        CollectorSettings(tempo_endpoint="tempo:4318")
