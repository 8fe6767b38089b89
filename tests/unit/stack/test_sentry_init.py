"""sentry-init.sh, with programs of our own in place of docker and obsstack."""

from __future__ import annotations

import shutil
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.unit.stack.compose_files import STACK

TOOLS = (
    *("bash", "base64", "cat", "dirname", "env", "grep", "head", "mktemp", "mv", "rm", "sed"),
    *("tail", "touch", "tr"),
)

DOCKER = r"""#!/usr/bin/env bash
# Tells what the test has put into files beside it, and writes down what it was asked.
here=$(dirname "$0")/..
echo "$*" >> "$here/calls"
case "$*" in
info)
    [[ ! -e $here/no-engine ]] || { echo "Cannot connect to the Docker daemon" >&2; exit 1; } ;;
"compose version --short") cat "$here/version" ;;
"compose ps --all --quiet sentry") [[ ! -e $here/started ]] || echo id1 ;;
"compose up -d sentry")
    echo "COMPOSE_FILE=${COMPOSE_FILE:-} PASSWORD=${SENTRY_ADMIN_PASSWORD:-}" >> "$here/up"
    [[ ! -e $here/up-fails ]] || { echo "pull access denied" >&2; exit 1; }
    touch "$here/started" ;;
"inspect --format"*Config.Labels*) cat "$here/label" ;;
"inspect --format"*Health.Log*) echo "GET /_health/: HTTP/1.1 503 Busy" ;;
"inspect --format"*)
    head -n 1 "$here/states"
    # The last state stays.
    rest=$(tail -n +2 "$here/states")
    [[ -z $rest ]] || echo "$rest" > "$here/states" ;;
"compose logs"*) echo "relation \"users_user\" does not exist" ;;
"compose exec"*) [[ ! -e $here/exec-fails ]] ;;
"compose port sentry 9000") cat "$here/port" ;;
"compose ps --services --status running") cat "$here/running" ;;
"compose up -d --no-deps"*) ;;
*) echo "unexpected: docker $*" >&2; exit 64 ;;
esac
"""

OBSSTACK = r"""#!/usr/bin/env bash
here=$(dirname "$0")/..
echo "$*" >> "$here/setup"
echo "${SENTRY_ADMIN_PASSWORD:-none}" >> "$here/setup-password"
[[ ! -e $here/setup-fails ]] || { echo "The user's password was refused." >&2; exit 1; }
[[ ! -e $here/no-dsn ]] || exit 0
while [[ $1 != --write-env ]]; do shift; done
(umask 077; echo SENTRY_DSN=http://k@sentry:9000/1 > "$2")
echo '{"token": "secret-token"}'
"""


