"""Who is logged in with a browser: sessions in memory, and the tokens that guard their forms."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from pytest_obsstack.embedded.sentry.times import NS

SESSION_COOKIE, CSRF_COOKIE = "sentrysid", "sc"
"""Named as Sentry names them."""
_LIFETIME_NS = 14 * 86_400 * NS
_MAX_SESSIONS = 1000


@dataclass(frozen=True)
class Session:
    """One login of one browser; ``csrf_token`` has to come with everything that it changes."""

    id: str
    csrf_token: str
    email: str
    expires_ns: int


class Sessions:
    """The sessions; a restart ends them all."""

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        self._clock_ns = clock_ns
        self._sessions: dict[str, Session] = {}

    def begin(self, email: str) -> Session:
        session = Session(
            id=new_token(),
            csrf_token=new_token(),
            email=email,
            expires_ns=self._clock_ns() + _LIFETIME_NS,
        )
        self._sessions[session.id] = session
        while len(self._sessions) > _MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        return session

    def get(self, session_id: str | None) -> Session | None:
        """``None`` for a session that is not known, or not any more."""
        session = self._sessions.get(session_id or "")
        if session is None or session.expires_ns <= self._clock_ns():
            return None
        return session

    def end(self, session: Session) -> None:
        self._sessions.pop(session.id, None)


def new_token() -> str:
    return secrets.token_urlsafe(32)


def same_token(given: str | None, expected: str | None) -> bool:
    """Whether both are there and equal, told in constant time."""
    return bool(given and expected) and hmac.compare_digest(
        (given or "").encode(), (expected or "").encode()
    )
