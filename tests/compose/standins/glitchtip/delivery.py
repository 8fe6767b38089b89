"""How the worker hands an item to ``web``: one HTTP request, on a connection that is kept."""

from __future__ import annotations

import http.client
import logging
from urllib.parse import urlsplit

from tests.compose.standins.glitchtip.web_path import DELIVERIES
from tests.compose.standins.glitchtip.worker import Outcome, outcome_of

log = logging.getLogger("glitchtip_standin")

_TIMEOUT_S = 10.0


class Delivery:
    """A ``Deliver``; the standard library's client, because the worker should start fast."""

    def __init__(self, web_url: str, token: str) -> None:
        self._address = urlsplit(web_url).netloc
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._connection: http.client.HTTPConnection | None = None

    def __call__(self, data: bytes) -> Outcome:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._address, timeout=_TIMEOUT_S)
        try:
            self._connection.request("POST", DELIVERIES, data, self._headers)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            log.info("web does not answer: %s", error)
            self._connection.close()
            self._connection = None
            return "away"
        outcome = outcome_of(response.status)
        if outcome != "stored":
            log.warning("web answered %d: %s", response.status, body[:200].decode(errors="replace"))
        return outcome
