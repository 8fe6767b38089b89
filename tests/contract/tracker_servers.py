"""Error trackers at hand: recorded ones always, live ones where they are installed or named.

``OBSSTACK_GLITCHTIP_URL``, ``OBSSTACK_BUGSINK_URL`` with ``…_EMAIL`` and ``…_PASSWORD`` name live
ones; a Bugsink is also started where ``bugsink-manage`` can be found on ``PATH``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_obsstack.clients.sentry.open import open_tracker
from pytest_obsstack.clients.sentry.tracker import Tracker
from pytest_obsstack.endpoints import SentryEndpoint, TrackerFlavour
from pytest_obsstack.provision.sentry_setup import SentryProject
from pytest_obsstack.provision.tracker_setup import set_up_tracker
from tests.contract.embedded_sentry import TOKEN, running_sentry
from tests.contract.tracker_facts import Facts, report_all
from tests.contract.tracker_recording import Recorder, Recording

RECORDED = {"glitchtip": "glitchtip-5.2", "bugsink": "bugsink-2.6"}
_RECORD = os.environ.get("OBSSTACK_RECORD_TRACKER")
_START_S = 60.0


@dataclass(frozen=True)
class Account:
    """A live tracker, and who may log in to it."""

    flavour: TrackerFlavour
    url: str
    email: str | None = None
    password: str | None = None
    token: str | None = None

    def set_up(self, project: str) -> SentryProject:
        return set_up_tracker(
            self.flavour,
            self.url,
            email=self.email,
            password=self.password,
            token=self.token,
            project=project,
            timeout_s=_START_S,
        )


@dataclass(frozen=True)
class Case:
    """A tracker to which all was reported."""

    tracker: Tracker
    facts: Facts
    project: str


@contextlib.contextmanager
def recorded_case(flavour: TrackerFlavour) -> Iterator[Case]:
    recording = Recording.load(RECORDED[flavour])
    endpoint = SentryEndpoint(
        recording.url,
        token="a-token",
        organization=recording.organization,
        project=recording.project,
        flavour=flavour,
    )
    with contextlib.closing(open_tracker(endpoint, transport=recording.transport())) as tracker:
        yield Case(tracker, recording.facts, recording.project)


@contextlib.contextmanager
def live_case(account: Account) -> Iterator[Case]:
    """A new project of a live tracker, and what the contract needs in it."""
    made = account.set_up(f"contract-{uuid.uuid4().hex[:8]}")
    endpoint = SentryEndpoint(
        account.url,
        token=made.token,
        organization=made.organization,
        project=made.project,
        flavour=account.flavour,
    )
    with contextlib.closing(open_tracker(endpoint)) as tracker:
        facts = report_all(made.dsn, tracker)
    recorder = Recorder()
    with contextlib.closing(open_tracker(endpoint, transport=recorder)) as tracker:
        yield Case(tracker, facts, made.project)
        if account.flavour == _RECORD:
            recording = Recording(
                version=tracker.version() or "unknown",
                url=account.url,
                organization=made.organization,
                project=made.project,
                facts=facts,
                answers={},
            )
            recorder.save(RECORDED[account.flavour], recording)


@contextlib.contextmanager
def embedded_account() -> Iterator[Account]:
    with running_sentry() as server:
        yield Account("embedded", str(server.client.base_url), token=TOKEN)


def not_at_hand(flavour: TrackerFlavour) -> str | None:
    """Why no live tracker of that kind can be asked; ``None`` where one can."""
    variable = f"OBSSTACK_{flavour.upper()}_URL"
    if os.environ.get(variable) or (flavour == "bugsink" and shutil.which("bugsink-manage")):
        return None
    more = ", and bugsink-manage is not on PATH" if flavour == "bugsink" else ""
    return f"no live {flavour} at hand: {variable} is not set{more}"


@contextlib.contextmanager
def live_account(flavour: TrackerFlavour, folder: Path) -> Iterator[Account]:
    """The live tracker of that kind; one must be at hand."""
    prefix = f"OBSSTACK_{flavour.upper()}"
    url = os.environ.get(f"{prefix}_URL")
    if url:
        email = os.environ.get(f"{prefix}_EMAIL", "admin@example.com")
        yield Account(flavour, url, email, os.environ.get(f"{prefix}_PASSWORD", ""))
    else:
        with _own_bugsink(folder) as account:
            yield account


@contextlib.contextmanager
def _own_bugsink(folder: Path) -> Iterator[Account]:
    """An installed Bugsink as its image runs it: gunicorn, and the workers beside it."""
    manage = shutil.which("bugsink-manage")
    assert manage is not None
    programs = Path(manage).parent
    port = _free_port()
    email, password = "admin@example.com", uuid.uuid4().hex
    environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "PYTHONPATH": str(folder),
        "DJANGO_SETTINGS_MODULE": "bugsink_conf",
        "CREATE_SUPERUSER": f"{email}:{password}",
        "SECRET_KEY": uuid.uuid4().hex + uuid.uuid4().hex,
    }

    def run(*command: str) -> None:
        finished = subprocess.run(
            [str(programs / command[0]), *command[1:]],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr[-2000:]

    template = ("--template", "singleserver", "--base-dir", str(folder))
    address = ("--host", "127.0.0.1", "--port", str(port))
    run("bugsink-create-conf", *template, *address, "--output-file", "bugsink_conf.py")
    url = f"http://127.0.0.1:{port}"
    with (folder / "bugsink_conf.py").open("a") as settings:
        # The template is that of a server behind a proxy with TLS.
        settings.write(
            f"\nBUGSINK['BASE_URL'] = {url!r}\nSESSION_COOKIE_SECURE = False\n"
            "CSRF_COOKIE_SECURE = False\nSECURE_PROXY_SSL_HEADER = None\n"
            "ALLOWED_HOSTS = ['127.0.0.1']\nBUGSINK['PHONEHOME'] = False\n"
        )
    for command in (("migrate", "snappea", "--database=snappea"), ("migrate",), ("prestart",)):
        run("bugsink-manage", *command)
    processes = [
        subprocess.Popen(
            [str(programs / command[0]), *command[1:]],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for command in (
            ("gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "2", "bugsink.wsgi"),
            ("bugsink-runsnappea",),
        )
    ]
    try:
        yield Account("bugsink", url, email, password)
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(timeout=20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
