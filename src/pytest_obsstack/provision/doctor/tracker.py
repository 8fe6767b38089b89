"""Whether DSN, key, project and token fit the tracker that they are for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from pytest_obsstack.clients import fields
from pytest_obsstack.errors import BackendRefused
from pytest_obsstack.provision.doctor.finding import Outcome, Skip, fail, ok, warn
from pytest_obsstack.provision.doctor.subject import Subject
from pytest_obsstack.wire.dsn import Dsn, InvalidDsn

if TYPE_CHECKING:
    from pytest_obsstack.clients.sentry.bugsink import BugsinkClient
    from pytest_obsstack.clients.sentry.client import SentryClient

_NOT_RISKED = (
    "not sent: the key is not known to be right, and GlitchTip refuses the whole project for 30 s "
    "after a wrong one"
)


@dataclass(frozen=True)
class Known:
    """What the API tells of the project that it is asked for."""

    slug: str
    project_id: str
    dsns: tuple[tuple[str, bool], ...] | None
    """The DSNs of its keys, and whether each is active; ``None`` where the token may not read
    them."""


def dsn(subject: Subject) -> Outcome:
    """Whether the text is a DSN."""
    text = subject.setup.dsn
    if not text:
        raise Skip("no DSN is known (--dsn, SENTRY_DSN, OBS_SENTRY_DSN)")
    try:
        parsed = Dsn.parse(text)
    except InvalidDsn as error:
        return fail(
            f"not a DSN, its {error.part} is wrong: expected {error.expected}, found {error.found}",
            "copy the DSN from the settings of the project (Client Keys)",
        )
    other = subject.setup.other_dsn
    if other and other.strip() != text.strip():
        return warn(
            f"{parsed.redacted()}; SENTRY_DSN of this shell is another one",
            "an app that is started here reports elsewhere: set SENTRY_DSN, or examine that one "
            "with --dsn",
        )
    return ok(parsed.redacted())


def api(subject: Subject) -> Outcome:
    """Whether the API takes the token and lets it look at issues."""
    tracker = subject.tracker
    subject.need("sentry")
    tracker.issues(limit=1)
    return ok(f"{subject.tracker_name} lets the token look at the project's issues")


def project(subject: Subject) -> Outcome:
    """Whether the project of the DSN is the one that the API is asked for."""
    given, known = subject.dsn, project_known(subject)
    if given.project_id != known.project_id:
        return fail(
            f"the DSN reports to project {given.project_id}, the API is asked for project "
            f"{known.project_id} ({known.slug})",
            f"take the DSN of {known.slug}{_its_dsn(known)}, or ask for the DSN's project",
        )
    other = _elsewhere(subject, given)
    if other is not None:
        return warn(
            f"{known.slug}, project {known.project_id}; the DSN's server is {given.base_url}, the "
            f"API's {other}",
            "make sure that both are the same server, reached in two ways",
        )
    return ok(f"{known.slug}, project {known.project_id}, both by the DSN and by the API")


def key(subject: Subject) -> Outcome:
    """Whether the DSN's key is an active one of the project, by the API alone."""
    given, known = subject.dsn, project_known(subject)
    if given.project_id != known.project_id:
        raise Skip("the DSN is another project's: see project")
    if known.dsns is None:
        raise Skip("the token may not read the project's keys (scope project:read)")
    own = given.public_key.replace("-", "").lower()
    states = [active for text, active in known.dsns if _public_key(text) == own]
    if not states:
        count = len(known.dsns)
        return fail(
            f"the DSN's key is none of the {count} of {known.slug}"
            if count != 1
            else f"the DSN's key is not that of {known.slug}",
            f"take the DSN of {known.slug}{_its_dsn(known)}",
        )
    if not any(states):
        return fail(
            f"the DSN's key is disabled in {known.slug}",
            "enable it in the settings of the project (Client Keys), or take another one",
        )
    return ok(f"the DSN's key is an active one of {known.slug}")


def require_own_key(subject: Subject) -> None:
    """``Skip`` where the key, as far as it is known, would be refused.

    GlitchTip refuses a whole project for 30 s after one request with a wrong key, so there it must
    be known to be right.
    """
    blocks = subject.tracker_name == "GlitchTip"
    for check in (project, key):
        try:
            outcome = check(subject)
        except Skip as skip:
            if blocks:
                raise Skip(_NOT_RISKED) from skip
        except BackendRefused as refused:
            if blocks:
                raise Skip(_NOT_RISKED) from refused
        else:
            if outcome.status == "fail":
                raise Skip(f"not sent: see {check.__name__}")


def project_known(subject: Subject) -> Known:
    """What the API tells of the project; asked once."""
    tracker = subject.tracker
    subject.need("sentry")
    endpoint = subject.endpoints.sentry
    if endpoint is not None and endpoint.flavour == "bugsink":
        return subject.once("project", lambda: _bugsink_project(cast("BugsinkClient", tracker)))
    # GlitchTip's client has the same accounts.
    client = cast("SentryClient", tracker)
    return subject.once("project", lambda: _sentry_project(client, subject.tracker_name))


def _sentry_project(client: SentryClient, product: str) -> Known:
    organization, slug = client.organization, client.project
    found = client.accounts.project(organization, slug)
    if found is None:
        raise BackendRefused(
            f"{product} has no project {slug!r} in organisation {organization!r}.",
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
    return Known(slug, found.id, dsns)


def _bugsink_project(client: BugsinkClient) -> Known:
    slug = client.project
    for team in client.teams():
        for raw in client.projects(fields.text(team, "id")):
            if slug in (raw.get("slug"), raw.get("name")):
                text = fields.optional_text(raw, "dsn")
                project_id = fields.text(raw, "id")
                return Known(slug, project_id, None if text is None else ((text, True),))
    raise BackendRefused(
        f"Bugsink has no project {slug!r}.",
        status=404,
        advice="correct --sentry-project, and check that the token may see it",
    )


def _its_dsn(known: Known) -> str:
    """The project's own DSN, as a message may show it."""
    for text, active in known.dsns or ():
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


def _elsewhere(subject: Subject, given: Dsn) -> str | None:
    """The API's server, where the DSN names another host or port."""
    endpoint = subject.endpoints.sentry
    if endpoint is None:
        return None
    parts = urlsplit(endpoint.url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    host = parts.hostname or ""
    # Sentry's own cloud takes events at other hosts than it answers the API at.
    if host == "sentry.io" or given.host.endswith(".sentry.io"):
        return None
    same = (host, port) == (given.host, given.port)
    return None if same else f"{parts.scheme}://{parts.netloc}"
