from __future__ import annotations

import logging

import pytest

from telemetry.settings import Settings, SettingsError


def test_defaults_are_the_guides() -> None:
    settings = Settings.from_environ({})
    assert settings == Settings()
    assert settings.service_name == "simple-app"
    assert settings.sentry_environment == "production"
    assert settings.sentry_release == "simple-app@1.0.0"
    assert settings.traces_sample_rate == 1.0
    assert settings.error_rate == 0.1
    assert settings.filter_sensitive_data
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 5000, 1)


def test_every_variable_is_read() -> None:
    settings = Settings.from_environ(
        {
            "SENTRY_DSN": "http://k@h/1",
            "SENTRY_ENVIRONMENT": "staging",
            "SENTRY_RELEASE": "r@2",
            "SENTRY_TRACES_SAMPLE_RATE": "0.25",
            "OTEL_SERVICE_NAME": "inventory",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=a, cloud.region=eu",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "LOG_LEVEL": "debug",
            "APP_ERROR_RATE": "1",
            "APP_RANDOM_SEED": "7",
            "APP_INVENTORY_URL": "http://inventory:5000/",
            "APP_FILTER_SENSITIVE_DATA": "off",
            "HOST": "0.0.0.0",  # noqa: S104 - read, not listened on
            "PORT": "8000",
            "WEB_CONCURRENCY": "3",
        }
    )
    assert settings == Settings(
        service_name="inventory",
        sentry_dsn="http://k@h/1",
        sentry_environment="staging",
        sentry_release="r@2",
        traces_sample_rate=0.25,
        otlp_endpoint="http://collector:4318",
        resource_attributes={"service.instance.id": "a", "cloud.region": "eu"},
        log_level=logging.DEBUG,
        error_rate=1.0,
        random_seed="7",
        inventory_url="http://inventory:5000",
        filter_sensitive_data=False,
        host="0.0.0.0",  # noqa: S104 - likewise
        port=8000,
        workers=3,
    )


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert Settings.from_environ({"PORT": "", "SENTRY_DSN": " ", "OTEL_SERVICE_NAME": ""}) == (
        Settings()
    )


def test_the_release_is_named_after_the_service() -> None:
    assert Settings.from_environ({"OTEL_SERVICE_NAME": "inventory"}).sentry_release == (
        "inventory@1.0.0"
    )


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "http", "a port from 1 to 65535"),
        ("PORT", "65536", "a port from 1 to 65535"),
        ("WEB_CONCURRENCY", "0", "a whole number above 0"),
        ("SENTRY_TRACES_SAMPLE_RATE", "1.5", "a number from 0 to 1"),
        ("APP_ERROR_RATE", "nan", "a number from 0 to 1"),
        ("APP_ERROR_RATE", "10%", "a number from 0 to 1"),
        ("APP_FILTER_SENSITIVE_DATA", "no", "on or off"),
        ("APP_INVENTORY_URL", "inventory:5000", "an http(s) URL"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", "an http(s) URL"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "'http/protobuf', the one installed"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id", "key=value,key=value"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0.1", "a whole number of milliseconds above 0"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "-1", "a whole number of milliseconds above 0"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1s", "a whole number of milliseconds above 0"),
        ("LOG_LEVEL", "loud", "DEBUG or INFO or WARNING or ERROR or CRITICAL"),
    ],
)
def test_a_value_that_cannot_be_meant_is_named(name: str, value: str, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({name: value})
    assert str(caught.value) == f"{name}: expected {expected}, found {value!r}"


def test_all_bad_values_are_told_at_once() -> None:
    with pytest.raises(SettingsError, match=r"(?s)APP_ERROR_RATE: .*; PORT: "):
        Settings.from_environ({"PORT": "x", "APP_ERROR_RATE": "x"})


def test_the_dsn_is_not_in_the_repr() -> None:
    assert "thekey" not in repr(Settings.from_environ({"SENTRY_DSN": "http://thekey@h/1"}))
