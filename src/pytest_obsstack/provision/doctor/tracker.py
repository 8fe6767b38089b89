"""Whether DSN, key, project and token fit the tracker that they are for."""

from __future__ import annotations

from urllib.parse import urlsplit

from pytest_obsstack.errors import BackendRefused
from pytest_obsstack.provision.asked_project import (
    AskedProject,
    asked_project,
    other_project,
    refused_key,
)
from pytest_obsstack.provision.doctor.finding import Outcome, Skip, fail, ok, warn
from pytest_obsstack.provision.doctor.subject import Subject
from pytest_obsstack.wire.dsn import Dsn, InvalidDsn

_NOT_RISKED = (
    "not sent: the key is not known to be right, and GlitchTip refuses the whole project for 30 s "
    "after a wrong one"
)


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
    given, asked = subject.dsn, _asked(subject)
    misfit = other_project(given, asked)
    if misfit is not None:
        return fail(*misfit)
    other = _elsewhere(subject, given)
    if other is not None:
        return warn(
            f"{asked.slug}, project {asked.project_id}; the DSN's server is {given.base_url}, the "
            f"API's {other}",
            "make sure that both are the same server, reached in two ways",
        )
    return ok(f"{asked.slug}, project {asked.project_id}, both by the DSN and by the API")


def key(subject: Subject) -> Outcome:
    """Whether the DSN's key is an active one of the project, by the API alone."""
    given, asked = subject.dsn, _asked(subject)
    if other_project(given, asked) is not None:
        raise Skip("the DSN is another project's: see project")
    if asked.dsns is None:
        raise Skip("the token may not read the project's keys (scope project:read)")
    misfit = refused_key(given, asked)
    if misfit is not None:
        return fail(*misfit)
    return ok(f"the DSN's key is an active one of {asked.slug}")


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


def _asked(subject: Subject) -> AskedProject:
    """What the API tells of the project; asked once."""
    tracker = subject.tracker
    subject.need("sentry")
    return subject.once("project", lambda: asked_project(tracker))


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
