"""What senders on this machine would run into: proxies, versions of their SDKs."""

from __future__ import annotations

import ipaddress
import re
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from pytest_obsstack.provision.doctor.finding import Outcome, Skip, fail, ok, warn
from pytest_obsstack.provision.doctor.probe import Server
from pytest_obsstack.provision.doctor.subject import Subject

SENTRY_SDK_FIRST = (2, 0)
"""From this version on the SDK sends envelopes alone."""
SENTRY_SDK_TESTED = (2, 35)
"""The oldest version that this package is tested with."""
OTLP_TESTED = (1, 33)
"""The oldest exporter whose requests are known to be taken."""

_HTTP_EXPORTER = "opentelemetry-exporter-otlp-proto-http"
_GRPC_EXPORTER = "opentelemetry-exporter-otlp-proto-grpc"


def proxy(subject: Subject) -> Outcome:
    """Whether HTTP_PROXY and its like would catch what is sent to the servers."""
    proxies = _proxies(subject)
    used = {scheme: url for scheme, url in proxies.items() if scheme in ("http", "https", "all")}
    if not used:
        return ok("no HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is set")
    if not subject.servers:
        raise Skip("no server is known")
    caught = [
        server for server in subject.servers.values() if _proxy_of(server, proxies) is not None
    ]
    # One host is named once, however many servers there are on it.
    hosts = list(dict.fromkeys(server.host for server in caught))
    if not hosts:
        return ok("what is sent to the servers goes past the proxy")
    through = ", ".join(dict.fromkeys(_bare(_proxy_of(server, proxies)) for server in caught))
    found = f"SDKs started from this shell would send to {', '.join(hosts)} through {through}"
    local = [host for host in hosts if _is_local(host)]
    if local:
        return warn(
            found,
            f"add {','.join(local)} to NO_PROXY for the app: a proxy does not reach this machine",
        )
    return warn(found, f"add {','.join(hosts)} to NO_PROXY, if the proxy does not pass it on")


def sdk(subject: Subject, package: str) -> Outcome:
    """Whether the version that is installed here is one that gets through."""
    if package == "sentry-sdk":
        return _sentry_sdk(subject)
    return _otlp_exporter(subject)


def _sentry_sdk(subject: Subject) -> Outcome:
    installed = _installed(subject, "sentry-sdk")
    if installed is None:
        raise Skip("not installed here")
    if _numbers(installed) < SENTRY_SDK_FIRST:
        return fail(
            f"{installed} is installed here, which posts errors to /store/",
            f"upgrade sentry-sdk to {_text(SENTRY_SDK_TESTED)} or newer",
        )
    if _numbers(installed) < SENTRY_SDK_TESTED:
        return warn(
            f"{installed} is installed here",
            f"upgrade to {_text(SENTRY_SDK_TESTED)} or newer: older ones are not tested",
        )
    return ok(f"{installed} is installed here ({_text(SENTRY_SDK_TESTED)} or newer is supported)")


def _otlp_exporter(subject: Subject) -> Outcome:
    installed = _installed(subject, _HTTP_EXPORTER)
    if installed is None:
        if _installed(subject, _GRPC_EXPORTER) is None:
            raise Skip("no OTLP exporter is installed here")
        return warn(
            f"{_GRPC_EXPORTER} is installed here, {_HTTP_EXPORTER} is not",
            f"install {_HTTP_EXPORTER} and set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf: what is "
            "checked here is OTLP over HTTP",
        )
    if _numbers(installed) < OTLP_TESTED:
        return warn(
            f"{_HTTP_EXPORTER} {installed} is installed here",
            f"upgrade to {_text(OTLP_TESTED)} or newer: older ones are not tested",
        )
    return ok(f"{_HTTP_EXPORTER} {installed} is installed here")


def installed_version(package: str) -> str | None:
    """The version of a distribution of this environment; ``None`` where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _installed(subject: Subject, package: str) -> str | None:
    return subject.once(f"version {package}", lambda: installed_version(package))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])


def _text(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


def _proxies(subject: Subject) -> dict[str, str]:
    """As ``urllib`` reads them, which requests and the SDKs follow: lower case wins."""
    found: dict[str, str] = {}
    for wanted in (str.isupper, str.islower):
        for name, value in subject.environ.items():
            if name.lower().endswith("_proxy") and value and wanted(name.replace("_", "")):
                found[name.lower().removesuffix("_proxy")] = value
    return found


def _proxy_of(server: Server, proxies: dict[str, str]) -> str | None:
    scheme = urlsplit(server.path_url).scheme
    used = proxies.get(scheme) or proxies.get("all")
    if used is None or proxy_bypass_environment(f"{server.host}:{server.port}", proxies):
        return None
    return used


def _bare(url: str | None) -> str:
    """The proxy's address without the password that it may hold."""
    parts = urlsplit(url or "")
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
