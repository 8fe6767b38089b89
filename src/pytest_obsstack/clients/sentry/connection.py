"""The way to an error tracker, and to the organisation and project of its endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_obsstack.clients.http import ApiClient, HttpOptions
from pytest_obsstack.clients.sentry.api import path
from pytest_obsstack.endpoints import SentryEndpoint
from pytest_obsstack.errors import ObsstackError

if TYPE_CHECKING:
    from typing_extensions import Unpack


class TrackerConnection:
    """A tracker's API with the endpoint's token, and its other pages without one.

    ``product`` names it in messages, ``api_path`` is where its API begins below the endpoint's URL,
    ``advice`` says by status what to do about a refusal of the API.
    """

    def __init__(
        self,
        endpoint: SentryEndpoint,
        product: str,
        api_path: str,
        *,
        advice: Mapping[int, str],
        writable: bool,
        **options: Unpack[HttpOptions],
    ) -> None:
        self.endpoint = endpoint
        url, token = endpoint.url.rstrip("/"), endpoint.token
        secrets = (token, endpoint.admin_password)
        self.api = ApiClient(
            product,
            url + api_path,
            headers={"authorization": f"Bearer {token}"} if token else {},
            secrets=secrets,
            advice=advice,
            writable=writable,
            **options,
        )
        # Health and version lie outside the API and take no token.
        self.web = ApiClient(product, url, secrets=secrets, writable=writable, **options)

    def close(self) -> None:
        self.api.close()
        self.web.close()

    @property
    def url(self) -> str:
        """Base URL, without the API's path."""
        return self.web.url

    @property
    def organization(self) -> str:
        """The organisation's slug; ``ObsstackError`` where the endpoint has none."""
        return self._required(self.endpoint.organization, "organization")

    @property
    def project(self) -> str:
        """The project's slug; ``ObsstackError`` where the endpoint has none."""
        return self._required(self.endpoint.project, "project")

    def in_organization(self, *segments: str) -> str:
        """A path of the API below the organisation, as Sentry has it."""
        return path("organizations", self.organization, *segments)

    def in_project(self, *segments: str, project: str | None = None) -> str:
        """A path of the API below that project of the organisation, by default the endpoint's."""
        return path("projects", self.organization, project or self.project, *segments)

    def get(self, url_path: str, params: Mapping[str, Any]) -> Any:
        """The parsed JSON of any path of the API."""
        return self.api.get_json("/" + url_path.lstrip("/"), params)

    def _required(self, value: str | None, name: str) -> str:
        if value is None:
            raise ObsstackError(
                f"This call needs to know {self.api.product}'s {name}.",
                expected=f"an endpoint with `{name}`",
                found=f"only the URL {self.url}",
                advice=f"give the {name}'s slug",
            )
        return value
