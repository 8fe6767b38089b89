"""The tracker's project that is asked, and whether a DSN is one of it: by the API alone.

Nothing is sent to the DSN. Relay, Sentry's own ingestion, would not tell: an envelope without items
it accepts with any key. GlitchTip would tell, and refuse the whole project for 30 s then. And what
the app can reach this machine perhaps cannot.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.http import HttpOptions
from pytest_obsstack.clients.sentry.bugsink import BugsinkClient
from pytest_obsstack.clients.sentry.open import open_tracker
from pytest_obsstack.errors import BackendRefused, ObsstackError, StackUnavailable
from pytest_obsstack.wire.dsn import Dsn, InvalidDsn

if TYPE_CHECKING:
    import httpx

    from pytest_obsstack.clients.sentry.client import SentryClient
    from pytest_obsstack.clients.sentry.tracker import Tracker
    from pytest_obsstack.endpoints import SentryEndpoint

_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class AskedProject:
    """What the API tells of the project that it is asked for."""

    slug: str
    project_id: str
    dsns: tuple[tuple[str, bool], ...] | None
    """The DSNs of its keys, and whether each is active; ``None`` where the token may not read
    them."""


class Misfit(NamedTuple):
    """Why a DSN is not one of the project."""

    found: str
    do: str


def require_own_dsn(
    endpoint: SentryEndpoint, *, transport: httpx.BaseTransport | None = None
) -> None:
    """Raise ``StackUnavailable`` where the tracker says that the DSN is none of its project's.

    Two questions to its API. Where that does not tell, nothing is raised: it does not answer, it
    limits the rate, it does not let the token look. ``transport`` replaces the network in tests.
    """
    if endpoint.dsn is None:
        return
    dsn = Dsn.parse(endpoint.dsn)
    options = HttpOptions(timeout_s=_TIMEOUT_S, max_rate_limit_wait_s=0.0, transport=transport)
    with closing(open_tracker(endpoint, writable=False, **options)) as tracker:
        try:
            asked = asked_project(tracker)
        except ObsstackError:
            # The first test that asks the tracker tells why it does not answer.
            return
    misfit = other_project(dsn, asked) or refused_key(dsn, asked)
    if misfit is None:
        return
    raise StackUnavailable(
        f"What is reported by the DSN does not arrive where {tracker.traits.product} is asked.",
        expected=f"a DSN (--obs-sentry-dsn) of the project {asked.slug}, with an active key",
        found=misfit.found,
        advice=misfit.do,
    )


def asked_project(tracker: Tracker) -> AskedProject:
    """What the API tells of the project that it is asked for.

    Raises ``BackendRefused`` where it may not be looked at, or there is none.
    """
    if isinstance(tracker, BugsinkClient):
        return _bugsink_project(tracker)
    # GlitchTip's client has the same accounts.
    return _sentry_project(cast("SentryClient", tracker))


def other_project(dsn: Dsn, asked: AskedProject) -> Misfit | None:
    """``None`` where the DSN reports to that project."""
    if dsn.project_id == asked.project_id:
        return None
    return Misfit(
        f"the DSN reports to project {dsn.project_id}, the API is asked for project "
        f"{asked.project_id} ({asked.slug})",
        f"take the DSN of {asked.slug}{_its_dsn(asked)}, or ask for the DSN's project",
    )


def refused_key(dsn: Dsn, asked: AskedProject) -> Misfit | None:
    """``None`` where the DSN's key is an active one of its project, or the keys are not known."""
    if asked.dsns is None:
        return None
    own = dsn.public_key.replace("-", "").lower()
    states = [active for text, active in asked.dsns if _public_key(text) == own]
    if not states:
        count = len(asked.dsns)
        return Misfit(
            f"the DSN's key is none of the {count} of {asked.slug}"
            if count != 1
            else f"the DSN's key is not that of {asked.slug}",
            f"take the DSN of {asked.slug}{_its_dsn(asked)}",
        )
    if not any(states):
        return Misfit(
            f"the DSN's key is disabled in {asked.slug}",
            "enable it in the settings of the project (Client Keys), or take another one",
        )
    return None


def _sentry_project(client: SentryClient) -> AskedProject:
    organization, slug = client.organization, client.project
    found = client.accounts.project(organization, slug)
    if found is None:
        raise BackendRefused(
            f"{client.traits.product} has no project {slug!r} in organisation {organization!r}.",
            status=404,
            advice="correct --sentry-organization and --sentry-project, and check that the token "
            "may see them",
        )
    dsns: tuple[tuple[str, bool], ...] | None
    try:
        keys = client.accounts.keys(organization, slug)
        dsns = tuple((key.dsn, key.is_active) for key in keys)
    except BackendRefused as refused:
        if refused.status not in (401, 403):
            raise
        dsns = None
    return AskedProject(slug, found.id, dsns)


def _bugsink_project(client: BugsinkClient) -> AskedProject:
    slug = client.project
    for team in client.teams():
        for raw in client.projects(fields.text(team, "id")):
            if slug in (raw.get("slug"), raw.get("name")):
                text = fields.optional_text(raw, "dsn")
                project_id = fields.text(raw, "id")
                return AskedProject(slug, project_id, None if text is None else ((text, True),))
    raise BackendRefused(
        f"Bugsink has no project {slug!r}.",
        status=404,
        advice="correct --sentry-project, and check that the token may see it",
    )


def _its_dsn(asked: AskedProject) -> str:
    """The project's own DSN, as a message may show it."""
    for text, active in asked.dsns or ():
        if active:
            try:
                return f" ({Dsn.parse(text).redacted()})"
            except InvalidDsn:
                continue
    return ""


def _public_key(text: str) -> str:
    try:
        return Dsn.parse(text).public_key.replace("-", "").lower()
    except InvalidDsn:
        return ""
