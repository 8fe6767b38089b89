"""A pytest run of its own, with an app of its own: for what only whole processes can show.

Every process that such a run starts, directly or not, inherits a variable whose value is the run's
alone. That is how they are found again, whoever became their parent.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_obsstack.options.kinds import STARTED
from pytest_obsstack.providers.ports import free_port

PATIENCE_S = 20.0
"""Longer than anything takes, also on a busy machine."""
MARK = "LIFECYCLE_TEST"

APP = '''
"""Answers with its pid and a variable; APP_MODE lets it fail in one way or another."""

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

mode = os.environ.get("APP_MODE", "")
here = Path(__file__).parent


def end(*_):
    (here / "ending").touch()
    if mode == "ends slowly":
        time.sleep(1)
    sys.exit()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"pid": os.getpid(), "greeting": os.environ.get("GREETING")}).encode()
        self.send_response(503 if mode == "is never ready" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


print("reading the configuration", flush=True)
if mode == "dies":
    sys.exit("no database")
if mode == "hangs":
    (here / "hanging").touch()
    time.sleep(60)
signal.signal(signal.SIGTERM, end)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
'''

CONFTEST = """
import json
import os
import sys
import time
from pathlib import Path

import pytest

from pytest_obsstack import AppSpec

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def obs_app_spec():
    return AppSpec(
        # Without site-packages it starts in no time.
        command=[os.environ.get("APP_PROGRAM", sys.executable), "-I", "-S", str(HERE / "app.py")],
        service="tiny",
        signals=frozenset({"errors"}),
        ready_timeout_s=float(os.environ.get("APP_READY_TIMEOUT_S", "20")),
    )


@pytest.fixture
def note(request):
    '''Tell the outer test something.'''

    def write(**facts):
        line = json.dumps({"test": request.node.name, "pid": os.getpid(), **facts}) + "\\n"
        with (HERE / "notes").open("a") as file:
            file.write(line)

    return write


@pytest.fixture
def note_stack(note, obs, obs_stack, obs_app):
    note(
        worker=os.environ.get("PYTEST_XDIST_WORKER"),
        stack=obs_stack.state.process.pid,
        urls=[product.url for product in obs_stack.state.products.values()],
        app=obs.get("/").json()["pid"],
        app_url=obs_app.url,
    )


@pytest.fixture
def wait_for():
    '''Wait for a file that the outer test writes.'''

    def wait(name):
        deadline = time.monotonic() + 30
        while not (HERE / name).exists():
            assert time.monotonic() < deadline, f"nobody wrote {name}"
            time.sleep(0.01)

    return wait
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    output: str

    @property
    def lines(self) -> list[str]:
        return self.output.splitlines()


@dataclass
class Project:
    """A folder with an app and tests of it, outside of this repository."""

    folder: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self.write("app.py", APP)
        self.write("conftest.py", CONFTEST)
        self.write("pytest.ini", "[pytest]\n")

    @property
    def home(self) -> Path:
        return self.folder / ".obsstack"

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, "utf-8")

    def start(
        self, *arguments: str, workers: int = 0, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start pytest as a terminal would: in a process group of its own."""
        plugins = ["-p", "pytest_obsstack.plugin"]
        if workers:
            plugins += ["-p", "xdist", "-n", str(workers)]
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tb=short"]
        return self._popen([*command, *plugins, *arguments], env or {})

    def run(self, *arguments: str, workers: int = 0, env: Mapping[str, str] | None = None) -> Ended:
        """Run pytest to its end."""
        return ended(self.start(*arguments, workers=workers, env=env))

    def obsstack(self, *arguments: str) -> Ended:
        """Run the command line in the folder."""
        program = str(Path(sys.executable).with_name("obsstack"))
        return ended(self._popen([program, *arguments], {}))

    def notes(self) -> list[dict[str, Any]]:
        """What the inner tests told, in that order."""
        path = self.folder / "notes"
        if not path.exists():
            return []
        whole = path.read_text("utf-8").rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def processes(self) -> dict[int, str]:
        """Every running process that comes of this project: its command line by its pid."""
        return processes_with(f"{MARK}={self.mark}")

    def run_folders(self) -> list[Path]:
        return sorted((self.home / "runs").glob("*"))

    def _popen(self, command: list[str], env: Mapping[str, str]) -> subprocess.Popen[str]:
        mine = ("PYTEST_", "OBS_", "SENTRY_", "OTEL_")
        rest = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
        rest |= {
            # The other plugins that are installed here take a second to load.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "COLUMNS": "200",
            MARK: self.mark,
        }
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={**rest, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=heed_interrupts,  # noqa: PLW1509 - no threads here
        )


def heed_interrupts() -> None:
    """In a new process: Ctrl-C counts, also where a shell has started all this in the background.

    Such a shell ignores SIGINT, which is inherited, and Python leaves it ignored then.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def ended(process: subprocess.Popen[str], within_s: float = 2 * PATIENCE_S) -> Ended:
    """Wait for the end of a command."""
    output, _ = process.communicate(timeout=within_s)
    return Ended(process.returncode, output)


def own_ports() -> list[str]:
    """Options that keep a kept stack off the guide's ports, which other tests may want."""
    return [f"--obs-port={name}={free_port()}" for name in STARTED["embedded"]]


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_S:g} s"
        time.sleep(0.005)


def interrupt(process: subprocess.Popen[str]) -> None:
    """Ctrl-C in the terminal: SIGINT to the whole process group of the foreground."""
    os.killpg(process.pid, signal.SIGINT)


def processes_with(setting: str) -> dict[int, str]:
    """Processes with the variable in their environment; zombies have none any more."""
    if not Path("/proc/self/environ").exists():
        listing = subprocess.run(
            ["ps", "-axEww", "-o", "pid=,command="], capture_output=True, text=True, check=True
        ).stdout
        rows = (line.strip().partition(" ") for line in listing.splitlines() if setting in line)
        return {int(pid): command for pid, _, command in rows}
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if setting.encode() in (folder / "environ").read_bytes().split(b"\0"):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(folder.name)] = command.decode("utf-8", "replace")
    return found


def normalised(text: str, folder: Path) -> str:
    """The text without what differs from run to run."""
    text = text.replace(str(folder), "FOLDER").replace(sys.executable, "PYTHON")
    text = re.sub(r"runs/\d{8}-\d{6}-[0-9a-f]{6}", "runs/RUN", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "HOST", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", "TIME", text)
    return re.sub(r"\d+\.\d+ s\b", "SECONDS", text)
