"""The queue in Redis between ``web`` and ``worker``: a list, and a list of what is being worked on.

An item is moved from one to the other in one command and removed from the second when it is done,
so at every moment it is in one of them. A worker that ends in between leaves it in the second, from
where the next one takes it back; ``journal_table`` sees to it that it is not stored twice.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import orjson

from tests.compose.standins.glitchtip.clients import RedisClient

WAITING = "standin:waiting"
IN_WORK = "standin:in-work"
REJECTED = "standin:rejected"


@dataclass(frozen=True)
class Item:
    """Accepted telemetry on its way; ``delivery`` is its id for as long as it exists."""

    delivery: str
    accepted_ns: int
    kind: str
    meta: dict[str, Any]
    payload: bytes

    def encode(self) -> bytes:
        return orjson.dumps(
            {
                "delivery": self.delivery,
                "accepted_ns": self.accepted_ns,
                "kind": self.kind,
                "meta": self.meta,
                "payload": base64.b64encode(self.payload).decode("ascii"),
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Item:
        """Raises ``ValueError`` or ``KeyError`` for what is no item."""
        value = orjson.loads(data)
        if not isinstance(value, dict):
            raise ValueError(f"expected an object, found {type(value).__name__}")  # noqa: TRY004
        return cls(
            delivery=value["delivery"],
            accepted_ns=value["accepted_ns"],
            kind=value["kind"],
            meta=value["meta"],
            payload=base64.b64decode(value["payload"], validate=True),
        )


class Queue:
    """First in, first out; items are the bytes of ``Item.encode``."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis

    def put(self, item: Item) -> None:
        self._redis.lpush(WAITING, item.encode())

    def take(self, timeout_s: float) -> bytes | None:
        """The oldest waiting item, now in work; ``None`` if there was none for so long."""
        return self._redis.blmove(WAITING, IN_WORK, timeout_s, "RIGHT", "LEFT")

    def done(self, data: bytes) -> None:
        self._redis.lrem(IN_WORK, 1, data)

    def reject(self, data: bytes) -> None:
        """Set aside what can never be stored, so that it holds up nothing else."""
        self._redis.lpush(REJECTED, data)
        self.done(data)

    def take_back(self) -> int:
        """Let what an earlier worker had in work wait again, first in line; how many there were."""
        count = 0
        while self._redis.lmove(IN_WORK, WAITING, "LEFT", "RIGHT") is not None:
            count += 1
        return count

    def depths(self) -> tuple[int, int]:
        """How many items wait, and how many are in work."""
        return self._redis.llen(WAITING), self._redis.llen(IN_WORK)
