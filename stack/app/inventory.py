"""The client of the second service. Loads httpx, so it is imported only where there is one."""

from __future__ import annotations

import threading
from typing import Any

import httpx
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.metrics import NoOpMeterProvider

TIMEOUT_S = 2.0


class InventoryError(Exception):
    """The inventory gave no usable answer; the text says which."""


class Inventory:
    """The stock as the service at ``url`` tells it; both SDKs pass their trace on to it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None

    def stock(self, *, fail: bool) -> dict[str, Any]:
        """The answer of ``/stock``; ``fail`` asks the service to fail. Raises InventoryError."""
        try:
            response = self._connected().get("/stock", params={"fail": "1"} if fail else None)
        except httpx.TransportError as error:
            raise InventoryError(f"{type(error).__name__}: {error}") from error
        if response.status_code != httpx.codes.OK:
            raise InventoryError(f"answered {response.status_code}")
        stock: dict[str, Any] = response.json()
        return stock

    def _connected(self) -> httpx.Client:
        # Made by the first call: a pool of connections must not be carried over a fork.
        with self._lock:
            if self._client is None:
                self._client = httpx.Client(base_url=self._url, timeout=TIMEOUT_S)
                HTTPXClientInstrumentor.instrument_client(
                    self._client, meter_provider=NoOpMeterProvider()
                )
            return self._client