@dataclass
class World:
    """A folder with the script, and another with what the fake programs tell."""

    stack: Path
    told: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def dsn(self) -> Path:
        return self.stack / "dsn.env"

    @property
    def admin(self) -> Path:
        return self.stack / "sentry-admin.env"

    def tell(self, name: str, text: str = "") -> None:
        (self.told / name).write_text(text, "utf-8")

    def heard(self, name: str) -> list[str]:
        file = self.told / name
        return file.read_text("utf-8").splitlines() if file.exists() else []

    def run(self, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.stack / "sentry-init.sh")],
            env={"PATH": str(self.told / "bin"), **self.variables, **variables},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Docker and obsstack are there, nothing runs, the tracker is healthy at the third look."""
    stack, told = tmp_path / "stack", tmp_path / "told"
    (told / "bin").mkdir(parents=True)
    stack.mkdir()
    shutil.copy(STACK / "sentry-init.sh", stack)
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None, tool
        (told / "bin" / tool).symlink_to(found)
    # Who polls does not have to wait here.
    for name, text in {"docker": DOCKER, "obsstack": OBSSTACK, "sleep": "#!/bin/sh\n"}.items():
        program = told / "bin" / name
        program.write_text(text, "utf-8")
        program.chmod(0o755)
    world = World(stack, told)
    world.tell("version", "2.26.1\n")
    world.tell("states", "running starting\nrunning starting\nrunning healthy\n")
    world.tell("port", "127.0.0.1:41234\n")
    world.tell("label", "\n")
    world.tell("running", "postgres\nredis\nsentry\n")
    return world


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_tracker_is_started_awaited_and_set_up(world: World) -> None:
    done = world.run()
    assert done.returncode == 0, done.stderr
    assert world.heard("calls").count("compose up -d sentry") == 1
    (asked,) = world.heard("setup")
    assert asked == (
        "sentry-setup --url http://127.0.0.1:41234 --flavour glitchtip --email admin@example.com"
        f" --project simple-app --dsn-host sentry:9000 --write-env {world.dsn} --json"
    )
    assert world.dsn.read_text("utf-8") == "SENTRY_DSN=http://k@sentry:9000/1\n"
    assert done.stdout.splitlines()[-6:] == [
        "sentry-init: ready",
        "  log in    http://localhost:41234",
        "  email     admin@example.com",
        f"  password  random, kept in {world.admin}",
        f"  DSN       in {world.dsn}",
        "  next      docker compose up -d",
    ]


def test_neither_password_nor_token_is_told_to_others(world: World) -> None:
    done = world.run()
    (password,) = world.heard("setup-password")
    assert len(password) == 24
    seen_by_everybody = [*world.heard("calls"), *world.heard("setup"), done.stdout, done.stderr]
    assert [text for text in seen_by_everybody if password in text or "secret-token" in text] == []
    assert mode(world.admin) == mode(world.dsn) == 0o600


def test_a_second_time_changes_nothing(world: World) -> None:
    assert world.run().returncode == 0
    before = (world.admin.read_bytes(), world.dsn.read_bytes())
    world.tell("states", "running healthy\n")
    done = world.run()
    assert done.returncode == 0, done.stderr
    assert (world.admin.read_bytes(), world.dsn.read_bytes()) == before
    first, second = world.heard("setup-password")
    assert first == second
    assert world.heard("setup")[0] == world.heard("setup")[1]
    assert f"  password  kept in {world.admin}" in done.stdout
    assert sorted(path.name for path in world.stack.iterdir()) == [
        *("dsn.env", "sentry-admin.env", "sentry-init.sh")
    ]


def test_user_and_password_may_be_given_and_are_not_kept(world: World) -> None:
    done = world.run(SENTRY_ADMIN_EMAIL="me@example.com", SENTRY_ADMIN_PASSWORD="s3cret")
    assert done.returncode == 0, done.stderr
    assert "--email me@example.com " in world.heard("setup")[0]
    assert world.heard("setup-password") == ["s3cret"]
    assert not world.admin.exists()
    assert "  password  from SENTRY_ADMIN_PASSWORD" in done.stdout


def test_a_kept_password_belongs_to_its_user(world: World) -> None:
    world.admin.write_text("SENTRY_ADMIN_EMAIL=me@example.com\nSENTRY_ADMIN_PASSWORD=old\n")
    assert world.run().returncode == 0
    assert "--email me@example.com " in world.heard("setup")[0]
    assert world.heard("setup-password") == ["old"]


def test_a_fresh_tracker_migrates_at_its_start_alone(world: World) -> None:
    world.run()
    assert [call for call in world.heard("calls") if call.startswith("compose exec")] == []


def test_one_that_runs_already_is_migrated(world: World) -> None:
    world.tell("started")
    world.tell("states", "running healthy\n")
    assert world.run().returncode == 0
    upgrade = "compose exec -T sentry /bin/bash /obsstack/sentry-entrypoint.sh upgrade"
    assert world.heard("calls").count(upgrade) == 1


@pytest.mark.parametrize(
    ("running", "told"),
    [
        ("sentry\n", None),
        ("app\nsentry\n", "app"),
        ("app\ninventory\nloki\notel-collector\nsentry\n", "app inventory otel-collector"),
    ],
)
def test_the_dsn_is_told_to_those_that_run_and_to_no_other(
    world: World, running: str, told: str | None
) -> None:
    world.tell("running", running)
    assert world.run().returncode == 0
    again = [call for call in world.heard("calls") if "--no-deps" in call]
    assert again == ([] if told is None else [f"compose up -d --no-deps {told}"])
    # Only once there is something to tell.
    if told is not None:
        assert world.heard("calls")[-1] == again[0]


@pytest.mark.parametrize("flavour", ["lite", "bugsink"])
def test_another_tracker_is_started_from_its_own_file(world: World, flavour: str) -> None:
    done = world.run(SENTRY_FLAVOUR=flavour)
    assert done.returncode == 0, done.stderr
    files = f"docker-compose.yml:docker-compose.{flavour}.yml"
    # It is told the password at each start: a random one would be another at the next.
    assert world.heard("up") == [f"COMPOSE_FILE={files} PASSWORD=admin"]
    assert f"--flavour {flavour} " in world.heard("setup")[0]
    assert not world.admin.exists()
    assert f"  password  set by docker-compose.{flavour}.yml" in done.stdout


@pytest.mark.parametrize(
    ("flavour", "speaks", "said"),
    [
        ("glitchtip", "lite", "sentry-init: the image stands in for glitchtip\n"),
        ("bugsink", "lite", "sentry-init: the image stands in for bugsink\n"),
        ("lite", "lite", ""),
    ],
)
def test_an_image_that_stands_in_is_asked_in_its_own_language(
    world: World, flavour: str, speaks: str, said: str
) -> None:
    world.tell("label", "embedded\n")
    done = world.run(SENTRY_FLAVOUR=flavour)
    assert done.returncode == 0, done.stderr
    assert f"--flavour {speaks} " in world.heard("setup")[0]
    assert said in done.stdout
    assert done.stdout.count("stands in for") == (1 if said else 0)


def test_the_files_of_the_caller_are_kept(world: World) -> None:
    mine = "docker-compose.yml:docker-compose.lite.yml:mine.yml"
    assert world.run(SENTRY_FLAVOUR="lite", COMPOSE_FILE=mine).returncode == 0
    assert world.heard("up") == [f"COMPOSE_FILE={mine} PASSWORD=admin"]


def complaint(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Expected, found and do of the error, which is the last that is said."""
    assert done.returncode == 1
    first, *parts = done.stderr.splitlines()[-4:]
    assert first == "sentry-init: the error tracker is not set up."
    return {part[:12].strip(): part[12:] for part in parts}


