from __future__ import annotations

import pytest

from tests.compose.standins.glitchtip.__main__ import main, parser
from tests.compose.standins.glitchtip.settings import Settings, SettingsError

ENVIRON = {
    "DATABASE_URL": "postgres://u:p@postgres:5432/glitchtip",
    "VALKEY_URL": "redis://redis:6379/0",
    "SECRET_KEY": "k" * 50,
}


def test_glitchtip_s_own_variables_are_enough() -> None:
    settings = Settings.from_environ(ENVIRON)
    assert (settings.web_url, settings.port, settings.schedule_s) == ("http://sentry:9000", 9000, 2)


@pytest.mark.parametrize("name", sorted(ENVIRON))
def test_a_variable_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"^expected {name} \(.+\), found none$"):
        Settings.from_environ({**ENVIRON, name: ""})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("GRANIAN_PORT", "http", "GRANIAN_PORT: expected a port, found 'http'"),
        ("GRANIAN_PORT", "70000", "GRANIAN_PORT: expected a port, found '70000'"),
        (
            "STANDIN_SCHEDULE_S",
            "often",
            "STANDIN_SCHEDULE_S: expected seconds above 0, found 'often'",
        ),
        ("STANDIN_SCHEDULE_S", "0", "STANDIN_SCHEDULE_S: expected seconds above 0, found '0'"),
    ],
)
def test_a_value_that_cannot_be_meant_is_shown(name: str, value: str, expected: str) -> None:
    with pytest.raises(SettingsError) as error:
        Settings.from_environ({**ENVIRON, name: value})
    assert str(error.value) == expected


def test_worker_and_web_know_one_token_that_does_not_tell_the_key() -> None:
    one, same = Settings.from_environ(ENVIRON), Settings.from_environ(dict(ENVIRON))
    other = Settings.from_environ({**ENVIRON, "SECRET_KEY": "other"})
    assert one.worker_token == same.worker_token != other.worker_token
    assert ENVIRON["SECRET_KEY"] not in one.worker_token
    assert "k" * 50 not in repr(one)


def test_the_words_of_the_entry_script_are_understood() -> None:
    worker = parser().parse_args(["runworker", "--health-check-file", "/tmp/x"])  # noqa: S108
    cron = parser().parse_args(["runworker", "--scheduler", "--queue", "default"])
    assert (worker.scheduler, cron.scheduler) == (False, True)


def test_a_missing_variable_ends_the_start_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert main(["migrate"]) == 2
    assert capsys.readouterr().err.startswith("expected DATABASE_URL (postgres://")
