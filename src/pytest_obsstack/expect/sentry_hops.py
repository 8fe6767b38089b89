"""How far an error or a transaction got: from the app over its SDK to the error tracker."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING

from pytest_obsstack.clients.sentry.explore import OTLP_ORIGIN
from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.hops import app_hop, unanswered
from pytest_obsstack.expect.losses import ERROR_CATEGORIES, counts, first_loss, lost_since
from pytest_obsstack.expect.mismatch import plural
from pytest_obsstack.record.hops import Hop
from pytest_obsstack.wire.dsn import Dsn, InvalidDsn

if TYPE_CHECKING:
    from pytest_obsstack.clients.sentry.event import Event

_DISABLED = re.compile(r"Sentry disabled: .*")


def sentry_hops(context: Context) -> tuple[Hop, ...]:
    """From the app over its SDK to Sentry, for errors and transactions."""
    app = app_hop(context)
    dsn = _dsn_hop(context)
    if app.broken or dsn.broken:
        return (app, dsn)
    arrived = _tracker_hop(context)
    return (app, dsn, arrived, _discards_hop(context))


def _dsn_hop(context: Context) -> Hop:
    """What the app was told, and what it says of it."""
    name = "app → SDK"
    said = next(filter(None, map(_disabled, context.app.log_lines())), None)
    if said is not None:
        return Hop(
            name,
            f'the app says "{said}"',
            broken=True,
            cause="give the app a valid SENTRY_DSN (fixture obs_dsn)",
        )
    if not context.app.environment:
        return Hop(name, "the app's DSN is not known here")
    dsn = context.app.environment.get("SENTRY_DSN")
    if not dsn:
        return Hop(
            name,
            "the app has no SENTRY_DSN",
            broken=True,
            cause="give the app the DSN of the fixture obs_dsn in SENTRY_DSN",
        )
    try:
        parsed = Dsn.parse(dsn)
    except InvalidDsn as error:
        return Hop(name, f"SENTRY_DSN is no DSN: {error}", broken=True, cause="correct SENTRY_DSN")
    wanted = context.reached.sentry.dsn if context.reached.sentry else None
    if wanted is None or dsn == wanted:
        return Hop(name, f"SDK has the DSN {parsed.redacted()}")
    expected = Dsn.parse(wanted)
    for what, have, should in (
        ("host", (parsed.host, parsed.port), (expected.host, expected.port)),
        ("project", parsed.project_id, expected.project_id),
        ("key", parsed.public_key, expected.public_key),
    ):
        if have != should:
            return Hop(
                "SDK → Sentry",
                f"SDK has a DSN with another {what} than this project's",
                broken=True,
                cause=f"the app's SENTRY_DSN is {parsed.redacted()}, the project's is "
                f"{expected.redacted()}; {_dsn_fate(what)}",
            )
    return Hop(name, f"SDK has the DSN {parsed.redacted()}")


def _disabled(line: str) -> str | None:
    """What a line says of a Sentry that is off; of one in JSON its message."""
    if _DISABLED.search(line) is None:
        return None
    with contextlib.suppress(ValueError, LookupError, TypeError):
        line = json.loads(line)["message"]
    match = _DISABLED.search(str(line))
    return None if match is None else match[0]


def _dsn_fate(what: str) -> str:
    return {
        "host": "what the app reports goes elsewhere",
        "project": "what the app reports goes to another project",
        "key": "Sentry refuses envelopes with an unknown key (403)",
    }[what]


def events_of_test(context: Context) -> tuple[Event, ...]:
    """The error events of this test's trace; raises ``ObsstackError``."""
    return context.clients.sentry.events_of_trace(context.trace_id, since_s=context.started_s)


def _tracker_hop(context: Context) -> Hop:
    traits = context.clients.sentry.traits
    if "transactions" in traits.capabilities:
        return _sentry_hop(context)
    name = f"SDK → {traits.product}"
    try:
        events = events_of_test(context)
    except ObsstackError as error:
        return unanswered(name, traits.product, error)
    seen = f"{traits.product} shows {plural(len(events), 'event')} of this trace"
    if events or not _expects_error(context):
        return Hop(name, seen)
    return Hop(
        name,
        seen,
        broken=True,
        cause="the SDK sent no event (look at before_send, ignore_errors, sample_rate, and at the "
        f"app's own try/except), or {traits.product} did not take it ({traits.usual_loss}): see "
        "the answers in the app's log with debug=True, and the logs of the tracker and its workers",
    )


def _sentry_hop(context: Context) -> Hop:
    client = context.clients.sentry
    try:
        rows = client.spans_of_trace(context.trace_id)
        events = events_of_test(context)
    except ObsstackError as error:
        return unanswered("SDK → Sentry", "Sentry", error)
    transactions = sum(1 for row in rows if row.is_transaction and row.origin != OTLP_ORIGIN)
    seen = (
        f"Sentry accepted {plural(len(events), 'event')}, {plural(transactions, 'transaction')}"
        " of this trace"
    )
    arrived = events or (transactions and not _expects_error(context))
    if arrived:
        return Hop("SDK → Sentry", seen)
    lost = _lost(context, ERROR_CATEGORIES if transactions else (*ERROR_CATEGORIES, "transaction"))
    if lost is not None:
        name, told, cause = lost
        return Hop(name, f"{seen}, since this test began {told}", broken=True, cause=cause)
    if transactions:
        cause = (
            "the SDK reached Sentry but sent no event: look at before_send, ignore_errors, "
            "sample_rate, deduplication (log after capture), and at the app's own try/except"
        )
        return Hop("SDK (filter)", seen, broken=True, cause=cause)
    return Hop(
        "SDK → Sentry",
        seen,
        broken=True,
        cause="the SDK sent nothing: traces_sample_rate may be unset or 0, before_send and "
        "before_send_transaction may drop all, the network or Sentry's answers may be in the way; "
        "see the app's log",
    )


def _lost(context: Context, categories: tuple[str, ...]) -> tuple[str, str, str] | None:
    """The first loss that SDKs and Sentry have told since the test began, if they have any."""
    before = context.outcomes_before
    if before is None:
        return None
    try:
        now = counts(context.clients.sentry.outcomes())
    except ObsstackError:
        # The last hop asks for them, too, and says that they cannot be had.
        return None
    return first_loss(lost_since(before, now), categories)


def _expects_error(context: Context) -> bool:
    return any(
        exchange.status is not None and exchange.status >= 500 for exchange in context.answered
    )


def _discards_hop(context: Context) -> Hop:
    traits = context.clients.sentry.traits
    if not traits.counts_outcomes:
        return Hop(traits.product, f"{traits.product} does not tell what was discarded")
    try:
        outcomes = context.clients.sentry.outcomes()
    except ObsstackError as error:
        return unanswered("Sentry", "Sentry's outcomes", error)
    bad = [o for o in outcomes if o.outcome != "accepted" and o.quantity]
    if not bad:
        return Hop("Sentry", "SDK reported no discards")
    shown = ", ".join(
        f"{o.quantity} {o.category} {o.outcome} ({o.reason or 'no reason'})" for o in bad[:4]
    )
    return Hop("Sentry", f"the project's outcomes: {shown}")
