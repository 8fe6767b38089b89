"""The requests that a test made of the app."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Exchange:
    """One request and its outcome; times are Unix seconds by this machine's clock."""

    method: str
    path: str
    """Path and query as sent."""
    status: int | None
    """``None`` where no response came."""
    span_id: str
    """The parent span id that was sent: the app's server span and transaction name it."""
    started_s: float
    ended_s: float
    decided: bool = True
    """False where the sampling decision was left to the app."""
    handed_out: bool = False
    """True for headers that were given to another client, of whose request nothing is known."""
    streamed: bool = False
    """Whether the body came in parts, its length unknown when it began."""

    def describe(self) -> str:
        """``GET /error (500)``."""
        if self.handed_out:
            return "the request with obs.headers"
        return f"{self.method} {self.path} ({self.status or 'no response'})"


@dataclass
class Exchanges:
    """The exchanges of one test, in order."""

    all: list[Exchange] = field(default_factory=list)

    @property
    def first_started_s(self) -> float | None:
        return min((e.started_s for e in self.all), default=None)

    @property
    def last_ended_s(self) -> float | None:
        return max((e.ended_s for e in self.all), default=None)

    def summary(self) -> str:
        """``3 requests (200, 500 ×2)``; ``no request`` where there was none."""
        if not self.all:
            return "no request"
        counts: dict[str, int] = {}
        for exchange in self.all:
            if exchange.handed_out:
                status = "with obs.headers"
            else:
                status = "no response" if exchange.status is None else str(exchange.status)
            counts[status] = counts.get(status, 0) + 1
        shown = ", ".join(
            status if count == 1 else f"{status} ×{count}" for status, count in counts.items()
        )
        noun = "request" if len(self.all) == 1 else "requests"
        return f"{len(self.all)} {noun} ({shown})"
