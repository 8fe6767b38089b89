"""``obsstack doctor`` and ``obsstack send`` as a person calls them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from pytest_obsstack import cli
from pytest_obsstack.cli.doctor import print_report
from pytest_obsstack.endpoints import LokiEndpoint
from pytest_obsstack.provision.doctor import subject as subject_module
from pytest_obsstack.provision.doctor.checks import NAMES
from pytest_obsstack.provision.doctor.finding import Finding, Outcome, Report
from tests.unit.provision.doctor.world import DSN, World

Run = Callable[..., tuple[int, str, str]]

REPORT = Report(
    "the kept embedded stack, run 20260101-120000-abcdef",
    (
        Finding("dsn", None, Outcome("ok", "http://0123…@127.0.0.1:9000/1")),
        Finding("event", None, Outcome("ok", "arrived in Sentry", took_s=0.0123)),
        Finding("metric", None, Outcome("ok", "arrived in Prometheus", took_s=2.345)),
        Finding("tls", None, Outcome("skipped", "no server is reached by https")),
        Finding("proxy", None, Outcome("warn", "caught", "set NO_PROXY=127.0.0.1 for the app")),
        Finding(
            "log",
            None,
            Outcome(
                "fail",
                "the collector answered 503: error exporting items, request to "
                "http://127.0.0.1:3100/otlp/v1/logs responded with HTTP Status Code 503",
                "see that Loki takes what it sends",
                hop="collector → Loki",
            ),
        ),
    ),
)
TABLE = """\
obsstack doctor: the kept embedded stack, run 20260101-120000-abcdef

         check   found
ok       dsn     http://0123…@127.0.0.1:9000/1
ok       event   arrived in Sentry, 12 ms
ok       metric  arrived in Prometheus, 2.3 s
skipped  tls     no server is reached by https
warn     proxy   caught
                 do: set NO_PROXY=127.0.0.1 for the app
fail     log     the collector answered 503: error exporting items, request to
                 http://127.0.0.1:3100/otlp/v1/logs responded with HTTP Status
                 Code 503
                 stops at: collector → Loki
                 do: see that Loki takes what it sends

3 ok, 1 to look at, 1 failed, 1 skipped
"""


def test_the_table_fits_80_columns() -> None:
    output = io.StringIO()
    print_report(REPORT, Console(file=output, width=80))
    lines = [line.rstrip() for line in output.getvalue().splitlines()]
    assert "\n".join(lines) + "\n" == TABLE


def test_colours_are_for_terminals_alone() -> None:
    plain, coloured = io.StringIO(), io.StringIO()
    print_report(REPORT, Console(file=plain, width=80))
    print_report(REPORT, Console(file=coloured, width=80, force_terminal=True))
    assert "\x1b[" not in plain.getvalue()
    assert "\x1b[1;31mfail" in coloured.getvalue()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    """Answers to whatever is asked in this test; no variable of this machine counts."""
    found = World()
    init = subject_module.Subject.__init__

    def connected(self: subject_module.Subject, *args: object, **options: object) -> None:
        transport = {"transport": found.transport, "resolve": lambda *_: None, "environ": {}}
        init(self, *args, **{**options, **transport})  # type: ignore[arg-type]

    monkeypatch.setattr(subject_module.Subject, "__init__", connected)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", {"COLUMNS": "80", "TERM": "dumb"})
    return found


@pytest.fixture
def obsstack(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the program; gives its exit status, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["obsstack", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        code = ended.value.code
        return (0 if code is None else int(code)), out, err

    return run


def plain(text: str) -> str:
    """A message without its frame and line breaks."""
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())


def test_doctor_prints_a_table_and_ends_with_0_where_nothing_failed(
    obsstack: Run, world: World
) -> None:
    status, out, err = obsstack("doctor", "--dsn", DSN, "--only", "dsn", "--only", "tls")
    assert world.requests == []
    assert (status, err) == (0, "")
    assert [line.rstrip() for line in out.splitlines()] == [
        "obsstack doctor: a DSN alone",
        "",
        "         check  found",
        "ok       dsn    http://0123…@sentry.test:9000/7",
        "skipped  tls    no server is reached by https",
        "",
        "1 ok, 0 to look at, 0 failed, 1 skipped",
    ]


def test_doctor_ends_with_1_where_something_failed(obsstack: Run, world: World) -> None:
    world.on("GET http://loki.test:3100/ready", httpx.ReadTimeout("timed out"))
    status, out, _ = obsstack(
        "doctor", "--use", "loki=http://loki.test:3100", "--only", "reach", "--json"
    )
    assert status == 1
    (row,) = json.loads(out)["checks"]
    assert (row["check"], row["part"], row["status"]) == ("reach", "loki", "fail")


def test_doctor_sends_to_servers_that_are_named_only_if_that_is_allowed(
    obsstack: Run, world: World
) -> None:
    arguments = ["doctor", "--dsn", DSN, "--only", "event", "--json", "--timeout", "0.2"]
    status, out, _ = obsstack(*arguments)
    assert (status, json.loads(out)["counts"]["skipped"], world.events) == (0, 1, {})
    status, out, _ = obsstack(*arguments, "--allow-writes")
    assert (status, json.loads(out)["counts"]["ok"], len(world.events)) == (0, 1, 1)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["--only", "evnt"],
            f"Invalid value: --only evnt: expected one of {', '.join(NAMES)}",
        ),
        (["--use", "loki"], "--use: expected COMPONENT=CHOICE or COMPONENT=URL; found 'loki'"),
        (["--timeout", "0"], "Invalid value for '--timeout': "),
        ([], "Invalid value: there is nothing to examine"),
    ],
)
def test_what_cannot_be_meant_ends_with_2(
    obsstack: Run, world: World, arguments: list[str], text: str
) -> None:
    status, out, err = obsstack("doctor", *arguments)
    assert world.requests == []
    assert (status, out) == (2, "")
    assert text in plain(err)


def test_send_prints_the_ids(obsstack: Run, world: World) -> None:
    status, out, _ = obsstack("send", "--dsn", DSN, "--message", "hello", "--level", "info")
    (event,) = world.events.values()
    assert status == 0
    assert event["message"] == "hello"
    assert out == (
        "sent to   http://0123…@sentry.test:9000/7\n"
        f"event id  {event['event_id']}\n"
        f"trace id  {event['contexts']['trace']['trace_id']}\n"
        "result    accepted (200); no API of an error tracker is known (--use sentry=URL)\n"
    )


def test_send_as_json(obsstack: Run, world: World) -> None:
    status, out, _ = obsstack("send", "--dsn", DSN, "--json")
    told = json.loads(out)
    assert (status, told["accepted"], told["exit_status"]) == (0, True, 0)
    assert told["event_id"] in world.events


def test_send_knows_sentrys_levels_alone(obsstack: Run, world: World) -> None:
    status, _, err = obsstack("send", "--dsn", DSN, "--level", "loud")
    assert (status, world.requests) == (2, [])
    assert "--level loud: expected one of fatal, error, warning, info, debug" in plain(err)


def test_the_clients_are_closed(world: World) -> None:
    subject = world.subject()
    assert subject.endpoints.loki == LokiEndpoint("http://loki.test:3100")
    client = subject.loki
    subject.close()
    with pytest.raises(RuntimeError, match="client has been closed"):
        client.ready()
