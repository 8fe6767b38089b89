"""Exactly once: nothing of a test was delivered twice, and no error was reported by two ways.

What can be seen differs by backend. The embedded servers count deliveries. Products keep one of
each event id, span id and (time, line) and say nothing of the rest: there it cannot be told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal, cast

from pytest_obsstack.clients.deliveries import Deliveries, deliveries_of, dropped_lines
from pytest_obsstack.errors import CannotTell, ObsstackError
from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.fence import errors_settled, logs_settled, spans_settled
from pytest_obsstack.expect.hops import log_hops, span_hops
from pytest_obsstack.expect.mismatch import Mismatch, fail
from pytest_obsstack.expect.once_errors import reported_twice
from pytest_obsstack.expect.question import KEEP, cannot_tell
from pytest_obsstack.expect.sentry_fields import event_title
from pytest_obsstack.expect.sentry_hops import events_of_test, sentry_hops
from pytest_obsstack.expect.settled import Settled
from pytest_obsstack.record.hops import Hop

if TYPE_CHECKING:
    from pytest_obsstack.clients.sentry.client import SentryClient

Kind = Literal["events", "spans", "lines", "errors"]
SENTRY_AND_OTEL = "sentry+otel"
"""What ``allow`` takes: an error may be reported by Sentry's SDK and by OpenTelemetry."""

_SHOWN = 10
_DELIVERED = ("events", "spans", "lines")
_TWICE = (
    "look for an SDK that is started twice, two exporters or pipelines for one signal, and retries "
    "after a lost answer"
)
_TWO_WAYS = (
    "report an error by one of the two, or allow both ways: "
    f'expect_exactly_once(allow=("{SENTRY_AND_OTEL}",))'
)
_Fence = tuple[str, Callable[[Context], Settled], Callable[[Context], tuple[Hop, ...]]]
_Seen = tuple[list[str], list[str]]
"""What has come twice, and why something cannot be seen."""
_NEEDS: dict[str, tuple[tuple[str, str], ...]] = {
    "events": (("issues", "errors"),),
    "spans": (("spans", "spans"),),
    "lines": (("logs", "logs"),),
    "errors": (("issues", "errors"), ("spans", "spans"), ("logs", "logs")),
}
"""By kind the capabilities of the stack, and the signals of the app, of which it is about."""


def expect_exactly_once(context: Context, kinds: Sequence[str], allow: Collection[str]) -> None:
    """Fails with everything that has come twice, once all signals have settled."""
    __tracebackhide__ = True
    wanted = _checked(context, kinds, allow)
    unproven = _unproven(context, wanted)
    counts = counted(context)
    looks = {kind: _LOOKS[kind](context, counts) for kind in wanted}
    finds = [find for found, _ in looks.values() for find in found]
    hidden = [reason for _, reasons in looks.values() for reason in reasons]
    # What is there is told, whether or not more may come.
    if finds:
        fail(
            Mismatch(
                summary="Something of this test was delivered more than once.",
                expected=f"each of the {', '.join(wanted)} of trace {context.short_trace()} once",
                found=finds[0],
                others=(
                    *finds[1:_SHOWN],
                    *([f"… and {len(finds) - _SHOWN} more"] if len(finds) > _SHOWN else []),
                ),
                advice="; ".join(
                    advice
                    for advice, kinds_of_it in ((_TWICE, _DELIVERED), (_TWO_WAYS, ("errors",)))
                    if any(looks[kind][0] for kind in wanted if kind in kinds_of_it)
                ),
                look=(KEEP,),
            )
        )
    if unproven is not None:
        raise unproven
    if hidden:
        told = [kind for kind, (_, reasons) in looks.items() if not reasons]
        raise CannotTell(
            "Cannot tell whether everything was delivered exactly once: a backend hides it.",
            expected=f"backends that tell how often {', '.join(wanted)} have come",
            found="\n".join(dict.fromkeys(hidden)),
            advice="ask for what can be told: "
            f"obs.expect_exactly_once({', '.join(map(repr, told))})"
            if told
            else "ask it on the embedded stack, whose servers count deliveries",
        )
    for kind in wanted:
        if kind in _DELIVERED:
            context.asserted.add(kind.removesuffix("s"), "once")


