from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.provision.dsn_env import dsn_variables, write_dsn_env
from pytest_obsstack.provision.sentry_setup import SentryProject

KEY = "0123456789abcdef0123456789abcdef"
PROJECT = SentryProject("obsstack", "simple-app", "3", KEY, f"https://{KEY}@sentry.example/3")
WITH_OTLP = SentryProject(
    *("obsstack", "simple-app", "3", KEY, f"http://{KEY}@127.0.0.1:41234/3"),
    otlp_traces_url="http://127.0.0.1:41234/api/3/integration/otlp/v1/traces",
    token="a-token",
)


def test_the_address_inside_the_network_takes_the_place_of_the_published_one() -> None:
    assert dsn_variables(WITH_OTLP, dsn_host="sentry:9000") == {
        "SENTRY_DSN": f"http://{KEY}@sentry:9000/3",
        "SENTRY_PUBLIC_KEY": KEY,
        "SENTRY_OTLP_TRACES_ENDPOINT": "http://sentry:9000/api/3/integration/otlp/v1/traces",
    }


def test_without_another_host_the_trackers_own_stands() -> None:
    assert dsn_variables(WITH_OTLP) == {
        "SENTRY_DSN": WITH_OTLP.dsn,
        "SENTRY_PUBLIC_KEY": KEY,
        "SENTRY_OTLP_TRACES_ENDPOINT": WITH_OTLP.otlp_traces_url,
    }


def test_a_tracker_without_otlp_leaves_the_collectors_default() -> None:
    assert set(dsn_variables(PROJECT, dsn_host="sentry:9000")) == {
        "SENTRY_DSN",
        "SENTRY_PUBLIC_KEY",
    }


def test_a_host_without_a_port_is_one_of_plain_http() -> None:
    assert dsn_variables(PROJECT, dsn_host="sentry")["SENTRY_DSN"] == f"http://{KEY}@sentry/3"


@pytest.mark.parametrize(
    "host", ["", ":9000", "http://sentry:9000", "sentry:port", "sentry:9000/x", "me@sentry"]
)
def test_a_host_that_cannot_be_one_is_refused(host: str) -> None:
    with pytest.raises(ObsstackError) as caught:
        dsn_variables(PROJECT, dsn_host=host)
    assert str(caught.value) == (
        "The host for the DSN cannot be one.\n"
        "  expected  host or host:port, for example sentry:9000\n"
        f"  found     {host!r}\n"
        "  do        correct --dsn-host"
    )


def test_the_file_is_its_owners_alone_and_has_no_token(tmp_path: Path) -> None:
    path = tmp_path / "dsn.env"
    path.write_text("SENTRY_DSN=old\n")
    path.chmod(0o644)
    write_dsn_env(path, WITH_OTLP, dsn_host="sentry:9000")
    assert path.read_text() == (
        f"SENTRY_DSN=http://{KEY}@sentry:9000/3\n"
        "SENTRY_OTLP_TRACES_ENDPOINT=http://sentry:9000/api/3/integration/otlp/v1/traces\n"
        f"SENTRY_PUBLIC_KEY={KEY}\n"
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "dsn.env"
    with pytest.raises(ObsstackError) as caught:
        write_dsn_env(path, PROJECT)
    assert str(caught.value) == (
        f"{path} cannot be written.\n"
        "  expected  a file in a folder that exists and may be written to\n"
        "  found     FileNotFoundError: No such file or directory\n"
        "  do        give another file (--write-env)"
    )
