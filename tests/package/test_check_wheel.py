from __future__ import annotations

import pytest

from tests.package import check_wheel

INFO = "pytest_obsstack-0.1.0.dist-info"


def test_a_wheel_with_all_that_is_wanted_and_nothing_else_has_no_fault() -> None:
    names = ["pytest_obsstack/py.typed", "pytest_obsstack/stack/app/app.py", f"{INFO}/RECORD"]
    assert list(check_wheel.faults_of_names(names, names[:2])) == []


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("stack/app/app.py", "outside of the package: stack/app/app.py"),
        ("pytest_obsstack/tests/x.py", "not for users: pytest_obsstack/tests/x.py"),
        ("pytest_obsstack/stack/test_app.py", "not for users: pytest_obsstack/stack/test_app.py"),
        ("pytest_obsstack/conftest.py", "not for users: pytest_obsstack/conftest.py"),
    ],
)
def test_a_file_that_is_not_for_users_is_named(name: str, fault: str) -> None:
    assert list(check_wheel.faults_of_names([name], [])) == [fault]


def test_a_file_that_did_not_get_into_the_wheel_is_named() -> None:
    wanted = ["pytest_obsstack/py.typed", "pytest_obsstack/wire/dsn.py"]
    faults = list(check_wheel.faults_of_names(["pytest_obsstack/py.typed"], wanted))
    assert faults == ["missing: pytest_obsstack/wire/dsn.py"]


def test_the_modules_and_the_deployed_files_of_the_repository_are_wanted() -> None:
    wanted = check_wheel.wanted_names()
    assert {"pytest_obsstack/errors.py", "pytest_obsstack/embedded/journal.py"} < wanted
    assert {"pytest_obsstack/py.typed", "pytest_obsstack/stack/app/app.py"} < wanted


def test_both_entry_points_are_needed() -> None:
    both = (
        "[console_scripts]\nobsstack = pytest_obsstack.cli:main\n"
        "[pytest11]\nobsstack = pytest_obsstack.plugin\n"
    )
    assert list(check_wheel.faults_of_entry_points(both)) == []
    (fault,) = check_wheel.faults_of_entry_points(both.replace("plugin", "plug"))
    assert fault == (
        "entry points pytest11: expected {'obsstack': 'pytest_obsstack.plugin'}, "
        "found {'obsstack': 'pytest_obsstack.plug'}"
    )
    assert len(list(check_wheel.faults_of_entry_points(""))) == 2


def test_constraints_have_the_versions_and_markers_of_the_lock_without_hashes() -> None:
    lock = (
        "httpx==0.28.1 \\\n    --hash=sha256:00\n    # via pytest-obsstack (pyproject.toml)\n"
        "typer==0.29.1 ; python_full_version < '3.11' \\\n    --hash=sha256:00\n"
    )
    assert check_wheel.constraints_of(lock) == (
        "httpx==0.28.1\ntyper==0.29.1 ; python_full_version < '3.11'\n"
    )
