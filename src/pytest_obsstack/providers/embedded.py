"""The embedded stack as a process: start it, steer it, read what it says."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_obsstack.endpoints import (
    CollectorEndpoint,
    Endpoints,
    LokiEndpoint,
    PrometheusEndpoint,
    SentryEndpoint,
    needs_certificates,
)
from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.options.kinds import GUIDE_PORTS
from pytest_obsstack.providers.process import ManagedProcess, ProcessIdentity, tail
from pytest_obsstack.providers.state import Control, ProductState, StackState, write_private
from pytest_obsstack.waiting import until

if TYPE_CHECKING:
    import httpx

START_TIMEOUT_S = 20.0
STANDS_IN_FOR: Mapping[str, str] = {
    "sentry": "Sentry",
    "collector": "OpenTelemetry Collector",
    "prometheus": "Prometheus",
    "loki": "Grafana Loki",
}
ADMIN_EMAIL = "admin@example.com"


def start_embedded(
    folder: Path,
    *,
    run_id: str,
    owner_pid: int,
    kept: bool = False,
    ports: Mapping[str, int],
    prefer_guide_ports: bool,
    timeout_s: float = START_TIMEOUT_S,
) -> StackState:
    """Start the embedded process and wait until all four products answer.

    ``owner_pid`` is the process with which the stack ends. One that is to be ``kept`` does so until
    its process is released, once the caller has written down where it is. ``ports`` are required,
    the guide's ports only preferred. Raises ``StackUnavailable``, and leaves nothing behind then.
    """
    started = time.monotonic()
    control_token = secrets.token_urlsafe(24)
    api_token = secrets.token_hex(32)
    # A kept stack is logged into by a person: the guide's password, on loopback alone.
    password = secrets.token_urlsafe(12) if not kept else "admin"
    settings = {
        "folder": str(folder),
        "control_token": control_token,
        "ports": _port_wishes(ports, prefer_guide_ports=prefer_guide_ports),
        "products": {
            "sentry": {
                "api_token": api_token,
                "admin_email": ADMIN_EMAIL,
                "admin_password": password,
            }
        },
    }
    settings_path = folder / "settings.json"
    write_private(settings_path, json.dumps(settings))
    process = ManagedProcess.start(
        [sys.executable, "-m", "pytest_obsstack.embedded", str(settings_path)],
        env=_environment(),
        log_path=folder / "embedded.log",
        owner_pid=owner_pid,
    )
    try:
        ready = _wait_ready(process, folder, timeout_s)
    except BaseException:
        process.stop()
        raise
    return _state(
        ready,
        folder=folder,
        run_id=run_id,
        kept=kept,
        control_token=control_token,
        api_token=api_token,
        password=password,
        process=process.detach(),
        ready_after_s=time.monotonic() - started,
    )


def _environment() -> dict[str, str]:
    # The SDKs that users configure through the environment must not start inside the stack itself.
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SENTRY_", "OTEL_", "PYTEST_"))
    } | {"PYTHONUNBUFFERED": "1"}


def _port_wishes(ports: Mapping[str, int], *, prefer_guide_ports: bool) -> dict[str, Any]:
    wishes: dict[str, Any] = {}
    if prefer_guide_ports:
        wishes = {
            name: {"port": port, "required": False}
            for name, port in GUIDE_PORTS.items()
            if name in STANDS_IN_FOR
        }
    required = {name: port for name, port in ports.items() if name in STANDS_IN_FOR}
    return wishes | {name: {"port": port, "required": True} for name, port in required.items()}


def _wait_ready(process: ManagedProcess, folder: Path, timeout_s: float) -> dict[str, Any]:
    ready_path = folder / "ready.json"

    def poll() -> dict[str, Any] | None:
        if ready_path.exists():
            content: dict[str, Any] = json.loads(ready_path.read_bytes())
            return content
        if process.returncode is not None:
            return {"error": f"it ended with exit status {process.returncode}"}
        return None

    ready = until(poll, timeout_s=timeout_s).value
    if ready is None:
        ready = {"error": f"it was not ready within {timeout_s:.0f} s"}
    if "error" in ready:
        error: str = ready["error"]
        advice = "read the log lines below; the whole log is " + str(process.log_path)
        if "in use" in error:
            advice = "end the program that uses the port, or leave out --obs-port to get a free one"
        raise StackUnavailable(
            "The embedded stack did not start.",
            expected="sentry, collector, prometheus and loki answer on 127.0.0.1",
            found=error,
            advice=advice,
            log_lines=tail(process.log_path),
        )
    return ready


def _state(
    ready: Mapping[str, Any],
    *,
    folder: Path,
    run_id: str,
    kept: bool,
    control_token: str,
    api_token: str,
    password: str,
    process: ProcessIdentity,
    ready_after_s: float,
) -> StackState:
    urls = {name: product["url"] for name, product in ready["products"].items()}
    endpoints = Endpoints(
        sentry=SentryEndpoint(
            url=urls["sentry"],
            token=api_token,
            admin_email=ADMIN_EMAIL,
            admin_password=password,
        ),
        collector=CollectorEndpoint(
            otlp_url=urls["collector"], telemetry_url=urls["collector"] + "/telemetry/metrics"
        ),
        prometheus=PrometheusEndpoint(url=urls["prometheus"]),
        loki=LokiEndpoint(url=urls["loki"]),
    )
    products = {
        name: ProductState(
            url=product["url"],
            version=product["version"],
            stands_in_for=STANDS_IN_FOR[name],
            wish_met=product["wish_met"],
        )
        for name, product in ready["products"].items()
    }
    return StackState(
        kind="embedded",
        run_id=run_id,
        folder=folder,
        endpoints=endpoints,
        products=products,
        ready_after_s=ready_after_s,
        kept=kept,
        control=Control(ready["control"], control_token),
        process=process,
    )


class EmbeddedControl:
    """Steers a running embedded process over its control interface."""

    def __init__(self, control: Control) -> None:
        import httpx

        self._client = httpx.Client(
            base_url=control.url,
            headers={"Authorization": f"Bearer {control.token}"},
            verify=needs_certificates(control.url),
            trust_env=False,
            timeout=10.0,
        )

    def status(self) -> dict[str, Any]:
        """By product: whether it is listening, its counts and its settings, without secrets."""
        result: dict[str, Any] = self._call("GET", "/status")["products"]
        return result

    def stop(self, product: str) -> None:
        """Close the product's listener: connections are refused until ``start``."""
        self._call("POST", f"/products/{product}/stop")

    def start(self, product: str) -> None:
        self._call("POST", f"/products/{product}/start")

    def restart(self, product: str) -> None:
        self.stop(product)
        self.start(product)

    def set_faults(self, product: str, rules: Sequence[Mapping[str, Any]]) -> None:
        """Replace the product's fault rules; an empty list heals it."""
        self._call("PUT", f"/products/{product}/faults", json=list(rules))

    def configure(self, product: str, changes: Mapping[str, Any]) -> None:
        """Lay ``changes`` over the product's settings."""
        self._call("PUT", f"/products/{product}/settings", json=dict(changes))

    def scrape(self, job: str | None = None) -> list[dict[str, Any]]:
        """Scrape now; returns job, instance, health and error of each target."""
        params = {} if job is None else {"job": job}
        result: list[dict[str, Any]] = self._call("POST", "/scrape", params=params)
        return result

    def evaluate(self) -> int:
        """Evaluate Prometheus' rules now; returns how many there are."""
        answer: dict[str, int] = self._call("POST", "/evaluate")
        return answer["rules"]

    def mutate(self, rule: Mapping[str, Any]) -> None:
        """Change what arrives of one trace, or of one app's metrics, until ``end_mutation``."""
        self._call("PUT", "/mutations", json=dict(rule))

    def mutation(self, trace_id: str) -> dict[str, Any] | None:
        """What the mutation of the trace has ``changed`` so far; ``None`` where there is none."""
        found: dict[str, Any] | None = self._call("GET", f"/mutations/{trace_id}")
        return found

    def end_mutation(self, trace_id: str) -> list[str]:
        """Leave the trace's telemetry as it is from now on; what was changed until now."""
        found: dict[str, Any] | None = self._call("DELETE", f"/mutations/{trace_id}")
        return [] if found is None else found["changed"]

    def close(self) -> None:
        self._client.close()

    def _call(self, method: str, path: str, **options: Any) -> Any:
        import httpx

        try:
            response = self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise StackUnavailable(
                "The embedded stack does not answer.",
                expected=f"{method} {path} of its control interface is answered",
                found=f"{type(error).__name__}: {error}",
                advice="the process may have been ended; `obsstack status` tells",
            ) from error
        if response.status_code != 200:
            raise StackUnavailable(
                "The embedded stack refused a control request.",
                expected=f"{method} {path} succeeds",
                found=_reason(response),
            )
        return response.json()


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"status {response.status_code}: {response.text}"
