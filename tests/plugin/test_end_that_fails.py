"""A stack that cannot be ended is told in the product's words, after everything else."""

from __future__ import annotations

import pytest

from tests.plugin.inner import own_ports

CONFTEST = """
import pytest

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.provision import ending

def refuse(run, *, keep_logs=False):
    really_end(run, keep_logs=keep_logs)
    raise ObsstackError("The stack is still there.", expected="it ends", found="it did not")

really_end = ending.end_run
ending.end_run = refuse
"""


def test_a_stack_that_does_not_end_is_told_without_a_traceback(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile("def test_it(obs_stack):\n    assert obs_stack.kind == 'embedded'\n")
    result = pytester.runpytest_subprocess(*own_ports())
    assert result.ret == pytest.ExitCode.OK
    result.stderr.fnmatch_lines(
        [
            "obsstack: The stack is still there.",
            "  expected  it ends",
            "  found     it did not",
        ]
    )
    result.stderr.no_fnmatch_line("*Traceback*")
