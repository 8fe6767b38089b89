from __future__ import annotations

from pathlib import Path

import pytest

from tests.compose.local_images import debian
from tests.compose.local_images.steps import BuildError, Steps


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_the_mirror_is_what_apt_was_told(programs: Path) -> None:
    program(programs, "apt-get", "echo http://mirror.test/debian; echo http://mirror.test/debian")
    assert debian.mirror(Steps()) == "http://mirror.test/debian"


def test_without_lists_apt_has_to_be_updated(programs: Path) -> None:
    program(programs, "apt-get", "")
    with pytest.raises(BuildError) as error:
        debian.mirror(Steps())
    assert str(error.value) == (
        "expected a source of Debian's packages in apt's lists, found none; run apt-get update"
    )


@pytest.mark.usefixtures("programs")
def test_without_apt_the_way_out_is_a_registry() -> None:
    with pytest.raises(BuildError, match=r"^expected apt-get, found none: .* from a registry$"):
        debian.mirror(Steps())


@pytest.mark.usefixtures("programs")
def test_without_debootstrap_it_says_how_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as error:
        debian.bootstrap(tmp_path / "root", "bookworm", ["python3"], Steps())
    assert str(error.value) == (
        "expected debootstrap, found none; do: apt-get install --no-install-recommends debootstrap"
    )


def test_packages_of_another_suite_touch_nothing_of_apt_s_own(
    programs: Path, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    program(
        programs,
        "apt-get",
        f'[ "$1" = indextargets ] && echo http://mirror.test/debian && exit 0\necho "$@" >>{calls}',
    )
    folder = tmp_path / "unpacked"
    folder.mkdir()
    debian.unpack_from_suite("forky", ["prometheus", "promtool"], folder, Steps())

    update, download = calls.read_text().splitlines()
    for call in (update, download):
        for option in ("Dir::Etc::sourcelist", "Dir::State::lists", "Dir::State::status"):
            assert f"-o{option}={folder}/.apt/" in call
        assert f"-oDir::Cache={folder}/.apt/" in call
        assert "-oDir::Etc::sourceparts=-" in call
    assert update.endswith("-qq update")
    assert download.endswith("-qq download prometheus promtool")
    assert not (folder / ".apt").exists()
    assert (folder / "lib").resolve() == folder / "usr" / "lib"
