"""The process: one product, a listener for each of its ports, until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal

from pytest_obsstack.embedded.assembly import build_product, log_to_stderr
from pytest_obsstack.embedded.container.products import PRODUCTS
from pytest_obsstack.embedded.container.variables import Variables
from pytest_obsstack.embedded.listener import Listener, PortTaken
from pytest_obsstack.embedded.settings import PortWish

log = logging.getLogger("obsstack.embedded")

_STOP_S = 0.8
"""For answers that are under way at SIGTERM; the whole end takes less than a second."""


def run(name: str, variables: Variables) -> int:
    """Serve until SIGTERM or SIGINT. Exit code 0, or 1 if a port is taken.

    Raises ``BadVariable`` before anything is opened.
    """
    log_to_stderr()
    bind, folder = variables.bind(), variables.data_dir()
    wishes = {
        attribute: PortWish(variables.port(usual), required=True)
        for usual, attribute in PRODUCTS[name].doors.items()
    }
    server_kind, settings = PRODUCTS[name].load(variables)
    try:
        listeners = {attribute: Listener(bind, wish) for attribute, wish in wishes.items()}
    except PortTaken as error:
        log.error("%s: %s", name, error)
        return 1

    async def serve() -> None:
        # Within the loop: what a product makes at its start may belong to it.
        product, journal = build_product(server_kind, settings, folder / f"{name}.jsonl")
        asked_to_end = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked_to_end.set)
        await product.start()
        for attribute, listener in listeners.items():
            await listener.open(getattr(product, attribute))
            log.info("%s answers at %s", name, listener.url)
        await asked_to_end.wait()

        async def stop() -> None:
            await asyncio.gather(*(listener.close() for listener in listeners.values()))
            await product.stop()

        try:
            await asyncio.wait_for(stop(), _STOP_S)
        except asyncio.TimeoutError:
            log.warning("%s ends with requests under way", name)
        journal.close()
        log.info("%s is stopped", name)

    asyncio.run(serve())
    return 0
