"""What `obsstack doctor` and `obsstack send` say, by running them on an embedded stack."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from docs.sections import table
from pytest_obsstack.cli.doctor import print_report
from pytest_obsstack.options.kinds import GUIDE_PORTS, STARTED
from pytest_obsstack.providers.embedded import EmbeddedControl
from pytest_obsstack.providers.home import Home
from pytest_obsstack.providers.ports import free_port
from pytest_obsstack.providers.state import StackState, read_state
from pytest_obsstack.provision.doctor.checks import CHECKS
from pytest_obsstack.provision.doctor.finding import Finding, Outcome, Report

NAMES = ("doctor-well", "doctor-broken", "doctor-json", "doctor-send")
"""The sections that a stack is started for."""

_WIDTH = 80


def checks_table() -> str:
    """The checks with what each answers."""
    return table(("check", "what it answers"), [(f"`{c.name}`", c.about) for c in CHECKS])


def run_sections() -> dict[str, str]:
    """The output of a stack in which all is well, and of one whose logs get lost."""
    with _stack() as (home, state):
        well = _call(home, "doctor", "--json")
        sent = _call(home, "send", "--message", "hello", "--json")
        if state.control is None:
            raise SystemExit("an embedded stack without a control interface")
        with contextlib.closing(EmbeddedControl(state.control)) as control:
            control.set_faults("loki", [{"path": "/otlp/.*", "status": 503, "body": "no space"}])
            broken = _call(home, "doctor", "--only", "log", "--only", "labels", "--json")
        event_alone = _call(home, "doctor", "--only", "event", "--json")
        return {
            "doctor-well": _console("obsstack doctor", _table(well, state)),
            "doctor-broken": _console(
                "obsstack doctor --only log --only labels", _table(broken, state)
            ),
            "doctor-json": _console(
                "obsstack doctor --only event --json",
                json.dumps(_settled(event_alone, state), indent=2, ensure_ascii=False),
            ),
            "doctor-send": _console(
                "obsstack send --message hello --json",
                json.dumps(_settled(sent, state), indent=2, ensure_ascii=False),
            ),
        }


@contextlib.contextmanager
def _stack() -> Iterator[tuple[Path, StackState]]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / ".obsstack"
        ports = [f"--port={n}={free_port()}" for n in STARTED["embedded"] if n != "app"]
        _call(home, "up", "--no-app", "--json", *ports)
        try:
            state = read_state(Home(home).kept_path)
            if state is None:
                raise SystemExit("obsstack up has left no stack")
            yield home, state
        finally:
            _call(home, "down", "--json")


def _call(home: Path, command: str, *arguments: str) -> dict[str, Any]:
    """The JSON that a command prints, whatever its exit status."""
    program = str(Path(sys.executable).with_name("obsstack"))
    done = subprocess.run(
        [program, command, "--home", str(home), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": str(Path(sys.executable).parent)},
    )
    if not done.stdout:
        raise SystemExit(f"obsstack {command} failed: {done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _table(told: Mapping[str, Any], state: StackState) -> str:
    """The report as the terminal shows it, by the very code that does."""
    settled = _settled(told, state)
    rows = [
        Finding(
            row["check"],
            row["part"],
            Outcome(row["status"], row["found"], row["do"], row["took_s"], row["hop"]),
        )
        for row in settled["checks"]
    ]
    output = io.StringIO()
    print_report(Report(settled["subject"], rows), Console(file=output, width=_WIDTH))
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines())


def _settled(told: Mapping[str, Any], state: StackState) -> dict[str, Any]:
    """The same with what differs from run to run replaced: ports, ids, versions, times."""
    text = json.dumps(told, ensure_ascii=False)
    for name, product in state.products.items():
        port = product.url.rpartition(":")[2]
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{GUIDE_PORTS[name]}")
    text = text.replace(state.run_id, "20260101-120000-abcdef")
    for pattern, settled in (
        (r"//[0-9a-f]{4}…@", "//4bf9…@"),
        (r"\b[0-9a-f]{32}\b", "4bf92f3577b34da6a3ce929d0e0e4736"),
        (r"2\.\d+\.\d+ is installed", "2.75.0 is installed"),
        (r"1\.\d+\.\d+ is installed", "1.45.1 is installed"),
        (r'"took_s": [\d.]+', '"took_s": 0.012'),
    ):
        text = re.sub(pattern, settled, text)
    answer: dict[str, Any] = json.loads(text)
    return answer


def _console(command: str, output: str) -> str:
    return f"```console\n$ {command}\n{output}\n```"
