from __future__ import annotations

from typing import Any

import pytest

from pytest_obsstack.embedded.collector.settings import CollectorSettings, without_credentials


def test_settings_from_json() -> None:
    settings = CollectorSettings.from_json(
        {
            "traces_endpoint": "http://127.0.0.1:9000/api/1/integration/otlp/v1/traces/",
            "traces_headers": {"x-sentry-auth": "sentry sentry_key=abc"},
            "export_timeout_s": 2,
        }
    )
    assert settings.traces_endpoint == "http://127.0.0.1:9000/api/1/integration/otlp/v1/traces/"
    assert settings.traces_headers == {"x-sentry-auth": "sentry sentry_key=abc"}
    assert (settings.export_timeout_s, settings.logs_endpoint) == (2, "")
    assert CollectorSettings.from_json({}) == CollectorSettings()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"endpoint": "http://x"}, r"expected one of \['traces_endpoint', .*found 'endpoint'"),
        ({"logs_endpoint": 7}, "expected logs_endpoint as str, found 7"),
        ({"export_timeout_s": "5"}, "expected export_timeout_s as int or float, found '5'"),
        ({"max_request_bytes": True}, "expected max_request_bytes as int, found True"),
        (
            {"logs_endpoint": "loki:3100"},
            "logs_endpoint: expected an http or https URL, found 'loki:3100'",
        ),
        (
            {"traces_headers": {"x-sentry-auth": "a\r\nb"}},
            "^traces_headers: expected printable ASCII text for x-sentry-auth$",
        ),
        ({"logs_headers": {"x": 7}}, "^logs_headers: expected printable ASCII text for x$"),
        ({"logs_endpoint": "http://loki:99999"}, "found 'http://loki:99999'"),
        ({"logs_endpoint": "http://[::1"}, "expected an http or https URL, found"),
        ({"traces_endpoint": "http://"}, "expected an http or https URL, found 'http://'"),
    ],
)
def test_wrong_settings_say_what_was_expected(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CollectorSettings.from_json(data)


def test_effective_configuration_holds_no_secret() -> None:
    settings = CollectorSettings(
        traces_endpoint="https://user:hunter2@sentry.example/api/1/integration/otlp/v1/traces/",
        traces_headers={"x-sentry-auth": "sentry sentry_key=abcdef"},
        logs_endpoint="http://loki:3100/otlp/v1/logs",
    )
    config = settings.effective_config()
    assert config["exporters"]["otlp_http/sentry"] == {
        "traces_endpoint": "https://sentry.example/api/1/integration/otlp/v1/traces/",
        "headers": {"x-sentry-auth": "[REDACTED]"},
        "timeout": "5s",
        "compression": "none",
        "sending_queue": {"enabled": False},
        "retry_on_failure": {"enabled": False},
    }
    assert config["service"]["pipelines"]["logs"] == {
        "receivers": ["otlp"],
        "exporters": ["otlp_http/loki"],
    }
    assert "abcdef" not in repr(settings)


def test_url_without_credentials_keeps_port_path_and_query() -> None:
    url = "http://u:p@[::1]:3100/otlp?a=b"
    assert without_credentials(url) == "http://[::1]:3100/otlp?a=b"
