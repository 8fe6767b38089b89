"""The configurations of collector, Prometheus, Loki and Tempo."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_obsstack.embedded.prometheus.promql.parser import parse
from tests.unit.stack.compose_files import STACK, written

ENV = re.compile(r"\$\{env:(?P<name>\w+)(?P<default>:-[^}]*)?\}")


def config(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((STACK / name).read_text("utf-8"))
    return content


def arguments(service: str) -> list[str]:
    command: list[str] = written("docker-compose.yml")["services"][service]["command"]
    return command


# --- collector ---------------------------------------------------------------------------------


def test_the_collector_starts_without_any_variable() -> None:
    """An exporter without an endpoint is refused at start, even where no pipeline uses it."""
    text = (STACK / "otel-collector-config.yaml").read_text("utf-8")
    variables = list(ENV.finditer(text))
    assert {match["name"] for match in variables} == {
        *("OTELCOL_HOST", "TEMPO_OTLP_TRACES_ENDPOINT", "LOKI_OTLP_LOGS_ENDPOINT"),
        *("SENTRY_OTLP_TRACES_ENDPOINT", "SENTRY_PUBLIC_KEY"),
    }
    assert [match[0] for match in variables if match["default"] in (None, ":-")] == []


def test_traces_go_to_tempo_and_to_a_sentry_that_takes_them() -> None:
    pipelines = config("otel-collector-config.yaml")["service"]["pipelines"]
    assert pipelines["traces"]["exporters"] == ["otlp_http/tempo", "otlp_http/sentry"]


def test_the_second_file_takes_the_tracker_out_of_the_pipeline_and_nothing_else() -> None:
    alone = config("otel-collector-traces-to-tempo-alone.yaml")
    assert alone == {"service": {"pipelines": {"traces": {"exporters": ["otlp_http/tempo"]}}}}
    assert "otlp_http/tempo" in config("otel-collector-config.yaml")["exporters"]


def test_no_exporter_answers_before_its_backend_has() -> None:
    exporters = config("otel-collector-config.yaml")["exporters"]
    over_http = {name: exporter for name, exporter in exporters.items() if "otlp_http" in name}
    assert len(over_http) == 3
    for name, exporter in over_http.items():
        assert exporter["sending_queue"] == {"enabled": False}, name
        assert exporter["retry_on_failure"] == {"enabled": False}, name


def test_the_collector_is_mounted_what_its_command_names() -> None:
    service = written("docker-compose.yml")["services"]["otel-collector"]
    targets = {mount.split(":")[1] for mount in service["volumes"]}
    assert targets == {
        "/etc/otelcol/config.yaml",
        "/etc/otelcol/traces-to-tempo-alone.yaml",
    }
    first, second = arguments("otel-collector")
    assert first == "--config=/etc/otelcol/config.yaml"
    assert second.endswith("-traces-to-tempo-alone.yaml}")


# --- Prometheus --------------------------------------------------------------------------------


def promtool() -> str | None:
    """Named by OBSSTACK_PROMTOOL_BIN, on PATH, or beside OBSSTACK_PROMETHEUS_BIN."""
    if named := os.environ.get("OBSSTACK_PROMTOOL_BIN"):
        return named
    if found := shutil.which("promtool"):
        return found
    if server := os.environ.get("OBSSTACK_PROMETHEUS_BIN"):
        return shutil.which(str(Path(server).with_name("promtool")))
    return None


def test_prometheus_own_checker_accepts_its_configuration() -> None:
    program = promtool()
    if program is None:
        pytest.skip("no promtool on PATH, in OBSSTACK_PROMTOOL_BIN or by OBSSTACK_PROMETHEUS_BIN")
    done = subprocess.run(
        [program, "check", "config", str(STACK / "prometheus" / "prometheus.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 rules found" in done.stdout


def test_apps_and_collector_are_scraped_several_times_a_second() -> None:
    prometheus = config("prometheus/prometheus.yml")
    assert prometheus["global"]["scrape_interval"] == "200ms"
    jobs = {job.pop("job_name"): job for job in prometheus["scrape_configs"]}
    assert jobs == {
        "otel-collector": {
            # job and instance are the app's, not the collector's.
            "honor_labels": True,
            "static_configs": [{"targets": ["otel-collector:8889"]}],
        },
        "otel-collector-telemetry": {"static_configs": [{"targets": ["otel-collector:8888"]}]},
    }


def test_an_exemplar_is_exported_for_longer_than_the_time_between_scrapes() -> None:
    """It is in one export alone: with a faster one, most would never be scraped."""
    app = written("docker-compose.yml")["services"]["app"]["environment"]
    interval = config("prometheus/prometheus.yml")["global"]["scrape_interval"]
    assert int(app["OTEL_METRIC_EXPORT_INTERVAL"]) > int(interval.removesuffix("ms"))
    assert "--enable-feature=exemplar-storage" in arguments("prometheus")


def test_the_alert_s_expression_is_promql() -> None:
    (group,) = config("prometheus/rules.yml")["groups"]
    (rule,) = group["rules"]
    assert rule["alert"] == "HighErrorRate"
    assert "http_requests_total" in str(parse(rule["expr"]))


def test_receivers_of_alerts_are_read_from_files_that_may_change() -> None:
    (receivers,) = config("prometheus/prometheus.yml")["alerting"]["alertmanagers"]
    (discovery,) = receivers["file_sd_configs"]
    assert discovery["files"] == ["alertmanagers/*.json"]
    # Before anybody adds one: no receiver.
    assert (STACK / "prometheus" / "alertmanagers" / "none.json").read_text("utf-8") == "[]\n"


# --- Loki and Tempo ----------------------------------------------------------------------------


def test_loki_listens_where_it_is_asked_and_tells_nobody() -> None:
    loki = config("loki/loki.yaml")
    assert loki["server"]["http_listen_port"] == 3100
    assert loki["analytics"] == {"reporting_enabled": False}
    assert loki["auth_enabled"] is False
    assert arguments("loki") == ["-config.file=/etc/loki/loki.yaml"]


def test_a_log_line_is_found_at_once_and_with_its_trace_id() -> None:
    loki = config("loki/loki.yaml")
    assert loki["ingester"]["lifecycler"]["min_ready_duration"] == "0s"
    assert loki["query_range"]["cache_results"] is False
    assert loki["limits_config"]["allow_structured_metadata"] is True
    (schema,) = loki["schema_config"]["configs"]
    # Structured metadata needs these two.
    assert (schema["store"], schema["schema"]) == ("tsdb", "v13")


def test_tempo_listens_where_it_is_asked_and_tells_nobody() -> None:
    tempo = config("tempo/tempo.yaml")
    assert tempo["server"]["http_listen_port"] == 3200
    receivers = tempo["distributor"]["receivers"]
    assert receivers == {"otlp": {"protocols": {"http": {"endpoint": "0.0.0.0:4318"}}}}
    assert tempo["usage_report"] == {"reporting_enabled": False}
    assert tempo["storage"]["trace"]["backend"] == "local"
    assert arguments("tempo") == ["-config.file=/etc/tempo/tempo.yaml"]


def test_what_loki_and_tempo_store_lies_on_their_volumes() -> None:
    stack = written("docker-compose.yml")["services"]
    loki = {mount.split(":")[1] for mount in stack["loki"]["volumes"]}
    tempo = {mount.split(":")[1] for mount in stack["tempo"]["volumes"]}
    assert config("loki/loki.yaml")["common"]["path_prefix"] in loki
    trace = config("tempo/tempo.yaml")["storage"]["trace"]
    for path in (trace["wal"]["path"], trace["local"]["path"]):
        assert str(Path(path).parent) in tempo
