"""The embedded Grafana as a product: what is provisioned, behind a login."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.types import ASGIApp

from pytest_obsstack.embedded.grafana.alerting import Alerting
from pytest_obsstack.embedded.grafana.api import Api
from pytest_obsstack.embedded.grafana.login import Login
from pytest_obsstack.embedded.grafana.provisioning import load
from pytest_obsstack.embedded.grafana.settings import GrafanaSettings
from pytest_obsstack.embedded.grafana.upstream import Upstream
from pytest_obsstack.embedded.journal import Journal, JournalEntry

_API_VERSION = "13.2.3"


class GrafanaServer:
    """See ``embedded/product.py``. Nothing is accepted, so nothing is journalled.

    The folder is read once, here; raises ``ProvisioningError``.
    """

    name = "grafana"
    version = f"{_API_VERSION}-embedded"

    def __init__(
        self,
        settings: GrafanaSettings,
        _journal: Journal,
        *,
        environment: Mapping[str, str] = os.environ,
        transport: httpx.AsyncBaseTransport | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._provisioned = load(Path(settings.provisioning), environment)
        self._upstream = Upstream(settings.query_timeout_s, transport)
        self.alerting = Alerting(self._provisioned, self._upstream, clock_ns)
        api = Api(
            self._provisioned, settings, self._upstream, self.alerting, self.version, clock_ns
        )
        pages = Starlette(routes=api.routes())
        pages.router.redirect_slashes = False
        self.app: ASGIApp = Login(pages, settings.admin_user, settings.admin_password)

    def replay(self, entry: JournalEntry) -> None:
        """Nothing is ever written."""

    async def start(self) -> None:
        """Alert rules are evaluated from now on."""
        self.alerting.start()

    async def stop(self) -> None:
        await self.alerting.stop()
        await self._upstream.close()

    def status(self) -> dict[str, Any]:
        return {
            "data_sources": [source.uid for source in self._provisioned.data_sources],
            "dashboards": [dashboard.uid for dashboard in self._provisioned.dashboards],
            "alert_rules": [rule.uid for rule in self._provisioned.alert_rules],
        }
