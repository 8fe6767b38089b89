"""One test event, as a person sends it to see whether a DSN works: ``obsstack send``."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.provision.doctor.canary import Canary, event_envelope
from pytest_obsstack.provision.doctor.delivery import (
    Answer,
    package_version,
    refusal,
    sdk_encoding,
    send_envelope,
)
from pytest_obsstack.provision.doctor.finding import Outcome, Skip, fail, ok, warn
from pytest_obsstack.provision.doctor.reports import find_event
from pytest_obsstack.provision.doctor.subject import Subject
from pytest_obsstack.wire.dsn import Dsn, InvalidDsn

Level = Literal["fatal", "error", "warning", "info", "debug"]
LEVELS: tuple[str, ...] = get_args(Level)
SERVICE = "obsstack-send"
MESSAGE = "A test event of obsstack send"


@dataclass(frozen=True)
class SentEvent:
    """A test event and what became of it."""

    dsn: str
    """Without its key."""
    event_id: str
    trace_id: str
    accepted: bool
    arrived: bool | None
    """``None`` where no API is known that could be asked."""
    link: str | None
    """The issue's page."""
    outcome: Outcome

    @property
    def exit_status(self) -> int:
        """0 where it was accepted and, as far as that can be asked, has arrived; else 1."""
        return 0 if self.accepted and self.arrived is not False else 1

    def to_json(self) -> dict[str, Any]:
        return {
            "dsn": self.dsn,
            "event_id": self.event_id,
            "trace_id": self.trace_id,
            "accepted": self.accepted,
            "arrived": self.arrived,
            "link": self.link,
            "found": self.outcome.found,
            "do": self.outcome.do,
            "took_s": None if self.outcome.took_s is None else round(self.outcome.took_s, 3),
            "exit_status": self.exit_status,
        }


def send_event(subject: Subject, *, message: str = MESSAGE, level: str = "error") -> SentEvent:
    """Send one event to the subject's DSN and, where its API is known, look for it.

    Raises ``ObsstackError`` where there is no DSN that can be read.
    """
    dsn = _dsn(subject)
    canary = Canary(package_version(), subject.now_s())
    envelope = event_envelope(canary, dsn, message=message, level=level, service=SERVICE)
    started_s = time.monotonic()
    answer = send_envelope(dsn, envelope, encoding=sdk_encoding(), transport=subject.transport)
    arrived, link, outcome = (
        _looked_for(subject, dsn, canary.event_id, answer, started_s)
        if answer.accepted
        else (None, None, refusal(answer, "the event", subject.tracker_name))
    )
    return SentEvent(
        dsn=dsn.redacted(),
        event_id=canary.event_id,
        trace_id=canary.trace.trace_id,
        accepted=answer.accepted,
        arrived=arrived,
        link=link,
        outcome=Outcome(
            outcome.status,
            subject.redact(outcome.found),
            None if outcome.do is None else subject.redact(outcome.do),
            outcome.took_s,
            outcome.hop,
        ),
    )


def _looked_for(
    subject: Subject, dsn: Dsn, event_id: str, answer: Answer, started_s: float
) -> tuple[bool | None, str | None, Outcome]:
    accepted = f"accepted ({answer.status})"
    try:
        found = find_event(subject, event_id, subject.timeout_s)
    except Skip as skip:
        return None, None, ok(f"{accepted}; {skip}")
    except ObsstackError as error:
        what = " ".join(f"{error.summary} {error.found or ''}".split())
        return None, None, warn(f"{accepted}, but {what}", error.advice or "see doctor")
    name = subject.tracker_name
    if found is None:
        return (
            False,
            None,
            fail(
                f"{accepted}, but {name} does not show it within {subject.timeout_s:g} s in the "
                f"project that it is asked for; the DSN is of project {dsn.project_id}",
                "`obsstack doctor` tells where it stops; or look for longer with --timeout",
            ),
        )
    link = subject.tracker.issues_url(found.issue_id)
    return True, link, ok(f"arrived in {name}", took_s=time.monotonic() - started_s)


def _dsn(subject: Subject) -> Dsn:
    text = subject.setup.dsn
    if not text:
        raise ObsstackError(
            "There is no DSN to send to.",
            expected="--dsn, SENTRY_DSN, or a stack that was left running",
            found="none of them",
            advice="give --dsn, or start a stack with `obsstack up`",
        )
    try:
        return Dsn.parse(text)
    except InvalidDsn as error:
        raise ObsstackError(
            f"The DSN cannot be read: its {error.part} is wrong.",
            expected=error.expected,
            found=error.found,
            advice="copy the DSN from the settings of the project (Client Keys)",
        ) from error
