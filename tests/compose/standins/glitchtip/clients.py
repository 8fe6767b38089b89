"""The connections to Postgres and Redis, by what is used of their clients.

The clients are Debian's packages in the image and are not installed where this is type-checked, so
protocols say what is used of them, and tests stand in for them.
"""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from typing_extensions import Self

log = logging.getLogger("glitchtip_standin")

_CONNECT_S = 30.0
_PAUSE_S = 0.1
T = TypeVar("T")


class Cursor(Protocol):
    """Of Python's database interface (PEP 249)."""

    @property
    def rowcount(self) -> int: ...
    def execute(self, query: str, values: Sequence[Any] = ()) -> object: ...
    def __iter__(self) -> Iterator[tuple[Any, ...]]: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> object: ...


class Connection(Protocol):
    """``with connection:`` is a transaction, as psycopg2 has it."""

    def cursor(self) -> Cursor: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> object: ...


class RedisClient(Protocol):
    """The commands that are used, under redis-py's names."""

    def ping(self) -> bool: ...
    def lpush(self, name: str, *values: bytes) -> int: ...
    def lmove(self, first: str, second: str, src: str, dest: str) -> bytes | None: ...
    def blmove(
        self, first: str, second: str, timeout: float, src: str, dest: str
    ) -> bytes | None: ...
    def lrem(self, name: str, count: int, value: bytes) -> int: ...
    def llen(self, name: str) -> int: ...


class Database:
    """Transactions on one connection, which is made anew when the server has been away."""

    def __init__(
        self, connect: Callable[[], Connection], lost: tuple[type[Exception], ...]
    ) -> None:
        self._connect = connect
        self.lost = lost
        self._connection: Connection | None = None

    def transaction(self, work: Callable[[Cursor], T]) -> T:
        """What ``work`` returns, committed; it is done again, once, if the connection was lost.

        So ``work`` must be safe to repeat: a connection that ends during the commit does not say
        whether it was made.
        """
        try:
            return self._once(work)
        except self.lost as error:
            log.warning("the connection to Postgres was lost (%s), trying once more", error)
            self.close()
            return self._once(work)

    def _once(self, work: Callable[[Cursor], T]) -> T:
        if self._connection is None:
            self._connection = self._connect()
        with self._connection as connection, connection.cursor() as cursor:
            return work(cursor)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def open_database(url: str) -> Database:
    """Raises psycopg2's ``OperationalError`` where Postgres does not answer for half a minute."""
    psycopg2 = importlib.import_module("psycopg2")
    lost = (psycopg2.OperationalError, psycopg2.InterfaceError)

    def connect() -> Connection:
        return cast("Connection", psycopg2.connect(url, connect_timeout=5))

    return Database(lambda: patiently(connect, lost), lost)


def open_redis(url: str) -> RedisClient:
    """Raises redis-py's ``ConnectionError`` where Redis does not answer within half a minute."""
    redis = importlib.import_module("redis")
    client = cast("RedisClient", redis.Redis.from_url(url, socket_timeout=5))
    patiently(client.ping, (redis.ConnectionError, redis.TimeoutError))
    return client


def redis_errors() -> tuple[type[Exception], ...]:
    """What a command raises while Redis is away."""
    redis = importlib.import_module("redis")
    return (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError)


def patiently(
    ask: Callable[[], T],
    errors: tuple[type[Exception], ...],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """The answer, once there is one; the last of ``errors`` after half a minute of them."""
    deadline = clock() + _CONNECT_S
    while True:
        try:
            return ask()
        except errors:
            if clock() >= deadline:
                raise
        sleep(_PAUSE_S)
