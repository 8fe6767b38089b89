"""The messages of failed starts that a page shows are those that are given."""

from __future__ import annotations

import pytest

from docs.generate import outdated, start_sections
from docs.start_failures import CASES


@pytest.mark.parametrize("name", CASES)
def test_a_page_shows_the_message_of_a_failed_start(name: str) -> None:
    stale = [path.name for path, _ in outdated(start_sections([name]))]
    assert stale == [], "run: python -m docs.generate"
