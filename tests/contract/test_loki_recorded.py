"""The recorded answers of a real Loki, asked of the embedded one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.embedded_loki import running_embedded_loki

RECORDED = Path(__file__).parents[3] / "shared" / "contract" / "recorded"

REFUSED = ["detected fields"]
"""Cases of what the embedded server does not have, and says so."""


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"{RECORDED} with the recordings is not there")
def test_every_recorded_answer_is_given_alike() -> None:
    with running_embedded_loki() as url:
        finished = subprocess.run(
            [sys.executable, str(RECORDED / "replay.py"), "loki", url, "--json"],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    results = json.loads(finished.stdout)

    assert len(results) > 350
    assert [result for result in results if result["outcome"] == "differs"] == []
    assert [r["name"] for r in results if r["outcome"] == "refused"] == REFUSED
