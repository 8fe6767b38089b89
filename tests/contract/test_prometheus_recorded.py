"""The recorded answers of a real Prometheus 3.5, asked of the embedded one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.embedded_prometheus import running_embedded

RECORDED = Path(__file__).parents[3] / "shared" / "contract" / "recorded"


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"{RECORDED} with the recordings is not there")
def test_every_recorded_answer_is_given_alike() -> None:
    with running_embedded() as prometheus:
        write_url = f"{prometheus.url}/api/v1/write"
        replay = [str(RECORDED / "replay.py"), "prometheus", prometheus.url]
        finished = subprocess.run(
            [sys.executable, *replay, "--remote-write-url", write_url, "--json"],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    results = json.loads(finished.stdout)

    assert len(results) > 300
    assert [result for result in results if result["outcome"] != "pass"] == []
