"""What pytest prints about the stack, before and after."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_obsstack.endpoints import Endpoints, GrafanaEndpoint, SentryEndpoint
from pytest_obsstack.evidence.summary import header, kept_lines, summary_lines, write_summary
from pytest_obsstack.options import Options
from pytest_obsstack.providers.state import ProductState, RunningApp, StackState, write_state
from pytest_obsstack.provision.run import Run

STATE = StackState(
    kind="embedded",
    run_id="r",
    folder=Path("/runs/r/stack"),
    endpoints=Endpoints(
        sentry=SentryEndpoint(
            "http://127.0.0.1:9000", token="s3cret", admin_email="a@b", admin_password="admin"
        )
    ),
    products={
        "sentry": ProductState("http://127.0.0.1:9000", "26.1.0", "Sentry"),
        "prometheus": ProductState("http://127.0.0.1:40000", "3.0", "Prometheus", wish_met=False),
        "loki": ProductState("http://loki:3100", "3.2"),
    },
    ready_after_s=0.526,
)


class Terminal:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def section(self, title: str) -> None:
        self.lines.append(f"== {title}")

    def write_line(self, line: str) -> None:
        self.lines.append(line)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            Options(),
            (
                "obsstack: embedded (embedded stand-ins for Sentry, OpenTelemetry Collector, "
                "Prometheus, Loki), started when a test asks for it"
            ),
        ),
        (
            Options(keep_stack=True, use={"loki": "http://l"}),
            (
                "obsstack: embedded (embedded stand-ins for Sentry, OpenTelemetry Collector, "
                "Prometheus, Loki, loki at http://l, kept at the end), started when a test asks "
                "for it"
            ),
        ),
        (
            Options(stack="compose", keep_stack=True),
            (
                "obsstack: compose (containers, GlitchTip, kept at the end), started when a test "
                "asks for it"
            ),
        ),
        (
            Options(stack="compose", use={"sentry": "lite"}),
            (
                "obsstack: compose (containers, our own Sentry server (lite)), started when a test "
                "asks for it"
            ),
        ),
        (
            Options(stack="compose", use={"sentry": "https://s.example"}),
            (
                "obsstack: compose (containers, an error tracker of yours, sentry at "
                "https://s.example), started when a test asks for it"
            ),
        ),
        (
            Options(stack="attach"),
            "obsstack: attach (a stack that runs already, read-only)",
        ),
        (
            Options(stack="attach", allow_writes=True, use={"sentry": "http://s"}),
            "obsstack: attach (a stack that runs already, sentry at http://s)",
        ),
    ],
)
def test_the_header_tells_what_was_asked_for(options: Options, line: str) -> None:
    assert header(options) == [line]


def test_the_summary_tells_what_ran_where_in_which_version_and_what_stood_in() -> None:
    assert summary_lines(STATE) == [
        "embedded stack, ready after 0.53 s",
        "  sentry     http://127.0.0.1:9000  26.1.0, stands in for Sentry",
        "  prometheus http://127.0.0.1:40000  3.0, stands in for Prometheus",
        "  loki       http://loki:3100  3.2",
    ]


def test_a_kept_stack_tells_how_to_go_on() -> None:
    app = RunningApp("http://127.0.0.1:5000", "i", "simple-app")
    assert kept_lines(replace(STATE, app=app)) == [
        "log in at http://127.0.0.1:9000 as a@b, admin",
        "prometheus could not have its usual port 9090, which is in use",
        "the app answers at http://127.0.0.1:5000",
        "the stack keeps running: `obsstack status` shows it, `obsstack down` removes it",
    ]
    assert kept_lines(replace(STATE, endpoints=Endpoints(), products={})) == [
        "the stack keeps running: `obsstack status` shows it, `obsstack down` removes it"
    ]


def test_a_kept_grafana_tells_its_login() -> None:
    endpoints = Endpoints(grafana=GrafanaEndpoint("http://127.0.0.1:3000", "admin", "p4ss"))
    assert kept_lines(replace(STATE, endpoints=endpoints, products={}))[0] == (
        "log in at http://127.0.0.1:3000 as admin, p4ss"
    )
    without = Endpoints(grafana=GrafanaEndpoint("http://127.0.0.1:3000"))
    assert len(kept_lines(replace(STATE, endpoints=without, products={}))) == 1


def test_what_stands_in_is_told_by_the_products_name() -> None:
    products = {"sentry": ProductState("http://s", "0.1.0", "glitchtip")}
    assert summary_lines(replace(STATE, products=products))[1] == (
        "  sentry     http://s  0.1.0, stands in for GlitchTip"
    )


def printed(tmp_path: Path, state: StackState | None) -> list[str]:
    run = Run(tmp_path, owner_pid=1)
    if state is not None:
        write_state(run.state_path, state)
    terminal: Any = Terminal()
    write_summary(terminal, run)
    lines: list[str] = terminal.lines
    return lines


def test_the_summary_names_the_folder_of_what_arrived(tmp_path: Path) -> None:
    assert printed(tmp_path, STATE) == [
        "== obsstack",
        *summary_lines(STATE),
        f"what arrived: {tmp_path}",
    ]


def test_the_summary_of_a_kept_stack_tells_how_to_go_on(tmp_path: Path) -> None:
    kept = replace(STATE, kept=True)
    assert printed(tmp_path, kept) == ["== obsstack", *summary_lines(kept), *kept_lines(kept)]


def test_a_stack_that_never_started_has_no_summary(tmp_path: Path) -> None:
    assert printed(tmp_path, None) == []


def test_only_a_kept_stack_shows_its_password(tmp_path: Path) -> None:
    assert not any("admin" in line or "s3cret" in line for line in printed(tmp_path, STATE))
    assert not any("s3cret" in line for line in kept_lines(STATE))
