from __future__ import annotations

import pytest

from pytest_obsstack.clients.sentry.errors_alone import ErrorsAlone
from pytest_obsstack.clients.sentry.traits import BUGSINK
from pytest_obsstack.errors import ObsstackError


class Alone(ErrorsAlone):
    traits = BUGSINK


def test_there_are_no_attachments() -> None:
    assert Alone().attachments("a" * 32) == ()
    with pytest.raises(ObsstackError, match=r"^Bugsink does not show attachments\."):
        Alone().attachment_content("a" * 32, "1")


def test_message_of_spans() -> None:
    with pytest.raises(ObsstackError) as caught:
        Alone().spans_of_trace("b" * 32)
    assert str(caught.value) == (
        "Bugsink does not show spans.\n"
        "  expected  an error tracker that shows spans\n"
        "  found     Bugsink\n"
        "  do        use one that does (--obs-use sentry=lite, or the URL of a Sentry), or mark "
        "the test with obs_requires('tracker_spans')"
    )


def test_outcomes_are_not_taken_for_none() -> None:
    with pytest.raises(ObsstackError, match="does not show what it refused or what an SDK dropped"):
        Alone().outcomes()
