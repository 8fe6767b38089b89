"""The messages that the pages show are those that the expectations give."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from docs.failures import EXAMPLES, message_of
from docs.generate import MESSAGES_FILE, message_sections, outdated
from pytest_obsstack import Probe

pytestmark = pytest.mark.obs_requires("app_control", "faults", "metrics")


@pytest.fixture(scope="module")
def written() -> Iterator[dict[str, str]]:
    """Takes the messages; hands them to the generator where it is that which asks."""
    messages: dict[str, str] = {}
    yield messages
    path = os.environ.get(MESSAGES_FILE)
    if path is not None:
        Path(path).write_text(json.dumps(messages), "utf-8")


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_page_shows_the_message_as_it_is(
    name: str,
    obs: Probe,
    obs_with_app: Callable[..., AbstractContextManager[Probe]],
    written: dict[str, str],
) -> None:
    variables = EXAMPLES[name][1]
    with ExitStack() as stack:
        probe = obs if variables is None else stack.enter_context(obs_with_app(variables))
        written[name] = message_of(name, probe)
    if MESSAGES_FILE not in os.environ:
        stale = [path.name for path, _ in outdated(message_sections({name: written[name]}))]
        assert stale == [], "run: python -m docs.generate"