def without(world: World, program: str) -> None:
    (world.told / "bin" / program).unlink()


def test_without_docker_the_text_says_so(world: World) -> None:
    without(world, "docker")
    assert complaint(world.run()) == {
        "expected": "the program docker, with its plugin compose",
        "found": "no docker on PATH",
        "do": "install Docker",
    }
    assert not world.admin.exists()


def test_without_an_engine_the_text_says_so(world: World) -> None:
    world.tell("no-engine")
    assert complaint(world.run()) == {
        "expected": "a Docker engine that answers",
        "found": "Cannot connect to the Docker daemon",
        "do": "start it, or point DOCKER_HOST at one",
    }


@pytest.mark.parametrize("version", ["2.23.3", "v2.6.0", "1.29.2"])
def test_an_old_compose_is_refused(world: World, version: str) -> None:
    world.tell("version", f"{version}\n")
    assert complaint(world.run()) == {
        "expected": "Docker Compose 2.24 or newer",
        "found": version,
        "do": "update the compose plugin",
    }


@pytest.mark.parametrize("version", ["2.24.0", "2.26.1-4", "5.0.1", "dev"])
def test_a_newer_compose_is_taken(world: World, version: str) -> None:
    world.tell("version", f"{version}\n")
    assert world.run().returncode == 0


def test_without_obsstack_nothing_is_started(world: World) -> None:
    without(world, "obsstack")
    assert complaint(world.run()) == {
        "expected": "the command obsstack",
        "found": "none on PATH",
        "do": "pip install pytest-obsstack, or set OBSSTACK to it",
    }
    assert world.heard("up") == []


