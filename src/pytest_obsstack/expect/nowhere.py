"""Nothing that arrived for this test holds a text: the proof that a secret did not leak."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from pytest_obsstack.errors import CannotTell
from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.fence import (
    Settled,
    errors_settled,
    logs_settled,
    spans_settled,
)
from pytest_obsstack.expect.hops import log_hops, metric_hops, span_hops
from pytest_obsstack.expect.metric_fence import services_metrics_settled
from pytest_obsstack.expect.mismatch import Mismatch, fail, plural
from pytest_obsstack.expect.places import places
from pytest_obsstack.expect.question import KEEP, cannot_tell
from pytest_obsstack.expect.sentry_hops import sentry_hops
from pytest_obsstack.expect.sentry_logs import sends_sentry_logs, sentry_logs_settled
from pytest_obsstack.expect.text_forms import looks_for, shown_as
from pytest_obsstack.providers.app_spec import SENTRY_LOGS
from pytest_obsstack.record.hops import Hop

_Fence = tuple[str, Callable[[Context], Settled], str, Callable[[Context], tuple[Hop, ...]]]


@dataclass(frozen=True)
class Find:
    """A place where the text was found."""

    where: str
    form: str
    excerpt: str


def expect_nowhere(context: Context, wanted: str | re.Pattern[str]) -> None:
    """Search all that arrived for the trace, once every signal has settled."""
    __tracebackhide__ = True
    have = context.stack.capabilities
    unproven: CannotTell | None = None
    asked = [each for each in _fences(context) if each[0] in have and _sends(context, each[2])]
    if not asked:
        unproven = _nothing_to_search(context)
    for _, settle, signal, hops in asked:
        settled = settle(context)
        if not settled.proven:
            purpose = "assert that a text is nowhere"
            unproven = cannot_tell(purpose, settled, _named(signal), hops(context))
            break
    # What is there is told, whether or not more may come.
    finds = list(search(context, wanted))
    if finds:
        shown = [f"{find.where} ({find.form}): {find.excerpt}" for find in finds]
        fail(
            Mismatch(
                summary=f"A text that must be nowhere was found in {plural(len(finds), 'place')}.",
                expected=f"nothing of trace {context.short_trace()} holds {shown_as(wanted)}",
                found=shown[0],
                others=tuple(shown[1:6]),
                advice="remove it before it is sent: before_send and before_send_transaction for "
                "Sentry, the logger and the span's attributes for OpenTelemetry",
                look=(KEEP,),
            )
        )
    if unproven is not None:
        raise unproven
    context.asserted.add("text", "absent", (), [wanted] if isinstance(wanted, str) else [])


def _nothing_to_search(context: Context) -> CannotTell:
    """Where no signal of the app is kept by anything here, nothing was looked at."""
    sent = {signal for service in context.services() for signal in service.signals}
    return CannotTell(
        "Cannot assert that a text is nowhere: nothing of what the app reports can be searched.",
        expected="a stack that shows what the app reports",
        found=f"an app that reports {', '.join(sorted(sent)) or 'nothing'}, and a stack with "
        f"{', '.join(sorted(context.stack.capabilities)) or 'nothing'}",
        advice="mark the test with obs_requires, or correct AppSpec.signals",
    )


def _fences(context: Context) -> list[_Fence]:
    """What each signal needs, its fence, its name, and what is asked where it is not passed."""
    spans: list[_Fence] = [
        ("spans", partial(spans_settled, store=store), "spans", partial(span_hops, store=store))
        for store in context.clients.span_stores
    ]
    return [
        ("issues", errors_settled, "errors", sentry_hops),
        # Of every store: one may still wait for what another has already.
        *spans,
        ("logs", logs_settled, "logs", log_hops),
        ("metrics", services_metrics_settled, "metrics", metric_hops),
        # Last, because it takes seconds.
        ("issues", sentry_logs_settled, SENTRY_LOGS, sentry_hops),
    ]


def _named(signal: str) -> str:
    return "structured logs of Sentry's SDK" if signal == SENTRY_LOGS else signal


def _sends(context: Context, signal: str) -> bool:
    if signal == SENTRY_LOGS:
        return sends_sentry_logs(context)
    return any(signal in service.signals for service in context.services())


def search(context: Context, wanted: str | re.Pattern[str]) -> Iterator[Find]:
    """Every place in which the text, or one of its usual encodings, occurs."""
    looks = looks_for(wanted)
    for where, text in places(context):
        for look in looks:
            found = look(text)
            if found is not None:
                yield Find(where, found.form, found.excerpt)
                break
