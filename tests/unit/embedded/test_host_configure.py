"""The host gives a product other settings while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from pytest_obsstack.embedded.control import ControlError
from pytest_obsstack.embedded.host import Host
from pytest_obsstack.embedded.settings import HostSettings

NOBODY = "127.0.0.1:1"


def with_host(folder: Path, act: Callable[[Host], Awaitable[None]]) -> None:
    """Run ``act`` on a host whose products are started."""

    async def run() -> None:
        host = Host(HostSettings(folder=folder, control_token="token"))
        running = asyncio.create_task(host.run())
        while not (folder / "ready.json").exists():
            await asyncio.sleep(0.005)
            assert not running.done()
        try:
            await act(host)
        finally:
            host.request_shutdown()
            await running

    asyncio.run(run())


def test_prometheus_scrapes_its_new_targets(tmp_path: Path) -> None:
    async def act(host: Host) -> None:
        jobs = [{"job_name": "elsewhere", "targets": [NOBODY]}]
        await host.configure("prometheus", {"scrape_configs": jobs})
        (report,) = await host.scrape(None)
        assert (report.job, report.health) == ("elsewhere", "down")

    with_host(tmp_path, act)


def test_the_collector_exports_to_its_new_endpoint(tmp_path: Path) -> None:
    async def act(host: Host) -> None:
        await host.configure("collector", {"traces_endpoint": f"http://{NOBODY}/v1/traces"})
        exporters = host.status()["products"]["collector"]["exporters"]
        assert exporters["otlp_http/sentry"]["endpoint"] == f"http://{NOBODY}/v1/traces"

    with_host(tmp_path, act)


def test_what_are_no_settings_changes_nothing(tmp_path: Path) -> None:
    async def act(host: Host) -> None:
        with pytest.raises(ControlError, match=r"not settings of collector: .*'scrapes'"):
            await host.configure("collector", {"scrapes": 1})
        await host.configure("collector", {"logs_endpoint": ""})

    with_host(tmp_path, act)
