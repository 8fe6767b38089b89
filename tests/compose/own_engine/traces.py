"""What an engine changes outside of its folder, and how that is put back.

The default bridge, chains and rules of iptables, the policy of FORWARD, two settings of the kernel,
and a few files and folders. What was there before is left alone.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from tests.compose.local_images.steps import BuildError, Steps
from tests.compose.own_engine.state import State

MADE_PATHS = ("/etc/docker", "/etc/docker/key.json", "/run/containerd", "/run/docker")
"""By any engine, whatever it is told."""
SETTINGS = (
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sys/net/ipv6/conf/all/forwarding",
    "/proc/sys/net/ipv6/conf/default/forwarding",
)
COMMANDS = ("iptables", "ip6tables")
CGROUP = Path("/sys/fs/cgroup")
BRIDGE = "docker0"
"""The default bridge, which an engine makes and does not take away."""


def note_before(state: State, steps: Steps) -> None:
    """Write into ``state`` how things are before an engine starts."""
    state.network = network_of(Path("/proc/self"))
    state.absent = [path for path in MADE_PATHS if not Path(path).exists()]
    state.ip_forward = {
        path: Path(path).read_text().strip() for path in SETTINGS if Path(path).exists()
    }
    state.made_bridge = not has_bridge()
    for command in COMMANDS:
        rules = saved_rules(command, steps)
        # Chains of an engine that runs no more, or that was not found: they are somebody else's.
        if not any(True for _ in cleaning_commands(rules)) and shutil.which(command) is not None:
            state.forward_policy[command] = forward_policy(rules)
    state.mounted_cgroup = not any(CGROUP.iterdir()) if CGROUP.exists() else False


def put_back(state: State, steps: Steps) -> None:
    """Undo what an engine did that has ended, as far as no other engine may need it now."""
    if other_engines() or state.network != network_of(Path("/proc/self")):
        steps.say("another engine runs, or this is another network: nothing of them is put back")
        return
    _put_back_network(state, steps)
    for group in (*CGROUP.glob("docker"), *CGROUP.glob("*/docker")):
        # Another engine's containers keep theirs.
        with contextlib.suppress(OSError):
            group.rmdir()
    for path in reversed(state.absent):
        made = Path(path)
        if made.is_dir():
            shutil.rmtree(made)
        else:
            made.unlink(missing_ok=True)


def network_of(process: Path) -> str:
    """The kernel's name for the network that a process (a folder of ``/proc``) is in."""
    return str((process / "ns" / "net").readlink())


def other_engines() -> list[int]:
    """Process ids of the engines in this process' network."""
    found = []
    here = network_of(Path("/proc/self"))
    for process in Path("/proc").glob("[0-9]*"):
        # Most processes are gone, or another user's, at some time.
        with contextlib.suppress(OSError):
            is_engine = (process / "comm").read_text().strip() == "dockerd"
            if is_engine and network_of(process) == here:
                found.append(int(process.name))
    return found


def _put_back_network(state: State, steps: Steps) -> None:
    for command, policy in state.forward_policy.items():
        rules = saved_rules(command, steps)
        for arguments in cleaning_commands(rules):
            steps.run([command, *arguments])
        if rules and forward_policy(rules) != policy:
            steps.run([command, "-P", "FORWARD", policy])
    if state.made_bridge and has_bridge():
        steps.run(["ip", "link", "delete", BRIDGE])
    for path, value in state.ip_forward.items():
        if Path(path).read_text().strip() != value:
            Path(path).write_text(value)


def has_bridge() -> bool:
    """Whether this process' network has an engine's default bridge."""
    listed = Path("/proc/self/net/dev").read_text().splitlines()
    return any(line.strip().startswith(f"{BRIDGE}:") for line in listed)


def saved_rules(command: str, steps: Steps) -> str:
    """All tables as ``iptables-save`` tells them; empty where there are none."""
    if shutil.which(f"{command}-save") is None:
        return ""
    try:
        return steps.run([f"{command}-save"])
    except BuildError:
        # A kernel without that protocol.
        return ""


def forward_policy(rules: str) -> str:
    """The policy of FORWARD in the table ``filter``: ``ACCEPT`` where nobody has made the table."""
    table = ""
    for line in rules.splitlines():
        if line.startswith("*"):
            table = line[1:]
        if table == "filter" and line.startswith(":FORWARD "):
            return line.split()[1]
    return "ACCEPT"


def cleaning_commands(rules: str) -> Iterable[list[str]]:
    """Arguments of iptables that remove Docker's rules and then its chains."""
    table = ""
    chains: list[tuple[str, str]] = []
    for line in rules.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":DOCKER"):
            chains.append((table, line[1:].split()[0]))
        elif line.startswith("-A ") and not line.startswith("-A DOCKER"):
            words = line.split()
            if any(word.startswith("DOCKER") or word == BRIDGE for word in words):
                yield ["-t", table, "-D", *words[1:]]
    for owner, chain in chains:
        yield ["-t", owner, "-F", chain]
    for owner, chain in chains:
        yield ["-t", owner, "-X", chain]
