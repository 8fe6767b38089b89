"""Whether the suite is green each time: runs in random order, with more workers than cores.

``python -m benchmarks.repetitions [RUNS]``: the exit code is 0 where all were.
"""

from __future__ import annotations

import secrets
import subprocess
import sys

from benchmarks.figures import ROOT, usual_environment
from benchmarks.measure import Result

WORKERS = 4


def failed_runs(runs: int) -> Result:
    """How many of so many runs in a row have failed; each is shown, with the seed of its order."""
    failed = 0
    for number in range(runs):
        seed = secrets.randbelow(1_000_000)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-m", "e2e", "tests/e2e", "-q"),
                *("-p", "no:cacheprovider", "-n", str(WORKERS)),
                *("--random-order-bucket=global", f"--random-order-seed={seed}"),
            ],
            cwd=ROOT,
            env=usual_environment(),
            check=False,
            capture_output=True,
            text=True,
        )
        last = (done.stdout.splitlines() or [done.stderr])[-1]
        print(f"run {number + 1} of {runs}, seed {seed}: {last}", flush=True)
        if done.returncode:
            failed += 1
            print(done.stdout, done.stderr, flush=True)
    name = f"whole e2e suite, {WORKERS} workers, random order, {runs} runs in a row: failed"
    return Result(name, "runs", 0, (failed,))


if __name__ == "__main__":
    sys.exit(failed_runs(int(sys.argv[1]) if len(sys.argv) > 1 else 20).median > 0)
