"""The end of background work: seen by what the app reports last of it, anew after each request.

What was the end for earlier requests says nothing of later ones: a thing that has been taken for
the end is not taken again once another request has been sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.logs import expected_line, line_question
from pytest_obsstack.expect.matching import given
from pytest_obsstack.expect.question import Question
from pytest_obsstack.expect.sentry_questions import transaction_question
from pytest_obsstack.expect.traces import span_question

T = TypeVar("T")


def expect_background_end(context: Context, *, transaction: Any, span: Any, line: Any) -> None:
    """What was named has arrived since the last request for which it was expected."""
    __tracebackhide__ = True
    if transaction is None and span is None and line is None:
        raise ObsstackError(
            "expect_background_end was given nothing to wait for.",
            expected="transaction=, span= or line=: what the background work reports last",
            found="none of them",
        )
    if transaction is not None:
        question = transaction_question(context)
        _expect_end(
            context, question, given(name=transaction), lambda each: f"event {each.event_id}"
        )
    if span is not None:
        spans = span_question(context)
        _expect_end(context, spans, given(name=span), lambda each: f"span {each.span_id}")
    if line is not None:
        lines, wanted = line_question(context), expected_line(line)
        _expect_end(context, lines, wanted, lambda each: f"line {each.timestamp_ns} {each.line}")


def _expect_end(
    context: Context, question: Question[T], expected: dict[str, Any], key: Callable[[T], str]
) -> None:
    __tracebackhide__ = True
    now, seen, fetch = len(context.exchanges.all), context.background_seen, question.fetch
    fresh = replace(
        question, fetch=lambda: [each for each in fetch() if seen.get(key(each), now) == now]
    )
    seen[key(fresh.one(context, expected))] = now
    for name in (question.signal, "metrics"):
        context.background_ends[name] = now
    context.background_ended_s = time.time()
