"""What the embedded process is told at its start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_obsstack.embedded.settings import HostSettings, PortWish


def loaded(tmp_path: Path, content: dict[str, Any]) -> HostSettings:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(content))
    return HostSettings.load(path)


def test_everything_is_read(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        {
            "folder": str(tmp_path),
            "control_token": "t",
            "bind": "127.0.0.2",
            "ports": {"sentry": {"port": 9000, "required": False}, "loki": {"port": 1}},
            "products": {"sentry": {"api_token": "a"}},
        },
    )
    assert settings == HostSettings(
        folder=tmp_path,
        control_token="t",
        bind="127.0.0.2",
        ports={"sentry": PortWish(9000), "loki": PortWish(1)},
        products={"sentry": {"api_token": "a"}},
    )


def test_what_is_not_given_is_loopback_any_port_and_no_settings(tmp_path: Path) -> None:
    settings = loaded(tmp_path, {"folder": str(tmp_path), "control_token": "t"})
    assert (settings.bind, settings.ports, settings.products) == ("127.0.0.1", {}, {})


def test_files_of_the_run_lie_in_its_folder(tmp_path: Path) -> None:
    settings = loaded(tmp_path, {"folder": str(tmp_path), "control_token": "t"})
    assert settings.ready_path == tmp_path / "ready.json"
    assert settings.journal_path("loki") == tmp_path / "loki.jsonl"


def test_the_control_token_is_not_shown(tmp_path: Path) -> None:
    assert "s3cret" not in repr(HostSettings(tmp_path, "s3cret"))


@pytest.mark.parametrize(
    "content",
    [
        {"control_token": "t"},
        {"folder": "/"},
        {"folder": "/", "control_token": "t", "ports": {"loki": {"prot": 1}}},
    ],
)
def test_a_file_of_another_version_is_an_error(tmp_path: Path, content: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError)):
        loaded(tmp_path, content)
