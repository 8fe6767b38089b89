"""The process of ``web``: the server as the journal left it, and its listener."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading

from pytest_obsstack.embedded.assembly import log_to_stderr
from pytest_obsstack.embedded.container.variables import Variables
from pytest_obsstack.embedded.listener import Listener
from pytest_obsstack.embedded.sentry.server import SentryServer
from pytest_obsstack.embedded.sentry.settings import SentrySettings
from pytest_obsstack.embedded.settings import PortWish
from tests.compose.standins.glitchtip.clients import open_database, open_redis, redis_errors
from tests.compose.standins.glitchtip.journal_table import JournalTable
from tests.compose.standins.glitchtip.queue import Queue
from tests.compose.standins.glitchtip.settings import Settings
from tests.compose.standins.glitchtip.web import web_app

log = logging.getLogger("glitchtip_standin")


def sentry_settings(variables: Variables) -> SentrySettings:
    """Of the embedded server, from GlitchTip's variables and those that it has no name for."""
    return SentrySettings.from_json(
        {
            "public_url": variables.url("GLITCHTIP_DOMAIN", "http://localhost:9000"),
            "admin_email": variables.text("SENTRY_ADMIN_EMAIL", "admin@example.com"),
            "admin_password": variables.text("SENTRY_ADMIN_PASSWORD"),
            "api_token": variables.text("SENTRY_API_TOKEN"),
            # Receivers of alerts on the machine itself, as GLITCHTIP_ALLOW_PRIVATE_IPS lets them.
            "webhook_hosts": variables.text("SENTRY_WEBHOOK_HOSTS", "host.docker.internal"),
        }
    )


def serve(settings: Settings, ending: threading.Event) -> None:
    """Until SIGTERM or SIGINT; ``ending`` is set where one came before the loop listened to it."""
    log_to_stderr()
    database = open_database(settings.database_url)
    journal = JournalTable(database)
    told = sentry_settings(Variables(os.environ))

    async def run() -> None:
        server = SentryServer(told, journal)
        replayed = 0
        for entry in journal.entries():
            server.replay(entry)
            replayed += 1
        log.info("replayed %d entries of the journal", replayed)
        asked_to_end = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked_to_end.set)
        if ending.is_set():
            return
        queue = Queue(open_redis(settings.redis_url))
        app = web_app(server, queue, settings.worker_token, away=redis_errors())
        # A container's network is its own.
        listener = Listener("0.0.0.0", PortWish(settings.port, required=True))  # noqa: S104
        await server.start()
        await listener.open(app)
        log.info("web answers at %s", listener.url)
        await asked_to_end.wait()
        await listener.close()
        await server.stop()

    asyncio.run(run())
    database.close()
    log.info("web is stopped")
