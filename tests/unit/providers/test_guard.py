"""The guard: whoever dies and however, the command and all that it started are ended."""

from __future__ import annotations

import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_obsstack.providers.guard import RELEASE, exists, owner_descriptor
from tests.unit.providers.support import GUARD, alive, dead_pid, end, eventually, pid_in, sleeper

WITHOUT_DESCRIPTOR = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("guard", sys.argv[1])
guard = importlib.util.module_from_spec(spec)
spec.loader.exec_module(guard)
guard.owner_descriptor = lambda pid: -1
sys.exit(guard.main(sys.argv[2:]))
"""


class Guarded:
    """Guards that run shell scripts, in a folder where these leave their pids."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.owner = sleeper()
        self.guards: list[subprocess.Popen[bytes]] = []

    def run(
        self, script: str, *, owner: int | None = None, grace_s: float = 5.0, by: str = "file"
    ) -> subprocess.Popen[bytes]:
        program = ["-c", WITHOUT_DESCRIPTOR] if by == "polling" else ["-I", "-S"]
        watched = self.owner.pid if owner is None else owner
        guard = subprocess.Popen(
            [
                *(sys.executable, *program, str(GUARD)),
                *("--owner", str(watched), "--grace", str(grace_s)),
                *("--", "sh", "-c", script),
            ],
            cwd=self.folder,
            stdout=subprocess.PIPE,
        )
        self.guards.append(guard)
        return guard

    def pid(self, name: str) -> int:
        return pid_in(self.folder / name)

    def close(self) -> None:
        for process in (*self.guards, self.owner):
            if process.poll() is None:
                process.terminate()
            process.wait(10)
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    made = Guarded(tmp_path)
    yield made
    made.close()


FAMILY = "echo $$ > command; sh -c 'echo $$ > grandchild; exec sleep 60' & wait"


@pytest.mark.parametrize("by", ["file", "polling"])
def test_a_killed_owner_takes_command_and_grandchildren_with_it(guarded: Guarded, by: str) -> None:
    guard = guarded.run(FAMILY, by=by)
    command, grandchild = guarded.pid("command"), guarded.pid("grandchild")
    guarded.owner.send_signal(signal.SIGKILL)
    # Nobody has waited for the owner yet: a zombie counts as ended, too, where it can be seen.
    if by == "polling":
        guarded.owner.wait()
    assert eventually(lambda: not alive(command) and not alive(grandchild))
    assert guard.wait(5) == 128 + signal.SIGTERM


def test_a_killed_owner_takes_even_those_with_it_that_ignore_sigterm(guarded: Guarded) -> None:
    deaf = "trap '' TERM; echo $$ > command; sh -c 'echo $$ > grandchild; sleep 60' & wait"
    guard = guarded.run(deaf, grace_s=0.2)
    command, grandchild = guarded.pid("command"), guarded.pid("grandchild")
    guarded.owner.kill()
    assert eventually(lambda: not alive(command) and not alive(grandchild))
    assert guard.wait(5) == 128 + signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_end_is_passed_on_as_sigterm(guarded: Guarded, number: int) -> None:
    script = "trap 'echo flushed; exit 3' TERM; echo $$ > command; while :; do sleep 0.01; done"
    guard = guarded.run(script)
    guarded.pid("command")
    guard.send_signal(number)
    assert guard.communicate(timeout=5)[0] == b"flushed\n"
    assert guard.returncode == 3


def test_the_grace_time_is_granted_before_sigkill(guarded: Guarded) -> None:
    guard = guarded.run(
        "trap '' TERM; echo $$ > command; while :; do sleep 0.01; done", grace_s=0.3
    )
    guarded.pid("command")
    began = time.monotonic()
    guard.terminate()
    assert guard.wait(5) == 128 + signal.SIGKILL
    assert 0.3 <= time.monotonic() - began < 3


def test_a_hangup_of_the_terminal_ends_nothing(guarded: Guarded) -> None:
    guard = guarded.run("echo $$ > command; exec sleep 60")
    command = guarded.pid("command")
    guard.send_signal(signal.SIGHUP)
    guard.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        guard.wait(0.1)
    assert alive(command)


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137), ("kill -SEGV $$", 139)],
)
def test_the_exit_status_is_the_commands_own(guarded: Guarded, script: str, status: int) -> None:
    assert guarded.run(script).wait(5) == status


def test_what_a_command_leaves_behind_is_ended_with_it(guarded: Guarded) -> None:
    guard = guarded.run("sh -c 'echo $$ > grandchild; exec sleep 60' & sleep 0.05; exit 4")
    grandchild = guarded.pid("grandchild")
    assert guard.wait(5) == 4
    assert eventually(lambda: not alive(grandchild))


def test_with_owner_0_nobody_is_watched(guarded: Guarded) -> None:
    starter = (
        "import subprocess, sys\n"
        f"subprocess.Popen([sys.executable, '-I', '-S', {str(GUARD)!r}, '--owner', '0', "
        "'--grace', '5', '--', 'sh', '-c', 'echo $PPID > guard; echo $$ > command; "
        "exec sleep 60'], start_new_session=True)\n"
    )
    subprocess.run([sys.executable, "-c", starter], cwd=guarded.folder, check=True)
    guard, command = guarded.pid("guard"), guarded.pid("command")
    assert not eventually(lambda: not alive(command), within_s=0.2)
    end(guard, signal.SIGTERM)
    assert eventually(lambda: not alive(command) and not alive(guard))


def test_an_owner_that_is_gone_already_starts_nothing(guarded: Guarded) -> None:
    guard = guarded.run("echo $$ > command", owner=dead_pid())
    assert guard.wait(5) == 1
    assert not (guarded.folder / "command").exists()


def test_a_command_that_cannot_be_executed_ends_the_guard(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", str(GUARD), "--owner", "0", "--grace", "1", "--"]
    ended = subprocess.run(
        [*command, "no-such-program", "x"], capture_output=True, text=True, check=False, timeout=5
    )
    assert ended.returncode == 127
    assert ended.stderr == "cannot execute no-such-program: No such file or directory\n"


def test_a_descriptor_tells_when_a_process_has_ended() -> None:
    process = sleeper()
    descriptor = owner_descriptor(process.pid)
    if descriptor < 0:
        process.kill()
        process.wait()
        pytest.skip("this system has no descriptors of processes")
    assert not select.select([descriptor], [], [], 0)[0]
    process.kill()
    # Not waited for yet, so it is a zombie.
    assert select.select([descriptor], [], [], 5)[0] == [descriptor]
    process.wait()
    with pytest.raises(ProcessLookupError):
        owner_descriptor(process.pid)


@pytest.mark.parametrize("by", ["file", "polling"])
def test_a_command_that_was_released_outlives_its_owner(guarded: Guarded, by: str) -> None:
    guard = guarded.run("echo $$ > command; exec sleep 60", by=by)
    command = guarded.pid("command")
    guard.send_signal(RELEASE)
    # An owner that ends at once, before the guard may have had the time to hear of it.
    guarded.owner.kill()
    guarded.owner.wait()
    with pytest.raises(subprocess.TimeoutExpired):
        guard.wait(0.6)
    assert alive(command)
    guard.terminate()
    assert guard.wait(10) == 128 + signal.SIGTERM
    assert not alive(command)


def test_a_process_of_another_user_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, number: int) -> None:
        raise PermissionError(pid, number)

    assert not exists(dead_pid())
    monkeypatch.setattr("os.kill", refuse)
    assert exists(1)
