"""``obs_requires``: tests that need more than the stack can show."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pytest_obsstack.providers.capabilities import MEANINGS, unknown
from pytest_obsstack.providers.stack import Stack


def check_names(items: Sequence[pytest.Item]) -> None:
    """Raise ``pytest.UsageError`` for a marker with a word that is no capability."""
    for item in items:
        for mark in item.iter_markers("obs_requires"):
            wrong = unknown(mark.args)
            if wrong:
                raise pytest.UsageError(
                    f"{item.nodeid}: obs_requires({', '.join(map(repr, mark.args))})\n"
                    f"  expected  capabilities: {', '.join(MEANINGS)}\n"
                    f"  found     {', '.join(wrong)}"
                )


def skip_or_fail(item: pytest.Item, stack: Stack, *, strict: bool) -> None:
    """Skip the test with the reason, or fail it with ``strict``, where a need is not met."""
    needed = [name for mark in item.iter_markers("obs_requires") for name in mark.args]
    have = stack.capabilities
    if item.get_closest_marker("obs_exclusive") is not None and stack.ours:
        # On a stack of this machine, a test that runs alone drives the app alone.
        have |= {"exact_metrics"}
    missing = [name for name in dict.fromkeys(needed) if name not in have]
    if not missing:
        return
    reason = "; ".join(f"this stack lacks {name} ({MEANINGS[name]})" for name in missing)
    if "writes" in missing and stack.kind == "attach":
        reason += "; give --obs-allow-writes to allow it"
    if strict:
        pytest.fail(f"--obs-strict: {reason}", pytrace=False)
    pytest.skip(reason)
