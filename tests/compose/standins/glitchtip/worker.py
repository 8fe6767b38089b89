"""``worker``: takes what was accepted from the queue and has it stored."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Literal

from tests.compose.standins.glitchtip.queue import Queue

log = logging.getLogger("glitchtip_standin")

TAKE_S = 0.25
"""How long to wait for an item before looking whether to end."""
PAUSES_S = (0.05, 0.1, 0.2, 0.5)
"""Between attempts to deliver while ``web`` is away; the last one again and again."""

Outcome = Literal["stored", "rejected", "away"]
Deliver = Callable[[bytes], Outcome]
"""One attempt to hand an item to ``web``."""


class Worker:
    """Works until ``ending`` is true; an item that is then not stored stays in work."""

    def __init__(
        self,
        queue: Queue,
        deliver: Deliver,
        *,
        ending: Callable[[], bool],
        pause: Callable[[float], None],
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._queue = queue
        self._deliver = deliver
        self._ending = ending
        self._pause = pause
        self._alive = alive

    def run(self) -> None:
        taken_back = self._queue.take_back()
        if taken_back:
            log.info("took back %d items that an earlier worker had in work", taken_back)
        while not self._ending():
            self._alive()
            data = self._queue.take(TAKE_S)
            if data is not None:
                self._work(data)

    def _work(self, data: bytes) -> None:
        attempts = 0
        while (outcome := self._deliver(data)) == "away":
            if self._ending():
                return
            self._alive()
            self._pause(PAUSES_S[min(attempts, len(PAUSES_S) - 1)])
            attempts += 1
        if outcome == "rejected":
            self._queue.reject(data)
        else:
            self._queue.done(data)


def outcome_of(status: int) -> Outcome:
    """What ``web``'s answer means: only its refusal of the item itself sets the item aside."""
    if status == HTTPStatus.OK:
        return "stored"
    return "rejected" if status == HTTPStatus.BAD_REQUEST else "away"
