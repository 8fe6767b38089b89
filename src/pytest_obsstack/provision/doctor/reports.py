"""Whether what an SDK reports arrives: event, transaction, encoding, limits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_obsstack.clients.sentry.api import is_missing
from pytest_obsstack.errors import BackendRefused
from pytest_obsstack.provision.doctor.canary import (
    Canary,
    event_envelope,
    transaction_envelope,
)
from pytest_obsstack.provision.doctor.delivery import (
    Answer,
    Encoding,
    brotli_installed,
    package_version,
    refusal,
    send_envelope,
)
from pytest_obsstack.provision.doctor.finding import Outcome, Skip, fail, ok, warn
from pytest_obsstack.provision.doctor.subject import Subject
from pytest_obsstack.provision.doctor.tracker import require_own_key
from pytest_obsstack.waiting import until

if TYPE_CHECKING:
    from pytest_obsstack.clients.sentry.event import Event
    from pytest_obsstack.wire.dsn import Dsn
    from pytest_obsstack.wire.envelope import Envelope


@dataclass(frozen=True)
class Sent:
    """A canary that was sent."""

    canary: Canary
    answer: Answer
    started_s: float
    """By the monotonic clock."""

    @property
    def took_s(self) -> float:
        return time.monotonic() - self.started_s


def event(subject: Subject) -> Outcome:
    """An error event, packed with gzip, which every server takes."""
    return subject.once("event", lambda: _event(subject, "gzip"))


def encoding(subject: Subject, part: Encoding) -> Outcome:
    """The same packed with br, which the SDK uses as soon as it can import ``brotli``."""
    if part == "br" and not brotli_installed():
        raise Skip("the package brotli is not installed here: the SDK packs with gzip, as event")
    outcome = _event(subject, part)
    plain = event(subject)
    if outcome.status != "fail" or plain.status == "fail":
        return outcome
    return fail(
        f"{outcome.found}; packed with gzip: {plain.found}",
        f"let the tracker, or the proxy in front of it, take {part}; or uninstall brotli beside "
        'the app, or give sentry_sdk.init _experiments={"transport_compression_algo": "gzip"}',
        hop=outcome.hop,
    )


def transaction(subject: Subject) -> Outcome:
    """A transaction."""
    endpoint = subject.endpoints.sentry
    traits = None if endpoint is None else subject.tracker.traits
    if traits is not None and traits.product == "Bugsink":
        raise Skip("Bugsink takes no transactions, and tells SDKs so")
    sent = _send(subject, transaction_envelope, "gzip")
    if not sent.answer.accepted:
        return refusal(sent.answer, "a transaction", subject.tracker_name)
    if traits is None:
        return _not_looked_for(sent)
    if "transactions" not in traits.capabilities:
        return ok(f"accepted; {traits.product} does not show transactions by trace")

    def look() -> object | None:
        found = subject.tracker.transactions_of_trace(sent.canary.trace.trace_id)
        return next((each for each in found if each.event_id == sent.canary.event_id), None)

    subject.need("sentry")
    if until(look, timeout_s=subject.timeout_s).value is None:
        return _lost(subject, sent)
    return ok(f"arrived in {traits.product}", took_s=sent.took_s)


def limits(subject: Subject) -> Outcome:
    """Which categories the tracker has told senders to hold back."""
    if not subject.limits:
        raise Skip("no envelope was sent")
    told = sorted({limit.strip() for text in subject.limits for limit in text.split(",")} - {""})
    count = len(subject.limits)
    if not told:
        return ok(f"none in {count} answer{'s' if count != 1 else ''}")
    shown = ", ".join(map(_shown_limit, told))
    if any(_concerns_errors(limit) for limit in told):
        return fail(
            f"senders are told to hold back: {shown}",
            "wait until it ends, or raise the project's quota: SDKs drop errors until then",
        )
    return warn(
        f"senders are told to hold back: {shown}",
        "expect none of these on this tracker, or raise the project's quota",
    )


def find_event(subject: Subject, event_id: str, timeout_s: float) -> Event | None:
    """The event as the tracker's API shows it; ``None`` where it has not come by the deadline."""

    def look() -> Event | None:
        try:
            return subject.tracker.event(event_id)
        except BackendRefused as refused:
            if is_missing(refused):
                return None
            raise

    return until(look, timeout_s=timeout_s).value


def _event(subject: Subject, encoding: Encoding) -> Outcome:
    sent = _send(subject, event_envelope, encoding)
    what = "an event" if encoding == "gzip" else f"an event packed with {encoding}"
    if not sent.answer.accepted:
        return refusal(sent.answer, what, subject.tracker_name)
    if subject.endpoints.sentry is None:
        return _not_looked_for(sent)
    subject.need("sentry")
    found = find_event(subject, sent.canary.event_id, subject.timeout_s)
    if found is None:
        return _lost(subject, sent)
    if found.trace_id != sent.canary.trace.trace_id:
        return warn(
            f"arrived in {subject.tracker_name}, but with trace id {found.trace_id or 'none'}",
            "what is asked by trace will not find it: look for a proxy or a tracker that takes "
            "contexts.trace out",
            took_s=sent.took_s,
        )
    return ok(f"arrived in {subject.tracker_name}", took_s=sent.took_s)


def _send(subject: Subject, build: Callable[[Canary, Dsn], Envelope], encoding: Encoding) -> Sent:
    dsn = subject.dsn
    subject.need_writes()
    subject.need("dsn")
    require_own_key(subject)
    canary = Canary(package_version(), subject.now_s())
    envelope = build(canary, dsn)
    started_s = time.monotonic()
    answer = send_envelope(dsn, envelope, encoding=encoding, transport=subject.transport)
    if answer.status is not None:
        subject.limits.append(answer.limits)
    return Sent(canary, answer, started_s)


def _not_looked_for(sent: Sent) -> Outcome:
    return ok(
        f"accepted ({sent.answer.status}); no API is known, so nobody looked whether it arrived"
    )


def _lost(subject: Subject, sent: Sent) -> Outcome:
    name = subject.tracker_name
    usual = subject.tracker.traits.usual_loss
    return fail(
        f"accepted ({sent.answer.status}), but {name} does not show it within "
        f"{subject.timeout_s:g} s",
        f"look at the log of {name} and of its workers"
        + (f" ({usual})" if usual else "")
        + "; or look for longer with --timeout",
        hop=f"{name}: from ingestion to API",
    )


def _shown_limit(limit: str) -> str:
    seconds, _, rest = limit.partition(":")
    categories = rest.partition(":")[0].replace(";", " and ") or "everything"
    return f"{categories} for {seconds} s"


def _concerns_errors(limit: str) -> bool:
    """An empty category, or none at all, means all (develop.sentry.dev, "Rate Limiting")."""
    categories = limit.partition(":")[2].partition(":")[0].split(";")
    return not {"error", "default", ""}.isdisjoint(categories)
