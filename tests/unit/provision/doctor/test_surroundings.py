"""proxy and sdk: what senders on this machine would run into."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from pytest_obsstack.provision.doctor import surroundings
from pytest_obsstack.provision.doctor.finding import Outcome
from tests.unit.provision.doctor.world import World, row, rows

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROXY = "http://user:s3cret-of-proxy@proxy.test:3128"
HOSTS = "sentry.test, collector.test, prometheus.test, loki.test, tempo.test, grafana.test"


def proxy(environ: Mapping[str, str], **setup: Any) -> Outcome:
    return row(World().subject(environ=environ, **setup), "proxy")


def test_a_proxy_that_catches_the_servers_is_told_without_its_password() -> None:
    assert proxy({"HTTP_PROXY": PROXY}) == Outcome(
        "warn",
        f"SDKs started from this shell would send to {HOSTS} through http://proxy.test:3128",
        f"add {HOSTS.replace(', ', ',')} to NO_PROXY, if the proxy does not pass it on",
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_proxy_that_catches_loopback_can_never_work(host: str) -> None:
    found = proxy({"all_proxy": "http://proxy.test:3128"}, dsn=f"http://abc@{host}:9000/1")
    bare = host.strip("[]")
    assert found.do == (f"add {bare} to NO_PROXY for the app: a proxy does not reach this machine")
    assert found.found.startswith(f"SDKs started from this shell would send to {bare}, sentry.test")


@pytest.mark.parametrize(
    "environ",
    [
        {"HTTP_PROXY": PROXY, "NO_PROXY": ".test"},
        {"HTTP_PROXY": PROXY, "no_proxy": "*"},
        # Of the two spellings the lower one counts, as for urllib.
        {"HTTP_PROXY": PROXY, "NO_PROXY": "elsewhere", "no_proxy": "test"},
    ],
)
def test_no_proxy_is_followed(environ: dict[str, str]) -> None:
    expected = Outcome("ok", "what is sent to the servers goes past the proxy")
    assert proxy(environ) == expected


@pytest.mark.parametrize("environ", [{}, {"HTTP_PROXY": ""}, {"FTP_PROXY": PROXY}])
def test_without_a_proxy_nothing_is_caught(environ: dict[str, str]) -> None:
    assert proxy(environ) == Outcome("ok", "no HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is set")


def test_a_proxy_for_https_alone_does_not_catch_plain_http() -> None:
    found = proxy({"HTTPS_PROXY": PROXY})
    assert found == Outcome("ok", "what is sent to the servers goes past the proxy")


# ---- SDKs

HTTP = "opentelemetry-exporter-otlp-proto-http"
GRPC = "opentelemetry-exporter-otlp-proto-grpc"


@pytest.mark.parametrize(
    ("installed", "sentry", "opentelemetry"),
    [
        (
            {"sentry-sdk": "2.75.0", HTTP: "1.45.1"},
            Outcome("ok", "2.75.0 is installed here (2.35 or newer is supported)"),
            Outcome("ok", f"{HTTP} 1.45.1 is installed here"),
        ),
        (
            {},
            Outcome("skipped", "not installed here"),
            Outcome("skipped", "no OTLP exporter is installed here"),
        ),
        (
            {"sentry-sdk": "1.45.1", GRPC: "1.40.0"},
            Outcome(
                "fail",
                "1.45.1 is installed here, which posts errors to /store/",
                "upgrade sentry-sdk to 2.35 or newer",
            ),
            Outcome(
                "warn",
                f"{GRPC} is installed here, {HTTP} is not",
                f"install {HTTP} and set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf: what is "
                "checked here is OTLP over HTTP",
            ),
        ),
        (
            {"sentry-sdk": "2.4.0", HTTP: "1.9.0"},
            Outcome(
                "warn",
                "2.4.0 is installed here",
                "upgrade to 2.35 or newer: older ones are not tested",
            ),
            Outcome(
                "warn",
                f"{HTTP} 1.9.0 is installed here",
                "upgrade to 1.33 or newer: older ones are not tested",
            ),
        ),
    ],
)
def test_versions_are_compared_with_what_is_supported(
    monkeypatch: pytest.MonkeyPatch,
    installed: dict[str, str],
    sentry: Outcome,
    opentelemetry: Outcome,
) -> None:
    monkeypatch.setattr(surroundings, "installed_version", installed.get)
    found = rows(World().subject(), "sdk")
    assert found == {"sdk sentry-sdk": sentry, "sdk opentelemetry": opentelemetry}


def test_a_package_that_is_not_installed_has_no_version() -> None:
    assert surroundings.installed_version("no-such-package-of-obsstack") is None
    assert surroundings.installed_version("pytest") == pytest.__version__


def test_the_oldest_versions_are_those_that_the_package_asks_for() -> None:
    pyproject = Path(__file__).parents[4] / "pyproject.toml"
    wanted = map(Requirement, tomllib.loads(pyproject.read_text())["project"]["dependencies"])
    bounds = {each.name: str(each.specifier) for each in wanted}
    for package, numbers in (
        ("sentry-sdk", surroundings.SENTRY_SDK_TESTED),
        ("opentelemetry-proto", surroundings.OTLP_TESTED),
    ):
        assert bounds[package] == ">=" + ".".join(map(str, numbers))
