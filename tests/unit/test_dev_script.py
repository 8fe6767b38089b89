"""``./dev`` in small repositories of its own: a real environment, a real pip, and no network.

The stand-in project brings its own build back end, and modules ``pytest``, ``ruff`` and ``mypy``
that tell how they were called; so the script is seen without the project's hundred dependencies.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60.0

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
BACKEND = """
import pathlib, zipfile

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "standin-1-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as wheel:
        wheel.writestr("standin.pth", str(pathlib.Path("src").resolve()))
        info = "standin-1.dist-info/"
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: standin\\nVersion: 1\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n")
        wheel.writestr(info + "RECORD", "")
    return name
"""
TOOL = """
import json, os, sys
name = sys.argv[0].rsplit("/", 1)[-1].removesuffix(".py")
print(json.dumps({"tool": name, "arguments": sys.argv[1:], "pid": os.getpid(),
                  "cwd": os.getcwd(), "python": sys.executable,
                  "venv": os.environ["VIRTUAL_ENV"]}), flush=True)
if "--wait-for-input" in sys.argv:
    sys.stdin.read()
sys.exit(int(os.environ.get("_".join(["EXIT_OF", name, *sys.argv[1:2]]), "0")))
"""


def make_repository(root: Path) -> Path:
    (root / "requirements").mkdir(parents=True)
    (root / "requirements" / "dev.txt").write_text("# nothing\n")
    (root / "tests" / "e2e").mkdir(parents=True)
    (root / "tests" / "e2e" / "test_one.py").touch()
    (root / "src").mkdir()
    for tool in ("pytest", "ruff", "mypy"):
        (root / "src" / f"{tool}.py").write_text(TOOL)
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "backend.py").write_text(BACKEND)
    shutil.copy(ROOT / "dev", root / "dev")
    return root


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with no environment."""
    return make_repository(tmp_path / "repository")


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose environment was made by two first runs at once."""
    root = make_repository(tmp_path_factory.mktemp("dev") / "ready")
    both = [start(root, "test") for _ in range(2)]
    notes = [each.communicate(timeout=DEADLINE_S)[1] for each in both]
    assert [each.returncode for each in both] == [0, 0], notes
    assert sorted("making .venv" in each for each in notes) == [False, True], notes
    return root


@pytest.fixture(scope="module")
def dev() -> ModuleType:
    """The script as a module, for its pure functions."""
    loader = SourceFileLoader("dev_script", str(ROOT / "dev"))
    spec = spec_from_loader("dev_script", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def start(root: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [root / "dev", *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(root: Path, *arguments: str, **environment: str) -> tuple[int, list[Any], str]:
    """Exit code, what each tool told of its call, and what the script said."""
    process = start(root, *arguments, **environment)
    output, notes = process.communicate(timeout=DEADLINE_S)
    return process.returncode, [json.loads(line) for line in output.splitlines()], notes


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("typed", "passed"),
    [
        (["test"], []),
        (["test", "-q", "-k", "a b"], ["-q", "-k", "a b"]),
        (["e2e"], ["-m", "e2e", "tests/e2e"]),
        (
            ["e2e", "-n", "2", "-k", "checkout"],
            ["-m", "e2e", "tests/e2e", "-n", "2", "-k", "checkout"],
        ),
        (
            ["e2e", "-x", "tests/e2e/test_one.py::test_error"],
            ["-m", "e2e", "-x", "tests/e2e/test_one.py::test_error"],
        ),
        (["e2e", "-c", "pyproject.toml"], ["-m", "e2e", "tests/e2e", "-c", "pyproject.toml"]),
    ],
)
def test_arguments_go_through_to_pytest(ready: Path, typed: list[str], passed: list[str]) -> None:
    code, [call], notes = run(ready, *typed)
    assert (code, call["tool"], call["arguments"], notes) == (0, "pytest", passed, "")


def test_pytest_takes_the_place_of_the_script_in_the_environment(
    ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    process = start(ready, "test", EXIT_OF_pytest="5")
    call = json.loads(process.communicate(timeout=DEADLINE_S)[0])
    assert process.returncode == 5
    assert call["pid"] == process.pid
    assert call["cwd"] == str(ready)
    assert call["venv"] == str(ready / ".venv")
    assert call["python"] == str(ready / ".venv" / "bin" / "python")


def test_check_runs_all_three_also_after_one_that_failed(ready: Path) -> None:
    code, calls, notes = run(ready, "check", EXIT_OF_ruff_check="1")
    assert code == 1
    assert [(call["tool"], call["arguments"]) for call in calls] == [
        ("ruff", ["check"]),
        ("ruff", ["format", "--check"]),
        ("mypy", []),
    ]
    assert notes.endswith("./dev: failed: ruff check\n")


def test_check_succeeds_where_all_three_do(ready: Path) -> None:
    code, calls, notes = run(ready, "check")
    assert (code, len(calls)) == (0, 3)
    assert notes.endswith("./dev: all checks passed\n")


def test_a_changed_lock_makes_the_environment_anew_once_nobody_uses_it(ready: Path) -> None:
    stray = ready / ".venv" / "stray"
    stray.touch()
    user = start(ready, "test", "--wait-for-input")
    assert user.stdout is not None
    assert user.stdout.readline()
    (ready / "requirements" / "dev.txt").write_text("# changed\n")
    waiting = start(ready, "test")
    assert waiting.stderr is not None
    assert (
        waiting.stderr.readline() == "./dev: waiting for another ./dev, which makes or uses .venv\n"
    )
    assert stray.exists()
    user.communicate(timeout=DEADLINE_S)
    notes = waiting.communicate(timeout=DEADLINE_S)[1]
    assert waiting.returncode == 0
    assert "making .venv" in notes
    assert not stray.exists()


def test_a_creation_that_was_interrupted_is_done_again(repository: Path) -> None:
    process = start(repository, "test")
    wait_until((repository / ".venv" / "obsstack-dev.json").exists)
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=DEADLINE_S)[0] == ""
    assert process.returncode == 130
    code, [call], notes = run(repository, "test")
    assert (code, call["tool"]) == (0, "pytest")
    assert "making .venv" in notes


@pytest.mark.parametrize(
    ("changed", "work"),
    [
        ({}, "nothing"),
        ({"project": "other"}, "install the project"),
        ({"lock": "other"}, "make"),
        ({"interpreter": None}, "make"),
        ({"root": "/elsewhere", "project": "other"}, "make"),
    ],
)
def test_what_has_to_be_done_follows_from_what_changed(
    dev: ModuleType, changed: dict[str, str | None], work: str
) -> None:
    state = {"root": "/here", "interpreter": "/bin/python", "lock": "1", "project": "2"}
    assert dev.needed_work(state, {**state, **changed}) == work


def test_an_environment_without_state_was_never_finished(dev: ModuleType, tmp_path: Path) -> None:
    (tmp_path / dev.STATE_FILE).write_text("{}")
    assert dev.needed_work(dev.read_state(tmp_path), {"root": "/here"}) == "make"


def test_an_environment_of_somebody_else_is_used_and_left_as_it_is(repository: Path) -> None:
    scripts = repository / ".venv" / "bin"
    scripts.mkdir(parents=True)
    (scripts / "python").symlink_to(sys.executable)
    code, [call], notes = run(repository, "test", PYTHONPATH=str(repository / "src"))
    assert (code, call["tool"]) == (0, "pytest")
    assert "uses the .venv as it is" in notes
    assert [path.name for path in (repository / ".venv").rglob("*")] == ["bin", "python"]


def test_a_folder_without_python_is_not_taken_for_an_environment(repository: Path) -> None:
    (repository / ".venv" / "notes").mkdir(parents=True)
    code, calls, notes = run(repository, "test")
    assert (code, calls) == (2, [])
    assert f"found no Python at {repository}/.venv/bin/python; do: remove" in notes


def test_where_no_environment_can_be_made_the_missing_package_is_named(
    dev: ModuleType,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    python = repository / "python3"
    python.write_text("#!/bin/sh\necho ensurepip is not available\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.chdir(repository)
    monkeypatch.setattr(dev, "ROOT", repository)
    monkeypatch.setattr(dev, "base_interpreter", lambda: str(python))
    assert dev.main(["test"]) == 2
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    notes = capsys.readouterr().err
    assert f"could not make .venv with {python}" in notes
    assert "found    ensurepip is not available" in notes
    assert f"Python {version}" in notes or f"apt install python{version}-venv" in notes


@pytest.mark.parametrize(
    ("debian", "advice"),
    [
        (True, "do       apt install python3.12-venv"),
        (False, "do       install the package that has the modules venv and ensurepip"),
    ],
)
def test_the_package_has_the_name_that_the_system_gives_it(
    dev: ModuleType, *, debian: bool, advice: str
) -> None:
    assert advice in dev.no_venv("/usr/bin/python3", "3.12", "no ensurepip", debian=debian)


def test_a_changed_project_is_installed_again_and_a_failing_pip_is_shown(ready: Path) -> None:
    backend, pyproject = ready / "backend.py", ready / "pyproject.toml"
    backend.write_text("raise SystemExit('broken back end')")
    pyproject.write_text(PYPROJECT + "# changed\n")
    code, calls, notes = run(ready, "test")
    assert (code, calls) == (2, [])
    assert "broken back end" in notes
    assert "could not fill .venv: pip install --no-deps" in notes
    backend.write_text(BACKEND)
    code, [call], notes = run(ready, "test")
    assert (code, call["tool"], notes) == (0, "pytest", "")


def fake_python(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


OLD_PYTHON = 'if [ "$1" = --version ]; then echo Python 3.8.1; else exit 1; fi'


def test_an_old_python_is_passed_over_for_a_newer_one(ready: Path, tmp_path: Path) -> None:
    fake_python(tmp_path / "bin", "python3", OLD_PYTHON)
    fake_python(tmp_path / "bin", "python3.11", f'exec "{sys.executable}" "$@"')
    process = start(ready, "help", PATH=str(tmp_path / "bin"))
    assert process.communicate(timeout=DEADLINE_S)[0].startswith("usage: ./dev COMMAND")
    assert process.returncode == 0


def test_only_an_old_python_is_an_error_that_says_what_is_needed(
    ready: Path, tmp_path: Path
) -> None:
    fake_python(tmp_path / "bin", "python3", OLD_PYTHON)
    code, calls, notes = run(ready, "test", PATH=str(tmp_path / "bin"))
    assert (code, calls) == (2, [])
    assert "expected Python 3.10 or newer" in notes
    assert "found    Python 3.8.1" in notes


def test_lock_without_uv_says_how_to_get_it(ready: Path, tmp_path: Path) -> None:
    fake_python(tmp_path / "bin", "python3", f'exec "{sys.executable}" "$@"')
    code, calls, notes = run(ready, "lock", PATH=str(tmp_path / "bin"))
    assert (code, calls) == (2, [])
    assert "lock needs uv on PATH; do: pipx install uv" in notes


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ([], ""),
        (["tests"], "expected one of the commands above, found: tests"),
        (["check", "src"], "check takes no arguments, found: src"),
        (["lock", "--upgrade"], "lock takes no arguments, found: --upgrade"),
    ],
)
def test_a_command_that_is_none_gets_the_usage(
    repository: Path, typed: list[str], complaint: str
) -> None:
    code, calls, notes = run(repository, *typed)
    assert (code, calls) == (2, [])
    assert notes.startswith("usage: ./dev COMMAND")
    assert complaint in notes
    assert not (repository / ".venv").exists()
