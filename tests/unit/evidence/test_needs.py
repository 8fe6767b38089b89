"""Needs that a stack does not meet: skipped with the reason, failed with --obs-strict."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.evidence.needs import check_names, skip_or_fail
from pytest_obsstack.providers.stack import Stack
from pytest_obsstack.providers.state import StackState


def item(pytester: pytest.Pytester, *marks: str) -> pytest.Item:
    """A test with these arguments of ``obs_requires``."""
    lines = [f"@pytest.mark.obs_requires({mark})\n" for mark in marks]
    return pytester.getitem("import pytest\n" + "".join(lines) + "def test_func(): pass\n")


def stack(*capabilities: str, kind: str = "embedded") -> Stack:
    state = StackState(kind, "r", Path(), Endpoints(), {}, 0.0)  # type: ignore[arg-type]
    return Stack(state, frozenset(capabilities))


def test_needs_that_are_met_change_nothing(pytester: pytest.Pytester) -> None:
    for strict in (False, True):
        needing = item(pytester, "'issues'", "'logs'")
        skip_or_fail(needing, stack("issues", "logs", "spans"), strict=strict)


def test_a_test_without_needs_runs_on_any_stack(pytester: pytest.Pytester) -> None:
    skip_or_fail(item(pytester), stack(), strict=True)


def test_a_need_that_is_not_met_is_the_reason_of_a_skip(pytester: pytest.Pytester) -> None:
    with pytest.raises(pytest.skip.Exception) as caught:
        skip_or_fail(item(pytester, "'issues', 'alerts'"), stack("issues"), strict=False)
    assert str(caught.value) == "this stack lacks alerts (alert rules notify a webhook)"


def test_each_need_that_is_not_met_is_named_once(pytester: pytest.Pytester) -> None:
    with pytest.raises(pytest.skip.Exception) as caught:
        skip_or_fail(item(pytester, "'ui', 'logs'", "'ui'"), stack(), strict=False)
    text = str(caught.value)
    assert text.count("this stack lacks") == 2
    assert "this stack lacks logs (log lines can be queried with LogQL)" in text


def test_writes_on_an_attached_stack_name_the_option(pytester: pytest.Pytester) -> None:
    with pytest.raises(pytest.skip.Exception) as caught:
        skip_or_fail(item(pytester, "'writes'"), stack(kind="attach"), strict=False)
    assert str(caught.value) == (
        "this stack lacks writes (tests may create and change things on the stack); "
        "give --obs-allow-writes to allow it"
    )


def test_strict_makes_it_a_failure(pytester: pytest.Pytester) -> None:
    with pytest.raises(pytest.fail.Exception) as caught:
        skip_or_fail(item(pytester, "'releases'"), stack(), strict=True)
    assert str(caught.value) == "--obs-strict: this stack lacks releases (releases are kept)"


def test_a_word_that_is_no_capability_is_refused(pytester: pytest.Pytester) -> None:
    items = [item(pytester, "'issues', 'isues'")]
    with pytest.raises(pytest.UsageError) as caught:
        check_names(items)
    first, second, third = str(caught.value).splitlines()
    assert first.endswith("::test_func: obs_requires('issues', 'isues')")
    assert second.startswith("  expected  capabilities: issues, tags, breadcrumbs, ")
    assert third == "  found     isues"


def test_capabilities_are_all_right(pytester: pytest.Pytester) -> None:
    check_names([item(pytester, "'issues', 'compose'"), item(pytester)])


def test_a_wrong_word_ends_the_run_before_anything_starts(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.obs_requires('telepathy')\ndef test_it(): pass\n"
    )
    result = pytester.runpytest()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *::test_it: obs_requires('telepathy')"])
    assert not (pytester.path / ".obsstack").exists()
