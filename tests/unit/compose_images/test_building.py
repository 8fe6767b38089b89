from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.compose.local_images.building import alone, build_missing, prune
from tests.compose.local_images.docker import Docker
from tests.compose.local_images.hashing import SourceFile
from tests.compose.local_images.recipes import Recipe
from tests.compose.local_images.steps import BuildError, Steps


class FakeEngine(Docker):
    """Remembers what it was asked; ``broken`` images fail, images ``in_use`` are not removed."""

    def __init__(self, *there: Recipe, broken: str = "", in_use: str = "") -> None:
        super().__init__(Steps(io.StringIO()))
        self.images = {recipe.tag: recipe.name for recipe in there}
        self.log: list[str] = []
        self.prepared: dict[str, list[str]] = {}
        self.left = {"aaa"}
        """Ids of images without a tag."""
        self._broken = broken
        self._in_use = in_use
        self._lock = threading.Lock()

    def tags(self) -> dict[str, str]:
        return dict(self.images)

    def untagged(self) -> list[str]:
        return list(self.left)

    def import_tree(self, folder: Path, tag: str, name: str) -> None:
        assert folder.is_dir()
        self._made(tag, name)

    def build(
        self,
        tag: str,
        *,
        name: str,
        arguments: Mapping[str, str],
        files: Mapping[str, SourceFile],
        prepared: Path | None,
    ) -> None:
        assert files is not BASE.files
        with self._lock:
            assert arguments["BASE_IMAGE"] in self.images, "a parent is built first"
            if prepared is not None:
                self.prepared[name] = sorted(path.name for path in prepared.iterdir())
        self._made(tag, name)

    def _made(self, tag: str, name: str) -> None:
        if name == self._broken:
            raise BuildError(f"{name} cannot be built")
        with self._lock:
            self.images[tag] = name
            self.log.append(name)

    def remove(self, tag: str) -> None:
        if tag == self._in_use:
            raise BuildError("expected exit code 0\n  conflict: a container uses it")
        if tag in self.left:
            self.left.remove(tag)
        else:
            del self.images[tag]


BASE = Recipe("base", None, {}, prepare=lambda _folder, _steps: None)
PYTHON = Recipe(
    "python",
    BASE,
    {},
    prepare=lambda folder, _steps: (folder / "wheel").touch(),
    prepared_from=("w",),
)
APP = Recipe("app", PYTHON, {"app.py": SourceFile(b"1")})
REDIS = Recipe("redis", BASE, {})
ALL = [BASE, PYTHON, APP, REDIS]


def quiet() -> Steps:
    return Steps(io.StringIO())


def test_parents_are_built_first_and_prepared_files_are_in_the_context() -> None:
    engine = FakeEngine()
    built = build_missing(ALL, engine, quiet())
    assert built == ALL
    assert sorted(engine.log) == ["app", "base", "python", "redis"]
    assert engine.log[0] == "base"
    assert engine.prepared == {"python": ["wheel"]}


def test_what_is_there_is_not_built_again() -> None:
    engine = FakeEngine(*ALL)
    assert build_missing(ALL, engine, quiet()) == []
    assert engine.log == []


def test_a_change_of_sources_builds_that_image_alone() -> None:
    engine = FakeEngine(*ALL)
    changed = Recipe("app", PYTHON, {"app.py": SourceFile(b"2")})
    assert build_missing([BASE, PYTHON, changed, REDIS], engine, quiet()) == [changed]


def test_a_failure_is_told_once_and_the_others_are_built() -> None:
    engine = FakeEngine(broken="python")
    with pytest.raises(BuildError) as error:
        build_missing(ALL, engine, quiet())
    assert str(error.value) == "python: python cannot be built"
    assert sorted(engine.log) == ["base", "redis"]


def test_all_failures_are_told() -> None:
    def fail(_folder: Path, _steps: Steps) -> None:
        raise BuildError("no such package")

    other = Recipe("postgres", BASE, {}, prepare=fail)
    with pytest.raises(BuildError) as error:
        build_missing([*ALL, other], FakeEngine(broken="redis"), quiet())
    assert str(error.value).splitlines() == [
        "postgres: no such package",
        "redis: redis cannot be built",
    ]


def test_a_defect_is_no_failed_build() -> None:
    def wrong(_folder: Path, _steps: Steps) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build_missing([Recipe("base", None, {}, prepare=wrong)], FakeEngine(), quiet())


def test_prune_removes_what_no_recipe_stands_for_and_keeps_what_is_in_use() -> None:
    old = Recipe("app", PYTHON, {"app.py": SourceFile(b"0")})
    used = Recipe("app", PYTHON, {"app.py": SourceFile(b"used")})
    engine = FakeEngine(*ALL, old, used, in_use=used.tag)
    stream = io.StringIO()
    assert prune(ALL, engine, Steps(stream)) == [old.tag, "aaa"]
    assert set(engine.images) == {*(recipe.tag for recipe in ALL), used.tag}
    assert stream.getvalue() == (
        f"  {old.tag} removed\n  {used.tag} stays: conflict: a container uses it\n  aaa removed\n"
    )


def test_two_builds_do_not_run_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    stream = io.StringIO()
    order: list[str] = []
    inside = threading.Event()
    go_on = threading.Event()

    def first() -> None:
        with alone(quiet()):
            inside.set()
            go_on.wait(10)
            order.append("first")

    def second() -> None:
        with alone(Waiting(stream, go_on)):
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    for thread in threads:
        thread.join(10)
    assert order == ["first", "second"]
    assert "waited for another build" in stream.getvalue()


class Waiting(Steps):
    """Lets the other go on once it is said that this one waits."""

    def __init__(self, stream: io.StringIO, go_on: threading.Event) -> None:
        super().__init__(stream)
        self._go_on = go_on

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self._go_on.set()
        with super().step(name):
            yield
