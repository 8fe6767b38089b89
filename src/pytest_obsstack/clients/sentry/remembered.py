"""Answers that never change, so that each is asked for once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MOST = 512
"""How many answers of a kind are kept; the oldest go first."""


class Remembered(Generic[K, V]):
    """The answers of one kind, by what was asked for."""

    def __init__(self) -> None:
        self._known: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K, ask: Callable[[], V]) -> V:
        """What is known under that key, else what ``ask`` gives; an error is not remembered."""
        if key in self._known:
            return self._known[key]
        value = ask()
        self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        self._known[key] = value
        if len(self._known) > MOST:
            self._known.popitem(last=False)