def _checked(context: Context, kinds: Sequence[str], allow: Collection[str]) -> list[str]:
    """The kinds to look at: those that were named, else all that the stack and the app have."""
    __tracebackhide__ = True
    wrong = [kind for kind in kinds if kind not in _NEEDS]
    wrong += [way for way in allow if way != SENTRY_AND_OTEL]
    if wrong:
        raise ObsstackError(
            "expect_exactly_once was given a word that it does not know.",
            expected=f'{", ".join(_NEEDS)}; allow=("{SENTRY_AND_OTEL}",)',
            found=", ".join(wrong),
        )
    wanted = [
        kind
        for kind in kinds or _NEEDS
        if not (kind == "errors" and SENTRY_AND_OTEL in allow)
        and (kinds or all(_has(context, need) for need in _NEEDS[kind]))
    ]
    missing = [
        capability
        for kind in wanted
        for capability, signal in _NEEDS[kind]
        if not _has(context, (capability, signal))
    ]
    if not wanted or missing:
        raise CannotTell(
            "Cannot tell whether everything was delivered exactly once: nothing can be asked.",
            expected="a stack that shows what is asked for, and an app that reports it",
            found=f"without {', '.join(dict.fromkeys(missing))}" if missing else "neither",
            advice="mark the test with obs_requires, or name what this stack shows",
        )
    return wanted


def _has(context: Context, need: tuple[str, str]) -> bool:
    capability, signal = need
    return capability in context.stack.capabilities and signal in context.app.signals


def _unproven(context: Context, wanted: Collection[str]) -> CannotTell | None:
    signals = {signal for kind in wanted for _, signal in _NEEDS[kind]}
    fences: list[_Fence] = [("errors", errors_settled, sentry_hops)]
    fences += [
        ("spans", partial(spans_settled, store=store), partial(span_hops, store=store))
        for store in context.clients.span_stores
    ]
    fences.append(("logs", logs_settled, log_hops))
    for signal, settle, hops in fences:
        if signal in signals:
            settled = settle(context)
            if not settled.proven:
                purpose = "tell whether everything was delivered exactly once"
                return cannot_tell(purpose, settled, signal, hops(context))
    return None


def counted(context: Context) -> Deliveries | None:
    """What the error tracker has counted; ``None`` where it does not."""
    if "tracker_spans" not in context.stack.capabilities:
        return None
    # Nobody but Sentry has that capability.
    return deliveries_of(cast("SentryClient", context.clients.sentry), context.trace_id)


# ---- by kind: what has come twice, and why it cannot be seen


def _events(context: Context, counts: Deliveries | None) -> _Seen:
    product = context.clients.sentry.traits.product
    if counts is None:
        return [], [f"{product} keeps one event of each id and does not tell how often it has come"]
    titles = {event.event_id: event_title(event) for event in events_of_test(context)}
    return [
        f"{titles.get(event_id, 'transaction')} ({event_id}) has come {count} times in {product}"
        for event_id, count in counts.events.items()
        if count > 1
    ], []


def _spans(context: Context, counts: Deliveries | None) -> _Seen:
    finds: list[str] = []
    hidden: list[str] = []
    for store in context.clients.span_stores:
        spans = store.otlp_spans(context.trace_id)
        # Rows that come twice are told, whether or not the store keeps all of them.
        seen = Counter(span.span_id for span in spans)
        counts_here = counts is not None and store.store_name != "Tempo"
        names = {span.span_id: f"span {span.name} of {span.service}" for span in spans}
        finds += [
            f"{names[span_id]} ({span_id}) has come {count} times in {store.store_name}"
            for span_id, count in seen.items()
            if count > 1
        ]
        if not counts_here:
            hidden.append(
                f"{store.store_name} may keep one span of each id and does not tell how often it "
                "has come"
            )
    return finds, hidden


def _lines(context: Context, _: Deliveries | None) -> _Seen:
    loki = context.clients.loki
    entries = loki.lines_of_trace(context.trace_id, since_ns=context.since_ns)
    times = Counter((entry.timestamp_ns, entry.line) for entry in entries)
    dropped = dropped_lines(loki, context.trace_id)
    times.update((each.timestamp_ns, each.line) for each in dropped or ())
    services = {
        (entry.timestamp_ns, entry.line): entry.labels.get("service_name") for entry in entries
    }
    finds = [
        f"line {key[1][:80]!r} of {services.get(key)} has come {count} times in Loki"
        for key, count in times.items()
        if count > 1
    ]
    if dropped is None:
        reason = "Loki drops a line that it has already, of one time and stream, and tells nobody"
        return finds, [reason]
    return finds, []


def _errors(context: Context, counts: Deliveries | None) -> _Seen:
    return reported_twice(context, None if counts is None else counts.exceptions)


_LOOKS: dict[str, Callable[[Context, Deliveries | None], _Seen]] = {
    "events": _events,
    "spans": _spans,
    "lines": _lines,
    "errors": _errors,
}
