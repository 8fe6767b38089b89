"""Words that belong to one test alone."""

from __future__ import annotations

from pytest_obsstack import Probe

_LETTERS = str.maketrans("0123456789abcdef", "ghijklmnopqrstuv")


def own_word(obs: Probe) -> str:
    """A word that no other test has, of letters alone.

    A message with it makes an issue of its own, of which this test knows every event: trackers
    group messages with different numbers or hex digits, but not with different words.
    """
    return obs.trace_id.translate(_LETTERS)
