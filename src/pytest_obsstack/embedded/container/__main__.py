"""``python -m pytest_obsstack.embedded.container PRODUCT [health]``."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from pytest_obsstack.embedded.container import health

_HEALTH = ("health", "--check")


def main(arguments: list[str]) -> int:
    """The exit code: 2 for a command or a variable that cannot be used."""
    if len(arguments) == 2 and arguments[1] in _HEALTH:
        return health.main(arguments[:1])
    if len(arguments) != 1 or arguments[0] not in health.CHECKS:
        products = "|".join(health.CHECKS)
        return _refuse(f"usage: python -m pytest_obsstack.embedded.container {products} [health]")
    # The first process of a container is deaf to signals that it has no handler for, and the
    # product sets its own only once everything is loaded and the journal is read.
    signal.signal(signal.SIGTERM, _end_at_once)

    from pytest_obsstack.embedded.container.process import run
    from pytest_obsstack.embedded.container.variables import BadVariable, Variables

    try:
        return run(arguments[0], Variables(os.environ))
    except BadVariable as error:
        return _refuse(str(error))


def _refuse(text: str) -> int:
    sys.stderr.write(text + "\n")
    return 2


def _end_at_once(_signal: int, _frame: FrameType | None) -> None:
    os._exit(0)


if __name__ == "__main__":
    exit_code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Everything is closed and written. To take all the modules down again is no use to anybody and
    # takes a busy machine longer than all else at the end.
    os._exit(exit_code)
