"""Requests to the data sources' products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx


class Unreachable(Exception):
    """No answer came; the text is like that of Go's HTTP client."""


class Upstream:
    """One client for all data sources; proxies of the environment are not looked for."""

    def __init__(self, timeout_s: float, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._timeout_s = timeout_s
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """The answer, whatever its status; raises ``Unreachable``. Redirects are not followed."""
        if self._client is None:
            self._client = httpx.AsyncClient(
                transport=self._transport, trust_env=False, timeout=self._timeout_s
            )
        given: dict[str, Any] = {"data": form} if form is not None else {"content": content}
        try:
            return await self._client.request(method, url, params=params, headers=headers, **given)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            text = str(error) or type(error).__name__
            raise Unreachable(f'{method.title()} "{url}": {text}') from error

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()
