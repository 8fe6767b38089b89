"""Expects an expectation to fail, and gives its message without what differs from run to run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_obsstack import Probe

_CHANGING = (
    (r"\b[0-9a-f]{32}\b", "HEX"),
    (r"\b[0-9a-f]{16}\b", "SPAN"),
    (r"\b[0-9a-f]{8}…", "HEX…"),
    (r"\bissue \d+: event", "issue ID: event"),
    (r"\b(test_\w+\.py):\d+", r"\1:LINE"),
    (r"http://[0-9a-f]{4}…@127\.0\.0\.1:\d+/\d+", "DSN"),
    (r"127\.0\.0\.1:\d+", "HOST"),
    (r"/issues/\d+/", "/issues/ID/"),
    (r"\bSIMPLE-APP-\w+", "SIMPLE-APP-ID"),
    (r"(?<=instance=\")simple-app-[\w-]+", "INSTANCE"),
    (
        r"(?<=instance=~\")simple-app-\w[\w-]*|(?<=processes of )simple-app-[\w-]+",
        "simple-app-INSTANCE",
    ),
    (r"\d+\.\d s \(\d+ polls?\)", "SECONDS (POLLS)"),
    (r"\b\d+ items or more", "N items or more"),
    (r"accepted \d+ (\w+ ?\w+), sent \d+ to (\w+), failed \d+", r"accepted N \1, sent N to \2"),
    # Of all tests so far; what each outcome looks like is a test of the hops.
    (r"SDK reported no discards|the project's outcomes: [^→\n]+", "OUTCOMES"),
)


@dataclass
class Red:
    """A failure, once the block has ended."""

    text: str = ""
    """The message."""
    shown: str = ""
    """What pytest prints: traceback and message."""


@contextmanager
def red(kind: type[Exception] = AssertionError) -> Iterator[Red]:
    """The block fails with ``kind``, and what pytest shows of it ends in the test's own file."""
    caught = Red()
    with pytest.raises(kind) as failure:
        yield caught
    assert failure.type is kind
    last = failure.traceback.filter(failure)[-1]
    assert Path(last.path).parent == Path(__file__).parent, f"the traceback ends at {last}"
    assert last.name.startswith("test_"), f"the traceback ends in {last.name}"
    caught.text = normalised(str(failure.value))
    caught.shown = normalised(str(failure.getrepr(style="long")))


def normalised(text: str) -> str:
    for pattern, name in _CHANGING:
        text = re.sub(pattern, name, text)
    return text


def settle(obs: Probe, *, then_wait_s: float = 0.1) -> None:
    """Wait until all has arrived; from then on an expectation gives up soon.

    So that a message does not depend on how fast this machine is today.
    """
    everything: tuple[Callable[[], object], ...] = (
        obs.sentry.transactions,
        obs.traces.spans,
        obs.logs.lines,
    )
    for arrived in everything:
        arrived()
    hurry(obs, then_wait_s)


def hurry(obs: Probe, timeout_s: float = 0.1) -> None:
    """Let expectations give up after ``timeout_s``."""
    obs._context.timeout_s = timeout_s
