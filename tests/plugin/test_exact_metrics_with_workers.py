"""Counts of metrics are exact while other workers' tests hammer the same counters."""

from __future__ import annotations

import pytest

from tests.plugin.hop_cases import CONFTEST
from tests.plugin.inner import Project

pytestmark = pytest.mark.obs_requires("app_control", "faults", "metrics", "exact_metrics")

WORKERS = 4
ROUNDS = 3

TESTS = f'''
"""In each worker tests that count and tests that hammer the same counters, alternately."""

import threading

import httpx
import pytest

ROUNDS = range({ROUNDS})
REQUESTS = 'http_requests_total{{endpoint="/error",status="500"}}'
SECONDS = 'http_request_duration_seconds{{endpoint="/error"}}'


@pytest.mark.parametrize("round", ROUNDS)
def test_hammers_and_looks_at_nothing(obs, round):
    """What it has counted last is not yet stored when it ends."""
    for _ in range(15):
        obs.get("/error")


@pytest.mark.parametrize("round", ROUNDS)
def test_counts_while_others_hammer(obs, round):
    for _ in range(3):
        obs.get("/error")
    obs.metrics.expect_increase(REQUESTS, by=3)
    obs.metrics.expect_no_increase('http_requests_total{{endpoint="/error",status="200"}}')
    obs.metrics.expect_histogram(SECONDS, count=3, sum=lambda total: total > 0)


@pytest.mark.parametrize("round", ROUNDS)
def test_counts_what_it_hammers_itself(obs, round):
    def hammer():
        with httpx.Client(trust_env=False) as client:
            for _ in range(5):
                client.get(obs.url + "/error", headers=obs.headers)

    obs.metrics.settle_baseline()
    threads = [threading.Thread(target=hammer) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    obs.metrics.expect_increase(REQUESTS, by=15)
    obs.metrics.expect_histogram(SECONDS, count=15)


@pytest.mark.parametrize("round", ROUNDS)
def test_a_wrong_count_is_red_while_others_hammer(obs, round):
    obs.get("/error")
    with pytest.raises(AssertionError, match=r"found     \\+1\\n"):
        obs.metrics.expect_increase(REQUESTS, by=2)
'''


def test_counts_are_exact_with_four_workers(project: Project) -> None:
    project.write("conftest.py", CONFTEST)
    project.write("test_counts.py", TESTS)
    run = project.run("-q", "--obs-timeout-factor=3", workers=WORKERS)
    assert f"{4 * ROUNDS} passed" in run.output, run.output
