"""What is being done, said on stderr: a line a step with its seconds, and why one failed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

TAIL_LINES = 25
"""Of a failing command's output, shown with the failure."""


class BuildError(Exception):
    """Why there is no image; the text says what was expected, what was found and what to do."""


class Steps:
    """Runs commands and tells of them; may be used from several threads at once."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        with self._lock:
            print(text, file=self._stream, flush=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One line when the step is done, or when it has failed."""
        began = time.monotonic()
        try:
            yield
        except BaseException:
            self.say(f"  {time.monotonic() - began:6.1f} s  {name}: FAILED")
            raise
        self.say(f"  {time.monotonic() - began:6.1f} s  {name}")

    def run(
        self,
        command: Sequence[str | Path],
        *,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> str:
        """What the command said; ``BuildError`` with its last lines where it fails.

        With ``stdout`` its standard output goes there and is not returned.
        """
        words = [str(word) for word in command]
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=subprocess.PIPE if stdout is None else stdout,
                stderr=subprocess.STDOUT if stdout is None else subprocess.PIPE,
                env={**os.environ, **(environment or {})},
                cwd=cwd,
                check=False,
            )
        except OSError as error:
            raise BuildError(f"cannot run {words[0]}: {error.strerror}") from error
        said = done.stdout if stdout is None else done.stderr
        output = said.decode(errors="replace")
        if done.returncode != 0:
            raise BuildError(failure_text(words, done.returncode, output))
        return output


def failure_text(command: Sequence[str], code: int, output: str) -> str:
    """The command as it can be typed, its exit code and the last lines of what it said."""
    lines = output.rstrip().splitlines()[-TAIL_LINES:] or ["(it said nothing)"]
    return "\n".join(
        [
            f"expected exit code 0, found {code}, of: {shlex.join(command)}",
            *(f"  {x}" for x in lines),
        ]
    )
