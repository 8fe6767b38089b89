"""Nothing that arrived for this test holds a text: the proof that a secret did not leak."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.fence import errors_settled, logs_settled, spans_settled
from pytest_obsstack.expect.hops import log_hops, sentry_hops, span_hops
from pytest_obsstack.expect.mismatch import Mismatch, fail, plural
from pytest_obsstack.expect.question import KEEP, cannot_tell

_AROUND = 40


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
    purpose = "assert that a text is nowhere"
    for needed, settle, signal, hops in (
        ("issues", errors_settled, "errors", sentry_hops),
        ("spans", spans_settled, "spans", span_hops),
        ("logs", logs_settled, "logs", log_hops),
    ):
        if needed in have:
            settled = settle(context)
            if not settled.proven:
                raise cannot_tell(purpose, settled, signal, hops(context))
    finds = list(search(context, wanted))
    if finds:
        shown = [f"{find.where} ({find.form}): {find.excerpt}" for find in finds]
        fail(
            Mismatch(
                summary=f"A text that must be nowhere was found in {plural(len(finds), 'place')}.",
                expected=f"nothing of trace {context.short_trace()} holds {_shown(wanted)}",
                found=shown[0],
                others=tuple(shown[1:6]),
                advice="remove it before it is sent: before_send and before_send_transaction for "
                "Sentry, the logger and the span's attributes for OpenTelemetry",
                look=(KEEP,),
            )
        )


def search(context: Context, wanted: str | re.Pattern[str]) -> Iterator[Find]:
    """Every place in which the text, or one of its usual encodings, occurs."""
    patterns = _patterns(wanted)
    for where, text in _texts(context):
        for form, pattern in patterns:
            match = pattern.search(text)
            if match is not None:
                start = max(0, match.start() - _AROUND)
                yield Find(where, form, text[start : match.end() + _AROUND].replace("\n", " "))
                break


def _texts(context: Context) -> Iterator[tuple[str, str]]:
    have = context.stack.capabilities
    if "issues" in have:
        yield from _sentry_texts(context)
    if "logs" in have:
        for entry in context.clients.loki.lines_of_trace(
            context.trace_id, since_ns=context.since_ns
        ):
            facts = {**entry.labels, **entry.structured_metadata}
            yield f"log line of {entry.labels.get('service_name')}", entry.line
            yield "labels and metadata of a log line", json.dumps(facts, ensure_ascii=False)
    if "metrics" in have and context.app.instance:
        series = context.clients.prometheus.series(f'{{instance="{context.app.instance}"}}')
        for labels in series:
            yield (
                f"labels of {labels.get('__name__')}",
                json.dumps(dict(labels), ensure_ascii=False),
            )


def _sentry_texts(context: Context) -> Iterator[tuple[str, str]]:
    client = context.clients.sentry
    events = [("event", event.event_id) for event in client.events_of_trace(context.trace_id)]
    events += [
        ("transaction", transaction.event_id)
        for transaction in client.transactions_of_trace(context.trace_id)
    ]
    for kind, event_id in events:
        where = f"Sentry {kind} {event_id}"
        yield where, json.dumps(client.event_json(event_id), ensure_ascii=False)
        for attachment in client.attachments(event_id):
            content = client.attachment_content(event_id, attachment.id)
            yield f"attachment {attachment.name} of {where}", content.decode("utf-8", "replace")
    for row in client.spans_of_trace(context.trace_id):
        yield f"span {row.name}", json.dumps(row.raw, ensure_ascii=False)


def _patterns(wanted: str | re.Pattern[str]) -> list[tuple[str, re.Pattern[str]]]:
    if isinstance(wanted, re.Pattern):
        return [("as it is", wanted)]
    forms = {
        "as it is": wanted,
        "JSON-escaped": json.dumps(wanted)[1:-1],
        "JSON-escaped twice": json.dumps(json.dumps(wanted)[1:-1])[1:-1],
        "URL-encoded": quote(wanted, safe=""),
        "URL-encoded form": quote_plus(wanted, safe=""),
    }
    found: dict[str, str] = {}
    for form, text in forms.items():
        found.setdefault(text, form)
    for text in _base64_forms(wanted):
        found.setdefault(text, "base64")
    return [(form, re.compile(re.escape(text))) for text, form in found.items()]


def _base64_forms(wanted: str) -> Iterator[str]:
    """The part of each of the three alignments that does not depend on the neighbours."""
    data = wanted.encode()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + data).decode("ascii").rstrip("=")
        start = {0: 0, 1: 2, 2: 3}[shift]
        # The last digit holds bits of the next byte unless the data ends on a group of three.
        end = len(encoded) if (shift + len(data)) % 3 == 0 else len(encoded) - 1
        text = encoded[start:end]
        if len(text) >= 6:
            yield text
            yield text.replace("+", "-").replace("/", "_")


def _shown(wanted: str | re.Pattern[str]) -> str:
    return f"/{wanted.pattern}/" if isinstance(wanted, re.Pattern) else repr(wanted)
