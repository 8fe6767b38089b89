from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.options import Options
from pytest_obsstack.provision import session as session_module
from pytest_obsstack.provision.failed_start import recall, remember
from pytest_obsstack.provision.run import Run
from pytest_obsstack.provision.session import Session

ERROR = StackUnavailable(
    "The stack did not start.",
    expected="it starts",
    found="it did not",
    advice="look",
    log_lines=["one", "two"],
)


def test_an_error_comes_back_with_all_of_its_text(tmp_path: Path) -> None:
    assert recall(tmp_path) is None
    remember(tmp_path, ERROR)
    recalled = recall(tmp_path)
    assert recalled is not None
    assert str(recalled) == str(ERROR)
    (written,) = tmp_path.iterdir()
    assert stat.S_IMODE(written.stat().st_mode) == 0o600


def test_every_worker_is_told_the_failure_and_none_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[str] = []

    def fail(*_arguments: object, **_options: object) -> None:
        starts.append("start")
        raise ERROR

    monkeypatch.setattr(session_module, "open_embedded", fail)
    texts = []
    for worker in ("gw0", "gw1"):
        session = Session(
            Options(home=tmp_path), Run(tmp_path, owner_pid=0, worker=worker, workers=2)
        )
        for _test in range(2):
            with pytest.raises(StackUnavailable) as caught:
                _ = session.stack
            texts.append(str(caught.value))
    assert texts == [str(ERROR)] * 4
    assert starts == ["start"]
