"""Whether arrival is proven, and for which requests no fence can ever prove it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pytest_obsstack.expect.context import Context
    from pytest_obsstack.record.exchanges import Exchange

Fenced = Literal["errors", "spans", "logs", "metrics"]

_LAST_OF_A_REQUEST = {
    "errors": "its transaction",
    "spans": "its server span",
    "logs": "its last log record",
}
_ITEM = {"errors": "transaction=", "spans": "span=", "logs": "line=", "metrics": "line="}


@dataclass(frozen=True)
class Settled:
    """Whether arrival is proven; ``reason`` says why not."""

    reason: str | None = None
    polls: int = 1
    """0 where waiting could not have helped."""
    waited_s: float = 0.0
    advice: str | None = None
    """What the usual cause is and what to do, where the reason has one."""

    @property
    def proven(self) -> bool:
        return self.reason is None


def never_tells(context: Context, signal: Fenced) -> Settled | None:
    """The reason for which no fence of ``signal`` can prove anything, however long it waits."""
    if not context.exchanges.all:
        return Settled("no request of this test is known, so there is nothing to wait for", polls=0)
    for exchange in context.exchanges.all:
        if exchange.status is None and not exchange.handed_out:
            return Settled(
                f"{exchange.method} {exchange.path} got no response, so the app may still be at "
                "work on it",
                polls=0,
            )
    return background_unfinished(context, signal) or _streamed(context, signal)


def background_unfinished(context: Context, signal: Fenced) -> Settled | None:
    """The end of the work of background threads has to be seen; requests do not tell it."""
    if context.background_ends.get(signal) == len(context.exchanges.all):
        return None
    service = next((s.service for s in context.services() if s.background_threads), None)
    if service is None:
        return None
    return Settled(
        f"{service} goes on reporting after its responses (AppSpec.background_threads), and no "
        "request proves when that has ended",
        polls=0,
        advice="let the background work end with something of its own, and wait for that first: "
        f"obs.expect_background_end({_ITEM[signal]}…)",
    )


def _streamed(context: Context, signal: Fenced) -> Settled | None:
    """What the making of a streamed body reports is sent after what ends the request itself."""
    last = _LAST_OF_A_REQUEST.get(signal)
    if last is None or context.app.ends_after_body:
        return None
    if context.background_ends.get(signal) == len(context.exchanges.all):
        return None
    for exchange in context.exchanges.all:
        if exchange.streamed and not _followed(context, exchange):
            first = (
                "send one more request that is not streamed: what it reports comes last"
                if context.app.processes == 1
                else "wait for what the body's making reports last: "
                f"obs.expect_background_end({_ITEM[signal]}…)"
            )
            return Settled(
                f"the body of {exchange.describe()} was streamed, and {last} ends before the body "
                "does, so what its making reports may still follow",
                polls=0,
                advice=f"{first}; if spans and transactions of this app end after the body, as "
                "those of ASGI apps do, declare AppSpec(ends_after_body=True)",
            )
    return None


def _followed(context: Context, streamed: Exchange) -> bool:
    """Whether a later request stands in the same queues, behind all of the streamed body."""
    return context.app.processes == 1 and any(
        later.started_s >= streamed.ended_s and not later.streamed and not later.handed_out
        for later in context.exchanges.all
    )
