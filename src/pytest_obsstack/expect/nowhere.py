"""Nothing that arrived for this test holds a text: the proof that a secret did not leak."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from pytest_obsstack.errors import CannotTell
from pytest_obsstack.expect.context import AppFacts, Context
from pytest_obsstack.expect.fence import (
    Settled,
    errors_settled,
    logs_settled,
    spans_settled,
)
from pytest_obsstack.expect.hops import log_hops, metric_hops, span_hops
from pytest_obsstack.expect.metric_fence import metrics_settled
from pytest_obsstack.expect.mismatch import Mismatch, fail, plural
from pytest_obsstack.expect.question import KEEP, cannot_tell
from pytest_obsstack.expect.sentry_hops import events_of_test, sentry_hops
from pytest_obsstack.record.hops import Hop

_AROUND = 40

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
    for needed, settle, signal, hops in _fences(context):
        if needed in have and signal in context.app.signals:
            settled = settle(context)
            if not settled.proven:
                purpose = "assert that a text is nowhere"
                unproven = cannot_tell(purpose, settled, signal, hops(context))
                break
    # What is there is told, whether or not more may come.
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
    if unproven is not None:
        raise unproven
    context.asserted.add("text", "absent", (), [wanted] if isinstance(wanted, str) else [])


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
        ("metrics", _metrics_settled, "metrics", metric_hops),
    ]


def _metrics_settled(context: Context) -> Settled:
    return metrics_settled(context, context.last_ended_s)


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
    for store in context.clients.span_stores:
        yield from store.span_texts(context.trace_id)
    if "logs" in have:
        for entry in context.clients.loki.lines_of_trace(
            context.trace_id, since_ns=context.since_ns
        ):
            facts = {**entry.labels, **entry.structured_metadata}
            yield f"log line of {entry.labels.get('service_name')}", entry.line
            yield "labels and metadata of a log line", json.dumps(facts, ensure_ascii=False)
    if "metrics" in have:
        for service in context.services():
            for labels in context.clients.prometheus.series(_series_of(service)):
                text = json.dumps(dict(labels), ensure_ascii=False)
                yield f"labels of {labels.get('__name__')}", text


def _series_of(service: AppFacts) -> str:
    if service.instance:
        return f'{{instance="{service.instance}"}}'
    return f'{{job="{service.service}"}}'


def _sentry_texts(context: Context) -> Iterator[tuple[str, str]]:
    client = context.clients.sentry
    events = [("event", event.event_id) for event in events_of_test(context)]
    if "transactions" in client.traits.capabilities:
        events += [
            ("transaction", transaction.event_id)
            for transaction in client.transactions_of_trace(context.trace_id)
        ]
    for kind, event_id in events:
        where = f"{client.traits.product} {kind} {event_id}"
        yield where, json.dumps(client.event_json(event_id), ensure_ascii=False)
        for attachment in client.attachments(event_id):
            content = client.attachment_content(event_id, attachment.id)
            yield f"attachment {attachment.name} of {where}", content.decode("utf-8", "replace")


def _patterns(wanted: str | re.Pattern[str]) -> list[tuple[str, re.Pattern[str]]]:
    if isinstance(wanted, re.Pattern):
        return [("as it is", wanted)]
    patterns = [("as it is", re.escape(wanted)), ("escaped", _escaped(wanted))]
    patterns += [("base64", re.escape(text)) for text in dict.fromkeys(_base64_forms(wanted))]
    return [(form, re.compile(pattern)) for form, pattern in patterns]


def _escaped(wanted: str) -> str:
    """A pattern in which each character may be escaped as in JSON, a URL or HTML, or not.

    Character by character, because every language escapes others (Go the ``&``, PHP the ``/``),
    and texts are often escaped more than once.
    """
    return "".join(f"(?:{'|'.join(_forms(character))})" for character in wanted)


def _forms(character: str) -> Iterator[str]:
    yield re.escape(character)
    # JSON, RFC 8259 section 7; each level of JSON within JSON doubles the backslashes.
    units = character.encode("utf-16-be").hex()
    yield "".join(rf"\\+u(?i:{units[at : at + 4]})" for at in range(0, len(units), 4))
    short = json.dumps(character)[1:-1]
    if len(short) == 2 or character == "/":
        yield r"\\+" + re.escape(short[-1])
    # RFC 3986 section 2.1, once or more often (%25 is the percent sign itself).
    yield "".join(f"%(?:25)*(?i:{byte:02x})" for byte in character.encode())
    if character == " ":
        yield r"\+"
    yield f"&#(?:{ord(character)}|x(?i:{ord(character):x}));"
    if html.escape(character) != character:
        yield html.escape(character)


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
