#!/usr/bin/env python3
"""A container engine for the time of a test run, where none runs, and Compose v2 for it.

    eval "$(tests/compose/engine.py start --folder F)"
    …
    tests/compose/engine.py stop --folder F

``start`` prints what to export: DOCKER_HOST where it has started an engine, DOCKER_CONFIG where it
has unpacked Compose, nothing where both are there. F keeps the engine's data (images too: a later
``start`` with it finds them); it is made if it is not there, and removing it after ``stop`` is the
caller's.

``stop`` ends that engine alone, with its containers and networks, and puts back what it changed:
iptables, forwarding, files outside of F. Rules of others, and an engine that was there before, are
left alone. Modules that the kernel has loaded stay loaded.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.compose.local_images.steps import BuildError, Steps  # noqa: E402 - path first
from tests.compose.own_engine import compose_plugin, traces  # noqa: E402
from tests.compose.own_engine.daemon import Daemon, is_running  # noqa: E402
from tests.compose.own_engine.state import State  # noqa: E402


def parser() -> argparse.ArgumentParser:
    assert __doc__ is not None
    result = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = result.add_subparsers(dest="command", required=True)
    for name, meaning in (
        ("start", "start an engine where none answers; prints lines for a shell to evaluate"),
        ("stop", "end the engine that start started"),
    ):
        command = commands.add_parser(name, help=meaning)
        command.add_argument("--folder", type=Path, required=True, help="of the engine, kept short")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    steps = Steps()
    folder = options.folder.resolve()
    try:
        if options.command == "start":
            for name, value in start(folder, steps).items():
                sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
        else:
            stop(folder, steps)
    except BuildError as error:
        steps.say(f"{Path(__file__).name}: {error}")
        return 1
    return 0


def start(folder: Path, steps: Steps) -> dict[str, str]:
    """The variables to export. After a failure nothing runs that did not before."""
    folder.mkdir(parents=True, exist_ok=True)
    result = {}
    version = compose_plugin.installed_version(steps)
    if version is None or not compose_plugin.is_new_enough(version):
        config = folder / "config"
        with steps.step("engine: Compose v2 of a newer Debian, unpacked"):
            compose_plugin.unpack(config, steps)
        result["DOCKER_CONFIG"] = str(config)
    daemon = Daemon(folder, steps)
    if daemon.problem() is None:
        steps.say(f"the engine of {folder} runs already")
        result["DOCKER_HOST"] = daemon.host
    elif engine_answers(steps):
        steps.say("an engine runs already, it is used")
        State().save(folder)
    else:
        with steps.step("engine: start"):
            _start_own(daemon, steps)
        result["DOCKER_HOST"] = daemon.host
    return result


def engine_answers(steps: Steps) -> bool:
    try:
        steps.run(["docker", "version", "--format", "{{.Server.Version}}"])
    except BuildError:
        return False
    return True


def _start_own(daemon: Daemon, steps: Steps) -> None:
    others = traces.other_engines()
    if others:
        # Two engines in one network take each other's rules of iptables away.
        raise BuildError(
            f"expected the engine that runs (process {others[0]}) to answer, found that it does"
            f" not at {os.environ.get('DOCKER_HOST', 'its usual socket')}; set DOCKER_HOST, or end"
            " it"
        )
    state = State.load(daemon.folder)
    if state is None or not state.started:
        # Else an earlier engine of this folder was not stopped: how things were before it counts.
        state = State(started=True)
        traces.note_before(state, steps)
        state.save(daemon.folder)
    try:
        if state.mounted_cgroup:
            steps.run(["mount", "-t", "cgroup2", "cgroup2", traces.CGROUP])
        state.pid = daemon.spawn()
        state.save(daemon.folder)
        daemon.wait_until_it_answers(state.pid)
    except BaseException:
        stop(daemon.folder, steps)
        raise


def stop(folder: Path, steps: Steps) -> None:
    """End what ``start`` started; without that, nothing is done."""
    state = State.load(folder)
    if state is None or not state.started:
        steps.say(f"no engine was started in {folder}, none is stopped")
        return
    daemon = Daemon(folder, steps)
    with steps.step("engine: stop"):
        if state.pid and not is_running(state.pid):
            _revive(daemon, state)
        if state.pid and daemon.problem() is None:
            daemon.empty()
        if state.pid:
            daemon.end(state.pid)
        daemon.unmount()
        if state.mounted_cgroup and os.path.ismount(traces.CGROUP):
            steps.run(["umount", traces.CGROUP])
        traces.put_back(state, steps)
    State().save(folder)


def _revive(daemon: Daemon, state: State) -> None:
    """Of an engine that was killed, containers and networks are left, which it alone can remove."""
    if not (daemon.folder / "data").exists():
        return
    # A containerd without its engine lets no other one start.
    daemon.end_processes()
    try:
        pid = daemon.spawn()
        daemon.wait_until_it_answers(pid)
    except BuildError:
        # It did not start then either; what is left of it is ended by force.
        return
    state.pid = pid
    state.save(daemon.folder)


if __name__ == "__main__":
    sys.exit(main())
