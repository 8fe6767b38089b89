from __future__ import annotations

import pytest

from pytest_obsstack.clients.sentry.search import checked, trace_term
from pytest_obsstack.errors import ObsstackError

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "endpoint:/error",
        'title:"two words" rest',
        "is:unresolved",
        "plain text",
        '"" x',
        "a:b:c",
    ],
)
def test_tags_and_text_are_passed_on_as_they_are(query: str) -> None:
    assert checked("GlitchTip", query, refused_keys=["trace"]) == query


@pytest.mark.parametrize(
    ("query", "term"),
    [
        ("a:b !region:eu", "!region:eu"),
        ("a:b OR c:d", "OR"),
        ("(a:b)", "(a:b)"),
        ("region:[eu,us]", "region:[eu,us]"),
        ("times:>5", "times:>5"),
        ("trace:abc", "trace:abc"),
        ('title:"open', 'title:"open'),
    ],
)
def test_what_such_a_tracker_takes_for_a_tag_name_is_refused(query: str, term: str) -> None:
    with pytest.raises(ObsstackError) as caught:
        checked("GlitchTip", query, refused_keys=["trace"])
    assert caught.value.summary == f"GlitchTip cannot search for {term!r}."


def test_message_of_a_term_that_is_sentrys_own() -> None:
    with pytest.raises(ObsstackError) as caught:
        checked("Bugsink", "!a:b", refused_keys=[])
    assert str(caught.value) == (
        "Bugsink cannot search for '!a:b'.\n"
        "  expected  terms tag:value, and plain text at the end\n"
        "  found     negation, AND, OR and parentheses are Sentry's own\n"
        "  do        search by tags alone and compare the rest in the test, or use a tracker that "
        "knows Sentry's search (--obs-use sentry=lite, or the URL of a Sentry)"
    )


def test_a_trace_alone_is_told_from_other_queries() -> None:
    assert trace_term(f" trace:{TRACE} ") == TRACE
    assert trace_term(f"trace:{TRACE} a:b") is None
    assert trace_term("trace:abc") is None
    assert trace_term("") is None
