from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pytest_obsstack import cli
from pytest_obsstack.provision import tracker_setup
from pytest_obsstack.provision.sentry_setup import SentryProject

KEY = "0123456789abcdef0123456789abcdef"
PROJECT = SentryProject(
    organization="acme",
    project="shop",
    project_id="7",
    public_key=KEY,
    dsn=f"http://{KEY}@127.0.0.1:9000/7",
    token="t0ken",
)


@pytest.fixture(autouse=True)
def _no_inherited_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SENTRY_ADMIN_EMAIL", "SENTRY_ADMIN_PASSWORD", "SENTRY_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the tracker's set-up was asked for; it gives ``PROJECT``."""
    calls: list[tuple[Any, ...]] = []

    def set_up(flavour: str, url: str, **options: Any) -> SentryProject:
        calls.append((flavour, url, options))
        return PROJECT

    monkeypatch.setattr(tracker_setup, "set_up_tracker", set_up)
    return calls


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["sentry-setup", *arguments])


def test_json_has_project_token_and_the_dsn_as_the_app_reaches_it(
    asked: list[tuple[Any, ...]],
) -> None:
    result = run("--url", "http://127.0.0.1:9000/", "--dsn-host", "sentry:9000", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output) == {
        "url": "http://127.0.0.1:9000",
        "organization": "acme",
        "project": "shop",
        "project_id": "7",
        "dsn": f"http://{KEY}@sentry:9000/7",
        "token": "t0ken",
        "otlp_traces_url": None,
    }


def test_without_json_the_token_is_not_shown(asked: list[tuple[Any, ...]]) -> None:
    result = run("--url", "http://127.0.0.1:9000")
    assert result.output.splitlines() == [
        "organization  acme",
        "project       shop",
        f"dsn           http://{KEY}@127.0.0.1:9000/7",
    ]


def test_the_file_is_for_its_owner_alone_and_has_the_dsn(
    asked: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    path = tmp_path / "dsn.env"
    result = run("--url", "http://h", "--dsn-host", "sentry:9000", "--write-env", str(path))
    assert result.exit_code == 0, result.output
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert f"SENTRY_DSN=http://{KEY}@sentry:9000/7" in path.read_text().splitlines()


def test_password_and_token_come_from_the_environment(
    asked: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTRY_ADMIN_EMAIL", "a@example.com")
    monkeypatch.setenv("SENTRY_ADMIN_PASSWORD", "pa55")
    monkeypatch.setenv("SENTRY_API_TOKEN", "given")
    assert run("--url", "http://h", "--flavour", "glitchtip").exit_code == 0
    ((flavour, url, options),) = asked
    assert (flavour, url) == ("glitchtip", "http://h")
    assert (options["email"], options["password"]) == ("a@example.com", "pa55")
    assert options["token"] == "given"


def test_lite_is_spoken_to_as_the_embedded_server(asked: list[tuple[Any, ...]]) -> None:
    run("--url", "http://h", "--flavour", "lite", "--token", "t")
    assert [flavour for flavour, *_ in asked] == ["embedded"]


def test_an_unknown_flavour_is_a_usage_error() -> None:
    result = run("--url", "http://h", "--flavour", "kent")
    assert result.exit_code == 2
    said = " ".join(result.output.replace("│", " ").split())
    assert "--flavour kent: expected one of sentry, glitchtip, bugsink, lite, embedded" in said
