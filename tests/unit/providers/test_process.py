"""Managed processes: their log, their end, and who is meant by a pid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_obsstack.providers import process as module
from pytest_obsstack.providers.process import ManagedProcess, ProcessIdentity, tail
from tests.unit.providers.support import alive, dead_pid, eventually, pid_in, sleeper


def start(folder: Path, script: str, **options: object) -> ManagedProcess:
    return ManagedProcess.start(
        ["sh", "-c", script],
        env={"PATH": os.environ["PATH"], "GREETING": "hello"},
        log_path=folder / "log",
        owner_pid=os.getpid(),
        **options,  # type: ignore[arg-type]
    )


# ---- a running command


def test_output_and_errors_go_to_the_end_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("before\n")
    process = start(tmp_path, "echo out; echo err >&2")
    assert eventually(lambda: process.returncode is not None)
    assert (tmp_path / "log").read_text() == "before\nout\nerr\n"
    assert process.returncode == 0


def test_the_command_has_exactly_its_environment_and_folder(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    process = start(tmp_path, "echo $GREETING $HOME; pwd", cwd=folder)
    assert eventually(lambda: process.returncode is not None)
    assert (tmp_path / "log").read_text() == f"hello\n{folder}\n"


def test_the_command_does_not_read_the_terminal(tmp_path: Path) -> None:
    process = start(tmp_path, "cat; echo done")
    assert eventually(lambda: process.returncode is not None)
    assert (tmp_path / "log").read_text() == "done\n"


def test_ctrl_c_in_the_terminal_does_not_reach_it(tmp_path: Path) -> None:
    process = start(tmp_path, "exec sleep 60")
    assert os.getsid(process.pid) == process.pid
    process.stop()


def test_stop_lets_the_command_finish_and_returns_when_it_is_gone(tmp_path: Path) -> None:
    script = "trap 'echo flushed; exit 0' TERM; echo $$ > pid; while :; do sleep 0.01; done"
    process = start(tmp_path, script, cwd=tmp_path)
    command = pid_in(tmp_path / "pid")
    statuses = [process.returncode]
    process.stop()
    assert not alive(command)
    assert [*statuses, process.returncode] == [None, 0]
    assert (tmp_path / "log").read_text() == "flushed\n"
    process.stop()


def test_stop_kills_a_command_that_does_not_end_within_its_grace_time(tmp_path: Path) -> None:
    script = "trap '' TERM; echo $$ > pid; while :; do sleep 0.01; done"
    process = start(tmp_path, script, cwd=tmp_path, grace_s=0.1)
    command = pid_in(tmp_path / "pid")
    process.stop()
    assert not alive(command)
    assert process.returncode == 128 + signal.SIGKILL


def test_a_command_that_cannot_be_executed_says_so_in_its_log(tmp_path: Path) -> None:
    process = ManagedProcess.start(
        ["./no-such-program"], env={}, log_path=tmp_path / "log", owner_pid=None
    )
    assert eventually(lambda: process.returncode == 127)
    assert tail(tmp_path / "log") == ["cannot execute ./no-such-program: No such file or directory"]


def test_a_process_that_was_left_to_others_is_ended_by_its_identity(tmp_path: Path) -> None:
    process = start(tmp_path, "echo $$ > pid; exec sleep 60", cwd=tmp_path)
    command = pid_in(tmp_path / "pid")
    identity = process.detach()
    del process
    assert identity.alive
    assert identity.stop(5)
    assert eventually(lambda: not alive(command))
    os.waitpid(identity.pid, 0)


# ---- identity


def test_a_running_process_is_alive_until_it_ends() -> None:
    process = sleeper()
    identity = ProcessIdentity.of(process.pid)
    assert identity.alive
    process.kill()
    assert eventually(lambda: not ProcessIdentity.of(identity.pid).alive), "a zombie is not alive"
    process.wait()
    assert not identity.alive


def test_another_process_of_the_same_pid_is_not_taken_for_it() -> None:
    process = sleeper()
    identity = ProcessIdentity(process.pid, "an earlier start")
    assert not identity.alive
    assert identity.stop(0.1)
    assert process.poll() is None, "the other process must not be signalled"
    process.kill()
    process.wait()


def test_a_dead_process_has_an_identity_that_is_never_alive() -> None:
    identity = ProcessIdentity.of(dead_pid())
    assert identity.started == ""
    assert not identity.alive
    assert identity.stop(0.1)


def test_a_name_with_spaces_and_parentheses_does_not_confuse_it(tmp_path: Path) -> None:
    program = tmp_path / "a ) R 1 (b"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([program, "60"])
    assert ProcessIdentity.of(process.pid).alive
    process.kill()
    process.wait()
    assert not ProcessIdentity.of(process.pid).alive


@pytest.mark.parametrize("descriptor", [True, False])
def test_stop_waits_until_the_process_is_gone(
    monkeypatch: pytest.MonkeyPatch, descriptor: bool
) -> None:
    if not descriptor:
        monkeypatch.setattr(module, "owner_descriptor", lambda _: -1)
    process = sleeper()
    assert ProcessIdentity.of(process.pid).stop(5)
    assert process.wait() == -signal.SIGTERM


@pytest.mark.parametrize("descriptor", [True, False])
def test_stop_tells_when_the_process_is_still_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, descriptor: bool
) -> None:
    if not descriptor:
        monkeypatch.setattr(module, "owner_descriptor", lambda _: -1)
    script = f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.01; done"
    process = subprocess.Popen(["sh", "-c", script])
    pid_in(tmp_path / "pid")
    assert not ProcessIdentity.of(process.pid).stop(0.1)
    process.kill()
    process.wait()


def test_without_proc_the_start_time_that_ps_tells_is_the_mark() -> None:
    code = (
        "import os, pathlib\n"
        "real = pathlib.Path.exists\n"
        "pathlib.Path.exists = lambda self: not str(self).startswith('/proc') and real(self)\n"
        "from pytest_obsstack.providers.process import ProcessIdentity\n"
        "me = ProcessIdentity.of(os.getpid())\n"
        "assert me.alive and ':' in me.started, me\n"
        "assert not ProcessIdentity(me.pid, 'other').alive\n"
    )
    if subprocess.run(["sh", "-c", "command -v ps"], capture_output=True, check=False).returncode:
        pytest.skip("this system has no ps")
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- the end of a log


def test_tail_gives_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(50)))
    assert tail(log, 2) == ["line 48", "line 49"]
    assert len(tail(log)) == 20
    assert len(tail(log, 1000)) == 50


def test_tail_of_no_lines_is_empty(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("one\ntwo\n")
    assert tail(tmp_path / "log", 0) == []


def test_tail_of_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert tail(tmp_path / "log") == []


def test_tail_of_a_large_log_reads_its_end_alone_and_no_half_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * 200_000 + b"\nlast\xff line\n")
    assert tail(log, 5) == ["last\ufffd line"]


def test_tail_of_many_lines_reads_further_back(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("first\n" + "x" * 99_999 + "\nlast\n")
    assert tail(log, 5) == ["last"]
    assert tail(log, 1000)[0] == "first"


def test_tail_of_a_line_that_is_too_long_is_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * 200_000 + b"end\n")
    (line,) = tail(log, 5)
    assert len(line) == 65535
    assert line.endswith("xend")
