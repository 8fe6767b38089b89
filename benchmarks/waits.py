"""A plugin that adds up how long the waits of a run sleep: ``pytest -p benchmarks.waits``.

It is loaded before the modules that wait, and takes the place of the function that they use.
"""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_obsstack import waiting

REPORT = "OBSSTACK_WAITS_REPORT"
"""Names the file to write: ``asleep_s`` and ``waits``."""

_asleep_s = 0.0
_waits = 0
_until: Callable[..., Any] = waiting.until


@functools.wraps(_until)
def _counted(poll: Callable[[], Any], **options: Any) -> Any:
    global _waits  # noqa: PLW0603 - one process, one sum
    _waits += 1
    sleep: Callable[[float], None] = options.pop("sleep", time.sleep)

    def counted_sleep(seconds: float) -> None:
        global _asleep_s  # noqa: PLW0603 - likewise
        began = time.perf_counter()
        sleep(seconds)
        _asleep_s += time.perf_counter() - began

    return _until(poll, sleep=counted_sleep, **options)


waiting.until = _counted


def pytest_sessionfinish() -> None:
    path = os.environ.get(REPORT)
    if path is not None:
        Path(path).write_text(json.dumps({"asleep_s": _asleep_s, "waits": _waits}))