@pytest.mark.parametrize("where", ["elsewhere/obsstack", ".venv/bin/obsstack"])
def test_obsstack_is_found_where_it_is_named_and_in_a_checkout(world: World, where: str) -> None:
    program = world.stack.parent / where
    program.parent.mkdir(parents=True)
    shutil.move(world.told / "bin" / "obsstack", program)
    # It finds the test's folder by its own.
    program.write_text(OBSSTACK.replace('$(dirname "$0")/..', str(world.told)), "utf-8")
    named = {"OBSSTACK": str(program)} if where.startswith("elsewhere") else {}
    done = world.run(**named)
    assert done.returncode == 0, done.stderr
    assert len(world.heard("setup")) == 1


def test_a_flavour_that_is_none_is_refused(world: World) -> None:
    assert complaint(world.run(SENTRY_FLAVOUR="sentry")) == {
        "expected": "SENTRY_FLAVOUR is glitchtip, lite or bugsink",
        "found": "SENTRY_FLAVOUR=sentry",
        "do": "for a tracker that runs elsewhere: obsstack sentry-setup --url URL",
    }


def test_a_timeout_that_is_no_number_is_refused(world: World) -> None:
    found = complaint(world.run(SENTRY_INIT_TIMEOUT_S="5m"))
    assert found["found"] == "'5m'"


def test_a_start_that_fails_is_told_with_compose_s_own_words(world: World) -> None:
    world.tell("up-fails")
    done = world.run()
    assert "pull access denied" in done.stderr
    assert complaint(done)["expected"] == "`docker compose up -d sentry` starts it"


@pytest.mark.parametrize("state", ["exited ", "running unhealthy", "gone"])
def test_a_tracker_that_ends_or_is_unhealthy_is_shown_with_its_log(
    world: World, state: str
) -> None:
    world.tell("states", f"running starting\n{state}\n")
    done = world.run()
    assert complaint(done) == {
        "expected": "the service sentry is running, and healthy in the end",
        "found": f"it is: {state.strip()}",
        "do": "see its log above",
    }
    assert 'relation "users_user" does not exist' in done.stderr
    assert "compose logs --no-color --tail 50 sentry" in world.heard("calls")
    assert "GET /_health/: HTTP/1.1 503 Busy" in done.stderr
    assert world.heard("setup") == []


def test_a_tracker_that_never_becomes_healthy_is_given_up(world: World) -> None:
    world.tell("states", "running starting\n")
    done = world.run(SENTRY_INIT_TIMEOUT_S="1")
    assert complaint(done) == {
        "expected": "the service sentry becomes healthy within 1 s",
        "found": "it is: running starting",
        "do": "see its log above; a slow machine: set SENTRY_INIT_TIMEOUT_S",
    }
    assert 'relation "users_user" does not exist' in done.stderr


def test_a_failed_migration_is_told(world: World) -> None:
    world.tell("started")
    world.tell("exec-fails")
    world.tell("states", "running healthy\n")
    assert complaint(world.run())["do"] == "start over: docker compose down -v"


def test_a_setup_that_fails_leaves_its_text_and_a_hint(world: World) -> None:
    world.tell("setup-fails")
    world.tell("running", "app\nsentry\n")
    done = world.run()
    assert "The user's password was refused." in done.stderr
    found = complaint(done)
    assert found["expected"] == "`obsstack sentry-setup` succeeds"
    assert "set SENTRY_ADMIN_PASSWORD to it, or start over with" in found["do"]
    assert [call for call in world.heard("calls") if "--no-deps" in call] == []


def test_a_setup_that_writes_no_dsn_is_no_success(world: World) -> None:
    world.tell("no-dsn")
    assert complaint(world.run())["found"] == "no such file"


def test_a_kept_file_without_a_password_is_not_guessed_at(world: World) -> None:
    world.admin.write_text("SENTRY_ADMIN_EMAIL=me@example.com\n")
    found = complaint(world.run())
    assert found["expected"] == f"SENTRY_ADMIN_PASSWORD=… in {world.admin}"
    assert not world.dsn.exists()
