"""Quick Setup and Troubleshooting of the guide, typed as it says in the folder ``stack``."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import httpx
import pytest

from pytest_obsstack import Stack
from pytest_obsstack.clients.sentry.open import open_tracker
from pytest_obsstack.endpoints import SentryEndpoint
from pytest_obsstack.waiting import until
from tests.e2e.by_hand import PATIENCE_S, ByHand

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.obs_requires("compose", "tracker_workers"),
    pytest.mark.obs_exclusive,
]

SERVICES = {
    *("postgres", "redis", "sentry", "sentry-worker", "sentry-cron", "otel-collector"),
    *("prometheus", "loki", "tempo", "grafana", "app", "inventory"),
}
DATABASES = {"postgres", "redis"}
TITLE = "ValueError: Intentional error for testing"


@dataclass
class Guide:
    """What was seen while the guide was followed, step by step."""

    databases: Mapping[str, str] = field(default_factory=dict)
    """Health after ``up -d postgres redis``, of all that ran."""
    first_dsn: str = ""
    second_dsn: str = ""
    """What the second ``./sentry-init.sh`` left in the same file."""
    dsn_mode: int = 0
    everything: Mapping[str, str] = field(default_factory=dict)
    """Health after ``up -d``."""
    started: Mapping[str, str] = field(default_factory=dict)
    started_later: Mapping[str, str] = field(default_factory=dict)
    """After requests, logs and migrations: nothing has restarted by itself."""
    restarted: Mapping[str, str] = field(default_factory=dict)
    """After ``restart app otel-collector``."""
    issues: tuple[str, ...] = ()
    upgrades: tuple[str, ...] = ()
    issues_after_upgrades: tuple[str, ...] = ()
    sentry_log: str = ""
    dsn_lines: str = ""
    """Of ``exec app env | grep SENTRY_DSN``."""
    issues_after_reset: tuple[str, ...] | None = None
    issues_after_new_error: tuple[str, ...] = ()


@pytest.fixture(scope="module")
def guide(obs_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guide]:
    """The guide once, from nothing to the reset and once more; nothing is left of it."""
    by_hand = ByHand(obs_stack, tmp_path_factory.mktemp("by-hand"))
    seen = Guide()
    try:
        set_up(by_hand, seen)
        look_into(by_hand, seen)
        reset(by_hand, seen)
        yield seen
    finally:
        by_hand.down()


def set_up(by_hand: ByHand, seen: Guide) -> None:
    by_hand.compose("up", "-d", "postgres", "redis")
    seen.databases = by_hand.wait_healthy()
    by_hand.init()
    seen.first_dsn = by_hand.dsn_env
    seen.dsn_mode = stat.S_IMODE((by_hand.folder / "dsn.env").stat().st_mode)
    by_hand.init()
    seen.second_dsn = by_hand.dsn_env
    by_hand.compose("up", "-d")
    seen.everything = by_hand.wait_healthy()
    seen.started = by_hand.started_at()


def look_into(by_hand: ByHand, seen: Guide) -> None:
    make_error(by_hand)
    seen.issues = wait_for_issue(by_hand)
    seen.upgrades = tuple(by_hand.compose("run", "--rm", "sentry", "upgrade") for _ in range(2))
    seen.issues_after_upgrades = titles(by_hand)
    seen.sentry_log = by_hand.compose("logs", "sentry")
    seen.started_later = by_hand.started_at()
    by_hand.compose("restart", "app", "otel-collector")
    seen.restarted = by_hand.started_at()
    seen.dsn_lines = by_hand.run("sh", "-c", "docker compose exec -T app env | grep SENTRY_DSN")


def reset(by_hand: ByHand, seen: Guide) -> None:
    by_hand.compose("down", "-v")
    by_hand.compose("up", "-d", "postgres", "redis")
    by_hand.init()
    by_hand.compose("up", "-d")
    by_hand.wait_healthy("app", "sentry", "sentry-worker")
    seen.issues_after_reset = titles(by_hand)
    make_error(by_hand)
    seen.issues_after_new_error = wait_for_issue(by_hand)


def make_error(by_hand: ByHand) -> None:
    answer = httpx.get(f"{by_hand.app_url}/error", trust_env=False, timeout=PATIENCE_S)
    assert answer.status_code == 500


def titles(by_hand: ByHand) -> tuple[str, ...]:
    """Of all issues of the project."""
    organization, project, token = by_hand.project_token()
    flavour = "embedded" if by_hand.flavour == "lite" else "glitchtip"
    endpoint = SentryEndpoint(
        by_hand.sentry_url,
        token=token,
        organization=organization,
        project=project,
        flavour="embedded" if flavour == "embedded" else "glitchtip",
    )
    with contextlib.closing(open_tracker(endpoint)) as tracker:
        return tuple(issue.title for issue in tracker.issues())


def wait_for_issue(by_hand: ByHand) -> tuple[str, ...]:
    found = until(lambda: titles(by_hand) or None, timeout_s=PATIENCE_S).value
    assert found is not None, "no issue after an error"
    return found


@pytest.mark.claim("setup-infrastructure")
def test_postgres_and_redis_become_healthy_with_nothing_else_running(guide: Guide) -> None:
    assert guide.databases == dict.fromkeys(DATABASES, "healthy")


@pytest.mark.claim("setup-sentry-init")
def test_sentry_init_makes_tables_and_user_and_run_again_changes_nothing(guide: Guide) -> None:
    assert "@sentry:9000/" in guide.first_dsn
    assert guide.second_dsn == guide.first_dsn
    assert guide.dsn_mode == 0o600
    # An event was stored and read as that user: the tables are there.
    assert guide.issues == (TITLE,)


@pytest.mark.claim("setup-all-services")
def test_every_service_becomes_healthy_and_nothing_restarts_afterwards(guide: Guide) -> None:
    assert guide.everything.keys() == SERVICES
    unchecked = {name for name, health in guide.everything.items() if health != "healthy"}
    # The one image without any program to check with; the provider asks it over HTTP.
    assert unchecked <= {"otel-collector"}
    assert guide.started_later == guide.started


@pytest.mark.claim("dsn-restart")
def test_restart_as_typed_restarts_app_and_collector_alone(guide: Guide) -> None:
    changed = {name for name, at in guide.restarted.items() if at != guide.started_later[name]}
    assert changed == {"app", "otel-collector"}


@pytest.mark.claim("trouble-upgrade")
def test_migrations_run_again_twice_without_harm(guide: Guide) -> None:
    assert len(guide.upgrades) == 2
    assert guide.issues_after_upgrades == guide.issues


@pytest.mark.claim("trouble-ui", "trouble-dsn-env")
def test_logs_and_environment_are_shown_by_the_guides_commands(guide: Guide) -> None:
    assert "sentry-1" in guide.sentry_log
    key = guide.first_dsn.partition("SENTRY_DSN=")[2].partition("@")[0].rpartition("//")[2]
    assert len(key) == 32
    assert f"{key}@sentry:9000/" in guide.dsn_lines


@pytest.mark.claim("trouble-reset")
def test_after_the_reset_there_are_no_issues_and_a_new_error_appears(guide: Guide) -> None:
    assert guide.issues_after_reset == ()
    assert guide.issues_after_new_error == (TITLE,)
