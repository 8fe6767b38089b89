"""Sentry's issue search, as far as smaller trackers know it: terms ``key:value`` and plain text.

What such a tracker does not know it takes for the name of a tag, and finds nothing; that must not
read as "no such issue", so it is refused here.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection

from pytest_obsstack.errors import ObsstackError

_TRACE = re.compile(r"trace:([0-9a-f]{32})")
_WORDS = ("AND", "OR")


def trace_term(query: str) -> str | None:
    """The trace id of a query that asks for a trace and nothing else."""
    match = _TRACE.fullmatch(query.strip())
    return None if match is None else match[1]


def checked(product: str, query: str, *, refused_keys: Collection[str]) -> str:
    """``query``, if each of its terms is ``key:value`` or plain text; else ``ObsstackError``.

    ``refused_keys`` mean something to Sentry that the tracker has no equivalent of.
    """
    try:
        terms = shlex.split(query)
    except ValueError as error:
        raise _refused(product, query, str(error)) from error
    for term in terms:
        key, colon, value = term.partition(":")
        if term in _WORDS or term[:1] in ("!", "("):
            raise _refused(product, term, "negation, AND, OR and parentheses are Sentry's own")
        if colon and (key in refused_keys or value[:1] in ("[", ">", "<")):
            raise _refused(product, term, "lists, comparisons and this key are Sentry's own")
    return query


def _refused(product: str, term: str, why: str) -> ObsstackError:
    return ObsstackError(
        f"{product} cannot search for {term!r}.",
        expected="terms tag:value, and plain text at the end",
        found=why,
        advice="search by tags alone and compare the rest in the test, or use a tracker that knows "
        "Sentry's search (--obs-use sentry=lite, or the URL of a Sentry)",
    )
