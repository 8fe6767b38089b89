from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from tests.compose.local_images.docker import Docker, write_context
from tests.compose.local_images.hashing import SourceFile
from tests.compose.local_images.steps import BuildError, Steps

FILES = {
    "Dockerfile": SourceFile(b"ARG BASE_IMAGE\n"),
    "entrypoint.sh": SourceFile(b"#!/bin/sh\n", executable=True),
}


def engine(folder: Path, text: str) -> Docker:
    """An engine whose command line is a script; it writes its arguments to ``calls``."""
    path = folder / "docker"
    calls = folder / "calls"
    path.write_text(f'#!/bin/sh\necho "BUILDKIT=$DOCKER_BUILDKIT $@" >>{calls}\n{text}\n')
    path.chmod(0o755)
    return Docker(Steps(io.StringIO()), str(path))


def context(prepared: Path | None = None) -> bytes:
    stream = io.BytesIO()
    write_context(stream, FILES, prepared)
    return stream.getvalue()


def test_the_same_content_is_the_same_context_whenever_it_was_written(tmp_path: Path) -> None:
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    (prepared / "file").write_text("x")
    first = context(prepared)
    os.utime(prepared / "file", (1, 1))
    assert context(prepared) == first


def test_a_context_holds_files_with_their_modes_and_the_prepared_folder(tmp_path: Path) -> None:
    prepared = tmp_path / "anywhere"
    prepared.mkdir()
    (prepared / "file").write_text("x")
    with tarfile.open(fileobj=io.BytesIO(context(prepared))) as archive:
        modes = {member.name: member.mode & 0o111 for member in archive.getmembers()}
        owners = {member.uid for member in archive.getmembers()}
    assert set(modes) == {"Dockerfile", "entrypoint.sh", "prepared", "prepared/file"}
    assert modes["entrypoint.sh"] == 0o111
    assert modes["Dockerfile"] == 0
    assert owners == {0}


def test_a_build_is_the_classic_builder_s_without_a_network(tmp_path: Path) -> None:
    docker = engine(tmp_path, f"cat >{tmp_path}/context.tar")
    docker.build(
        "obsstack-local/x:1",
        name="x",
        arguments={"BASE_IMAGE": "obsstack-local/base:0"},
        files=FILES,
        prepared=None,
    )
    assert (tmp_path / "calls").read_text() == (
        "BUILDKIT=0 build --tag obsstack-local/x:1 --label io.pytest-obsstack.local-image=x"
        " --build-arg=BASE_IMAGE=obsstack-local/base:0 --network none --force-rm --quiet -\n"
    )
    assert (tmp_path / "context.tar").read_bytes() == context()


def test_only_images_with_our_label_are_known(tmp_path: Path) -> None:
    docker = engine(tmp_path, "echo obsstack-local/x:1 aaa")
    assert docker.tags() == {"obsstack-local/x:1": "aaa"}
    assert (
        "--filter label=io.pytest-obsstack.local-image --filter dangling=false"
        in (tmp_path / "calls").read_text()
    )


def test_what_failed_builds_left_is_known_by_our_label_too(tmp_path: Path) -> None:
    assert engine(tmp_path, "echo bbb; echo ccc").untagged() == ["bbb", "ccc"]
    assert (
        "--filter label=io.pytest-obsstack.local-image --filter dangling=true"
        in (tmp_path / "calls").read_text()
    )


def test_an_image_is_removed_by_its_tag_and_never_by_force(tmp_path: Path) -> None:
    engine(tmp_path, "").remove("obsstack-local/x:1")
    assert (tmp_path / "calls").read_text() == "BUILDKIT=0 rmi obsstack-local/x:1\n"


def test_without_an_engine_it_says_how_to_have_one(tmp_path: Path) -> None:
    docker = engine(tmp_path, "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    with pytest.raises(BuildError) as error:
        docker.check()
    lines = str(error.value).splitlines()
    assert lines[0] == "expected a container engine that answers, found:"
    assert "  Cannot connect to the Docker daemon" in lines
    assert lines[-1] == "start one (tests/compose/engine.py start --folder F), or set DOCKER_HOST"
