"""The shipped collector configuration: what the guide's ``exporters: sentry: dsn:`` is now."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pytest_obsstack import Probe
from pytest_obsstack.embedded.collector.settings import CollectorSettings
from pytest_obsstack.providers.shipped import stack_folder
from pytest_obsstack.provision.collector_target import collector_settings
from pytest_obsstack.wire.dsn import Dsn

pytestmark = [pytest.mark.e2e, pytest.mark.claim("config-collector")]

VARIABLE = re.compile(r"\$\{env:(?P<name>\w+)(?::-(?P<default>[^}]*))?\}")


def shipped(env: Mapping[str, str]) -> dict[str, Any]:
    """The file as the collector reads it: with ``${env:NAME:-default}`` replaced."""

    def value(match: re.Match[str]) -> str:
        found: str = env.get(match["name"], match["default"])
        return found

    text = (stack_folder() / "otel-collector-config.yaml").read_text("utf-8")
    config: dict[str, Any] = yaml.safe_load(VARIABLE.sub(value, text))
    return config


def environment_for(dsn: Dsn) -> dict[str, str]:
    return {
        "SENTRY_OTLP_TRACES_ENDPOINT": dsn.otlp_traces_url,
        "SENTRY_PUBLIC_KEY": dsn.public_key,
        "TEMPO_OTLP_TRACES_ENDPOINT": "http://tempo:4318/v1/traces",
        "LOKI_OTLP_LOGS_ENDPOINT": "http://loki:3100/otlp/v1/logs",
    }


@pytest.fixture
def config(obs_dsn: str) -> dict[str, Any]:
    """The shipped configuration for the project of this stack."""
    return shipped(environment_for(Dsn.parse(obs_dsn)))


def test_traces_go_to_sentrys_otlp_endpoint_with_the_projects_key(
    config: dict[str, Any], obs_dsn: str
) -> None:
    sentry = config["exporters"]["otlp_http/sentry"]
    # The same as this run tells its own collector.
    assert {
        "traces_endpoint": sentry["traces_endpoint"],
        "traces_headers": sentry["headers"],
    } == collector_settings(obs_dsn)
    pipeline = config["service"]["pipelines"]["traces"]
    assert pipeline["exporters"] == ["otlp_http/tempo", "otlp_http/sentry"]
    assert [name for name in config["exporters"] if name.startswith("sentry")] == []


def test_the_embedded_collector_is_configured_alike(config: dict[str, Any], obs_dsn: str) -> None:
    settings = collector_settings(obs_dsn) | {
        "logs_endpoint": config["exporters"]["otlp_http/loki"]["logs_endpoint"],
        "tempo_endpoint": config["exporters"]["otlp_http/tempo"]["traces_endpoint"],
    }
    embedded = CollectorSettings.from_json(settings).effective_config()

    assert in_any_order(config) == in_any_order(embedded)
    assert config["service"]["extensions"] == embedded["service"]["extensions"] == ["health_check"]
    assert config["receivers"].keys() == embedded["receivers"].keys()
    exporters = config["exporters"]
    # What the file says beside: a port, and the key, which the embedded one does not show.
    assert exporters["prometheus"].pop("endpoint") == "127.0.0.1:8889"
    exporters["otlp_http/sentry"]["headers"] = {"x-sentry-auth": "[REDACTED]"}
    exporters["otlp_http/loki"]["headers"] = exporters["otlp_http/tempo"]["headers"] = {}
    assert exporters == embedded["exporters"]


def test_for_a_tracker_without_otlp_the_second_file_leaves_tempo_alone() -> None:
    second = yaml.safe_load(
        (stack_folder() / "otel-collector-traces-to-tempo-alone.yaml").read_text("utf-8")
    )
    assert second == {"service": {"pipelines": {"traces": {"exporters": ["otlp_http/tempo"]}}}}


def in_any_order(config: Mapping[str, Any]) -> dict[str, dict[str, set[str]]]:
    """Which receivers and exporters each pipeline has: all exporters are tried, side by side."""
    pipelines: Mapping[str, Mapping[str, list[str]]] = config["service"]["pipelines"]
    return {
        name: {part: set(names) for part, names in pipeline.items()}
        for name, pipeline in pipelines.items()
    }


@pytest.mark.obs_requires("otlp_traces", "tracker_spans")
def test_sentry_takes_a_span_sent_as_the_shipped_exporter_is_told(
    config: dict[str, Any], obs: Probe
) -> None:
    """By hand what that exporter does, so that endpoint and header are proven against Sentry."""
    exporter = config["exporters"]["otlp_http/sentry"]
    response = httpx.post(
        exporter["traces_endpoint"],
        content=one_span(obs.trace_id).SerializeToString(),
        headers={**exporter["headers"], "content-type": "application/x-protobuf"},
        trust_env=False,
    )
    assert response.is_success
    obs.traces.expect_span("by hand", service="shipped-config", environment="production")


@pytest.mark.obs_requires("otlp_traces")
def test_sentry_refuses_that_span_with_another_key(config: dict[str, Any], obs: Probe) -> None:
    exporter = config["exporters"]["otlp_http/sentry"]
    response = httpx.post(
        exporter["traces_endpoint"],
        content=one_span(obs.trace_id).SerializeToString(),
        headers={
            "x-sentry-auth": f"sentry sentry_key={'0' * 32}",
            "content-type": "application/x-protobuf",
        },
        trust_env=False,
    )
    assert response.status_code in (401, 403)


def one_span(trace_id: str) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.extend(
        [
            text("service.name", "shipped-config"),
            text("deployment.environment.name", "production"),
        ]
    )
    now_ns = time.time_ns()
    resource_spans.scope_spans.add().spans.add(
        trace_id=bytes.fromhex(trace_id),
        span_id=bytes.fromhex(trace_id)[:8],
        name="by hand",
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=now_ns - 1_000_000,
        end_time_unix_nano=now_ns,
    )
    return request


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))
