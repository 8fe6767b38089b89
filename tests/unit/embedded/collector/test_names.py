from __future__ import annotations

import pytest

from pytest_obsstack.embedded.collector.names import MetricKind, label_name, metric_name


@pytest.mark.parametrize(
    ("name", "unit", "kind", "expected"),
    [
        ("http.requests", "", "counter", "http_requests_total"),
        ("http_requests_total", "", "counter", "http_requests_total"),
        ("total.requests", "", "counter", "requests_total"),
        ("http.requests", "{request}", "counter", "http_requests_total"),
        ("http.server.duration", "ms", "histogram", "http_server_duration_milliseconds"),
        ("http.server.request.duration", "s", "histogram", "http_server_request_duration_seconds"),
        ("duration_seconds", "s", "histogram", "duration_seconds"),
        ("process.cpu.time", "s", "counter", "process_cpu_time_seconds_total"),
        ("process.memory.usage", "By", "updown", "process_memory_usage_bytes"),
        ("throughput", "By/s", "gauge", "throughput_bytes_per_second"),
        ("requests", "1/s", "gauge", "requests_per_second"),
        ("requests", "By/{request}", "gauge", "requests_bytes"),
        ("cpu.utilization", "1", "gauge", "cpu_utilization_ratio"),
        ("cpu.ratio", "1", "gauge", "cpu_ratio"),
        ("items", "1", "counter", "items_total"),
        ("items", "1", "updown", "items"),
        ("battery", "%", "gauge", "battery_percent"),
        ("disk", "TiBy", "gauge", "disk_tebibytes"),
        ("queue", "my unit!", "gauge", "queue_my_unit"),
        ("a..b--c__d", "", "gauge", "a_b_c_d"),
        ("5xx.count", "", "gauge", "_5xx_count"),
        ("ns:rule", "", "gauge", "ns:rule"),
        ("größe", "", "gauge", "gr_e"),
        ("@#$", "s", "gauge", ""),
        ("", "", "gauge", ""),
    ],
)
def test_metric_name(name: str, unit: str, kind: MetricKind, expected: str) -> None:
    assert metric_name(name, unit, kind) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("endpoint", "endpoint"),
        ("http.route", "http_route"),
        ("a.-b", "a_b"),
        ("2nd", "key_2nd"),
        ("_private", "key_private"),
        ("__reserved__", "__reserved__"),
        ("straße", "stra_e"),
        ("...", ""),
        ("", ""),
    ],
)
def test_label_name(key: str, expected: str) -> None:
    assert label_name(key) == expected
