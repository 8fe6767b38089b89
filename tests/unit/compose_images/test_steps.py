from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

from tests.compose.local_images.steps import TAIL_LINES, BuildError, Steps, failure_text


def test_a_step_is_one_line_with_its_seconds() -> None:
    stream = io.StringIO()
    with Steps(stream).step("base: files"):
        pass
    assert re.fullmatch(r" +\d+\.\d s  base: files\n", stream.getvalue())


def test_a_failed_step_says_so_and_lets_the_error_through() -> None:
    stream = io.StringIO()
    with pytest.raises(BuildError), Steps(stream).step("base: files"):
        raise BuildError("no")
    assert stream.getvalue().endswith(" s  base: files: FAILED\n")


def test_what_a_command_says_is_returned() -> None:
    assert Steps().run([sys.executable, "-c", "print('said')"]) == "said\n"


def test_a_failing_command_is_shown_with_its_last_lines() -> None:
    program = (
        "import sys; print(*range(40), sep='\\n'); print('wrong', file=sys.stderr); sys.exit(3)"
    )
    with pytest.raises(BuildError) as error:
        Steps().run([sys.executable, "-c", program])
    first, *tail = str(error.value).splitlines()
    assert first.startswith(f"expected exit code 0, found 3, of: {sys.executable} -c ")
    assert len(tail) == TAIL_LINES
    assert tail[-2:] == ["  39", "  wrong"]


def test_a_failing_command_that_says_nothing_is_told_so() -> None:
    assert failure_text(["x", "a b"], 1, " \n") == (
        "expected exit code 0, found 1, of: x 'a b'\n  (it said nothing)"
    )


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(BuildError) as error:
        Steps().run(["no-such-program-anywhere"])
    assert str(error.value) == "cannot run no-such-program-anywhere: No such file or directory"


def test_output_for_a_file_is_not_mixed_with_errors(tmp_path: Path) -> None:
    path = tmp_path / "out"
    program = "import sys; print('out'); print('err', file=sys.stderr)"
    with path.open("wb") as file:
        said = Steps().run([sys.executable, "-c", program], stdout=file)
    assert (path.read_text(), said) == ("out\n", "err\n")
