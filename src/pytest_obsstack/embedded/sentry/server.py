"""The embedded Sentry-compatible server: ingest, ``/api/0``, and the seams for pages and alerts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from pytest_obsstack.embedded.journal import Journal, JournalEntry
from pytest_obsstack.embedded.sentry.alerts.alerts import Alerts
from pytest_obsstack.embedded.sentry.api import deliveries
from pytest_obsstack.embedded.sentry.api.http import Api
from pytest_obsstack.embedded.sentry.api.routes import ApiShell
from pytest_obsstack.embedded.sentry.ingest import Ingest
from pytest_obsstack.embedded.sentry.ledger import Ledger
from pytest_obsstack.embedded.sentry.observers import Observers
from pytest_obsstack.embedded.sentry.pages.pages import Pages
from pytest_obsstack.embedded.sentry.settings import SentrySettings
from pytest_obsstack.embedded.sentry.state.store import SentryStore


class SentryServer:
    """A ``Product``.

    Parts beside it (pages, alerts) read ``store``, register their journal kinds with ``ledger``,
    their callbacks with ``observers``, their ways of logging in with ``shell.authenticators``.
    """

    name = "sentry"
    version = "26.8.0-embedded"
    """The release of Sentry whose API this follows."""

    def __init__(
        self,
        settings: SentrySettings,
        journal: Journal,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.settings = settings
        self.store = SentryStore(settings.limits)
        self.observers = Observers()
        self.ledger = Ledger(self.store, journal, self.observers)
        self.api = Api(self.store, self.ledger, settings, clock_ns)
        self.shell = ApiShell(self.api)
        self.alerts = Alerts(self.api, self.observers)
        pages = Pages(self.api, self.shell, self.alerts.state)
        ingest = Ingest(self.store, self.ledger, settings.limits)
        self.app = Starlette(
            routes=[
                *ingest.routes(),
                *self.shell.routes(),
                *self.shell.routes(self.alerts.endpoints()),
                *self.shell.routes(deliveries.ENDPOINTS),
                self.shell.fallback(),
                Route("/_health/", _health),
                Route("/api/client-config/", self._client_config),
                ingest.fallback(),
                *pages.routes(),
            ],
            exception_handlers=pages.exception_handlers(),
        )

    async def _client_config(self, _request: Request) -> Response:
        """What Sentry's pages ask before anybody has logged in; here the version alone."""
        body = {"version": {"current": self.version}, "urlPrefix": self.settings.public_url}
        return JSONResponse(body)

    def replay(self, entry: JournalEntry) -> None:
        self.ledger.replay(entry)

    async def start(self) -> None:
        """Webhooks that are owed are sent from now on."""
        self.alerts.start()

    async def stop(self) -> None:
        """Everything accepted is in the journal already, webhooks that are still owed too."""
        await self.alerts.stop()

    def status(self) -> dict[str, Any]:
        store = self.store
        telemetry = store.telemetry
        return {
            "public_url": self.settings.public_url,
            "projects": [project.slug for project in store.catalog.projects.values()],
            "issues": len(store.issues.by_id),
            "events": len(telemetry.errors),
            "transactions": len(telemetry.transactions),
            "spans": len(telemetry.spans),
            "logs": len(telemetry.logs),
            "duplicate_deliveries": sum(count - 1 for count in telemetry.deliveries.values()),
            "kept_items": dict(Counter(item.type for item in telemetry.kept_items)),
            "alerts": self.alerts.status(),
        }


async def _health(_request: Request) -> Response:
    return PlainTextResponse("ok")
