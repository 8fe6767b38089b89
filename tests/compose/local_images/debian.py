"""Debian from this machine's own mirror: a base system, and single packages of newer suites.

Where the packages come from is asked of apt, whose sources the machine's owner has set up; nothing
is named here. A newer suite is looked into with apt folders of its own, so neither the machine's
sources nor its package lists change.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.compose.local_images.steps import BuildError, Steps

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def mirror(steps: Steps) -> str:
    """The address of Debian's packages as apt on this machine knows it."""
    if shutil.which("apt-get") is None:
        raise BuildError(
            "expected apt-get, found none: local images are built from Debian's packages; run this"
            " on Debian or a descendant, or use the upstream images from a registry"
        )
    listed = steps.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Origin: Debian", "Label: Debian"]
    )
    addresses = list(dict.fromkeys(listed.split()))
    if not addresses:
        raise BuildError(
            "expected a source of Debian's packages in apt's lists, found none; run apt-get update"
        )
    return addresses[0]


def architecture(steps: Steps) -> str:
    """Debian's word for this machine's kind: ``amd64``, ``arm64``."""
    return steps.run(["dpkg", "--print-architecture"]).strip()


def bootstrap(folder: Path, suite: str, packages: Sequence[str], steps: Steps) -> None:
    """A minimal ``suite`` with ``packages`` in ``folder``, without documentation and lists."""
    if shutil.which("debootstrap") is None:
        raise BuildError(
            "expected debootstrap, found none; do: apt-get install --no-install-recommends"
            " debootstrap"
        )
    include = f"--include={','.join(packages)}"
    steps.run(["debootstrap", "--variant=minbase", include, suite, folder, mirror(steps)])
    for name in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("var/lib/apt/lists", "var/cache/apt", "var/log"):
        for path in (folder / name).iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def unpack_from_suite(suite: str, packages: Sequence[str], folder: Path, steps: Steps) -> None:
    """The files of ``packages`` as ``suite`` has them, unpacked below ``folder``, not installed.

    What they depend on is not looked for: the list has to name it, and an image that lacks some of
    it should fail when it is built.
    """
    private = folder / ".apt"
    for name in ("lists/partial", "cache/archives/partial", "debs"):
        (private / name).mkdir(parents=True)
    (private / "status").touch()
    (private / "sources.list").write_text(
        f"deb [signed-by={KEYRING}] {mirror(steps)} {suite} main\n"
    )
    options = [
        f"-oDir::Etc::sourcelist={private}/sources.list",
        "-oDir::Etc::sourceparts=-",
        f"-oDir::State::lists={private}/lists",
        f"-oDir::Cache={private}/cache",
        # What this machine has installed is no candidate.
        f"-oDir::State::status={private}/status",
        # Without the indexes that only installing needs; and root downloads as root, because the
        # folder is nobody else's.
        "-oAcquire::Languages=none",
        "-oAPT::Sandbox::User=root",
        # A list that cannot be had is an error, not a warning.
        "-oAPT::Update::Error-Mode=any",
        "-oAcquire::Retries=3",
    ]
    try:
        steps.run(["apt-get", *options, "-qq", "update"])
        steps.run(["apt-get", *options, "-qq", "download", *packages], cwd=private / "debs")
        # As in the base: everything is below usr, whatever an older package says.
        for name in ("bin", "lib", "lib64", "sbin"):
            (folder / "usr" / name).mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(f"usr/{name}")
        for archive in sorted((private / "debs").glob("*.deb")):
            content = private / "content.tar"
            with content.open("wb") as file:
                steps.run(["dpkg-deb", "--fsys-tarfile", archive], stdout=file)
            steps.run(["tar", "-C", folder, "--keep-directory-symlink", "-xf", content])
    finally:
        shutil.rmtree(private)
