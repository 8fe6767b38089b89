"""The services of the stand-in: ``web``, ``runworker``, ``runworker --scheduler``, ``migrate``."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from tests.compose.standins.glitchtip.settings import Settings, SettingsError

log = logging.getLogger("glitchtip_standin")

_PAUSE_S = 0.2


def parser() -> argparse.ArgumentParser:
    """The words of GlitchTip's ``manage.py`` that ``stack/sentry-entrypoint.sh`` uses."""
    result = argparse.ArgumentParser(prog="manage.py", description="A stand-in for GlitchTip.")
    commands = result.add_subparsers(dest="command", required=True)
    commands.add_parser("web", help="serve")
    commands.add_parser("migrate", help="make the tables and end")
    worker = commands.add_parser("runworker", help="take accepted telemetry from the queue")
    worker.add_argument("--health-check-file", type=Path, help="touched as long as it gets on")
    worker.add_argument("--scheduler", action="store_true", help="do the periodic work instead")
    worker.add_argument("--queue", help="taken and not heeded: there is one queue")
    return result


def main(arguments: list[str]) -> int:
    """The exit code; 2 for a command or a variable that cannot be used."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        settings = Settings.from_environ(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if options.command == "migrate":
        make_tables(settings)
        return 0
    ending = ending_on_signal()
    if options.command == "web":
        from tests.compose.standins.glitchtip.serve import serve

        serve(settings, ending)
        return 0
    alive = heartbeat(options.health_check_file)
    run = schedule if options.scheduler else work
    run(settings, ending, alive)
    return 0


def ending_on_signal() -> threading.Event:
    """Set once SIGTERM or SIGINT has come."""
    ending = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ending.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    return ending


def heartbeat(path: Path | None) -> Callable[[], None]:
    """What says that the worker gets on."""

    def beat() -> None:
        if path is not None:
            path.touch()

    return beat


def make_tables(settings: Settings) -> None:
    from tests.compose.standins.glitchtip.clients import open_database
    from tests.compose.standins.glitchtip.tables import migrate

    made = migrate(open_database(settings.database_url))
    log.info("tables made: %s", ", ".join(made) or "none, all are there")


def work(settings: Settings, ending: threading.Event, alive: Callable[[], None]) -> None:
    from tests.compose.standins.glitchtip.clients import open_redis, redis_errors
    from tests.compose.standins.glitchtip.delivery import Delivery
    from tests.compose.standins.glitchtip.queue import Queue
    from tests.compose.standins.glitchtip.worker import Worker

    def pause(seconds: float) -> None:
        ending.wait(seconds)

    worker = Worker(
        Queue(open_redis(settings.redis_url)),
        Delivery(settings.web_url, settings.worker_token),
        ending=ending.is_set,
        pause=pause,
        alive=alive,
    )
    log.info("the worker delivers to %s", settings.web_url)
    while not ending.is_set():
        try:
            worker.run()
        except redis_errors() as error:
            log.warning("the queue cannot be reached: %s", error)
            pause(_PAUSE_S)
    log.info("the worker is stopped")


def schedule(settings: Settings, ending: threading.Event, alive: Callable[[], None]) -> None:
    from tests.compose.standins.glitchtip.clients import open_database, open_redis, redis_errors
    from tests.compose.standins.glitchtip.queue import Queue
    from tests.compose.standins.glitchtip.scheduler import run_job

    database = open_database(settings.database_url)
    queue = Queue(open_redis(settings.redis_url))
    log.info("the scheduler runs its job every %g s", settings.schedule_s)
    while not ending.is_set():
        try:
            run_job(database, queue)
            alive()
        except (*redis_errors(), *database.lost) as error:
            log.warning("the job is put off: %s", error)
        ending.wait(settings.schedule_s)
    database.close()
    log.info("the scheduler is stopped")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
