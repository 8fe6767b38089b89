"""What the guide says of Sentry's own services: database, cache and queue, worker, schedule."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import pytest

from pytest_obsstack import Probe, Stack
from pytest_obsstack.clients.sentry.tracker import Tracker
from pytest_obsstack.providers.compose.command import Compose
from pytest_obsstack.waiting import until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.obs_requires("compose", "tracker_workers", "issues"),
    pytest.mark.obs_exclusive,
]

WATCHED_S = 3.0
"""How long nothing may arrive while the worker is stopped. Everything else takes milliseconds on
these servers; GlitchTip's worker gathers what it digests for up to two seconds."""
ERRORS = 5
HEARTBEAT = ("stat", "-c", "%Y", "/tmp/obsstack-heartbeat")  # noqa: S108 - in its container
TUPLES = "SELECT coalesce(sum(n_tup_ins), 0) FROM pg_stat_user_tables"
PASSED_ON = (
    "{ valkey-cli INFO commandstats || redis-cli INFO commandstats; } 2>/dev/null"
    " | sed -n 's/^cmdstat_[a-z|]*push:calls=\\([0-9]*\\).*/\\1/p'"
)


@pytest.fixture
def compose(obs_stack: Stack) -> Compose:
    assert obs_stack.state.compose is not None
    return obs_stack.state.compose.compose


@pytest.fixture
def worker(obs_stack: Stack) -> Iterator[None]:
    """The worker runs again after the test, whatever happens in it."""
    yield
    obs_stack.start("sentry-worker")


def in_service(compose: Compose, service: str, *command: str) -> str:
    return compose.ask("exec", "-T", service, *command).strip()


def stored_rows(compose: Compose) -> int:
    """Rows that were ever inserted into the tracker's tables."""
    command = ("psql", "-U", "glitchtip", "-d", "glitchtip", "-tAc", TUPLES)
    return int(in_service(compose, "postgres", *command))


@pytest.mark.claim("compose-sentry")
def test_sentry_answers_on_port_9000_of_its_service(compose: Compose) -> None:
    # Without --index: the service has one container, whose port is published on loopback alone.
    published = compose.ask("port", "sentry", "9000").strip()
    assert published.startswith("127.0.0.1:")


@pytest.mark.claim("compose-postgres")
def test_issues_outlive_sentrys_container_and_are_rows_in_postgres(
    obs: Probe, obs_stack: Stack, obs_sentry: Tracker, compose: Compose
) -> None:
    before = stored_rows(compose)
    obs.get("/error")
    issue = obs.sentry.expect_issue("ValueError")
    # The database counts what a transaction did when that has ended, a moment after it is seen.
    grown = until(lambda: stored_rows(compose) > before or None, timeout_s=10.0)
    assert grown.value

    compose.run("rm", "--stop", "--force", "sentry")
    obs_stack.recreate("sentry")
    assert obs_sentry.issue(issue.id).title == issue.title


@pytest.mark.claim("compose-redis")
def test_redis_is_where_accepted_events_wait(obs: Probe, compose: Compose) -> None:
    before = pushes(compose)
    obs.get("/error")
    obs.sentry.expect_issue("ValueError")
    assert pushes(compose) > before


@pytest.mark.claim("compose-worker")
def test_without_the_worker_nothing_is_processed_and_with_it_nothing_is_lost(
    obs: Probe, obs_stack: Stack, obs_sentry: Tracker, worker: None
) -> None:
    obs_stack.stop("sentry-worker")
    since_s = time.time() - 60.0
    event_ids = {obs.get("/error").json()["event_id"] for _ in range(ERRORS)}

    def arrived() -> set[str]:
        events = obs_sentry.events_of_trace(obs.trace_id, since_s=since_s)
        return {event.event_id for event in events}

    deadline = time.monotonic() + WATCHED_S
    seen: set[str] = set()
    until(
        lambda: True if seen or time.monotonic() > deadline else seen.update(arrived()),
        timeout_s=WATCHED_S + 5.0,
    )
    assert seen == set()

    obs_stack.start("sentry-worker")
    until(lambda: True if arrived() == event_ids else None, timeout_s=30.0)
    assert arrived() == event_ids


@pytest.mark.claim("compose-cron")
def test_the_scheduler_runs_and_goes_on_running(obs_stack: Stack, compose: Compose) -> None:
    def described() -> Mapping[str, str]:
        found: Mapping[str, str] = obs_stack.status()["sentry-cron"]
        return found

    healthy = until(lambda: described()["health"] == "healthy" or None, timeout_s=30.0)
    assert healthy.value, described()
    # What the health check looks at: the scheduler renews it as long as it gets on with its work.
    before = in_service(compose, "sentry-cron", *HEARTBEAT)
    renewed = until(
        lambda: in_service(compose, "sentry-cron", *HEARTBEAT) != before or None, timeout_s=30.0
    )
    assert renewed.value
    assert described()["state"] == "running"


def pushes(compose: Compose) -> int:
    """How often something was put at an end of a list in Redis, by all its names together."""
    found = in_service(compose, "redis", "sh", "-c", PASSED_ON)
    return sum(map(int, found.split()))
