"""A lock file for the images of compose files, made by asking their registries.

``python -m pytest_obsstack.provision.image_lock``, in the folder of docker-compose.yml.

Writes an override file, given to compose after the others, that names each image by its digest. The
digests are those that the registries tell; where one cannot be asked, or tells none, nothing is
written at all, and the text says which.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pytest_obsstack.errors import BackendRefused, BackendUnavailable, ObsstackError

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MANIFEST_TYPES = (
    # Lists for several architectures first, so that the lock holds on all of them.
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
TIMEOUT_S = 20.0

_DOCKER_HUB = "docker.io"
_DOCKER_HUB_API = "registry-1.docker.io"
_PARAMETER = re.compile(r'(?P<name>\w+)="(?P<value>[^"]*)"')


@dataclass(frozen=True)
class ImageName:
    """``[registry/]repository:tag``, as the engine understands it."""

    registry: str
    """Host, with its port if it has one; ``docker.io`` where the name tells none."""
    repository: str
    tag: str
    text: str
    """As it was written."""

    @classmethod
    def parse(cls, text: str) -> ImageName:
        """Raises ``ObsstackError`` for a name without a tag, with ``latest``, or with a digest."""
        first, slash, rest = text.partition("/")
        # The engine's own rule for what is a host.
        has_registry = bool(slash) and ("." in first or ":" in first or first == "localhost")
        registry, path = (first, rest) if has_registry else (_DOCKER_HUB, text)
        repository, _, tag = path.partition(":")
        if not tag or tag == "latest" or "@" in text:
            raise ObsstackError(
                f"The image {text} cannot be locked.",
                expected="a name with an exact tag, as in postgres:18.6",
                found=text,
                advice="name a tag in the compose file, or in the variable that it is taken from",
            )
        if registry == _DOCKER_HUB and "/" not in repository:
            repository = f"library/{repository}"
        return cls(registry, repository, tag, text)

    @property
    def manifest_url(self) -> str:
        host = _DOCKER_HUB_API if self.registry == _DOCKER_HUB else self.registry
        return f"{_scheme(host)}://{host}/v2/{self.repository}/manifests/{self.tag}"


def _scheme(host: str) -> str:
    """http for a registry on this machine alone, as the engine has it."""
    name = host.partition(":")[0]
    return "http" if name == "localhost" or name.startswith("127.") else "https"


@dataclass(frozen=True)
class Challenge:
    """What a registry asks for before it answers: a token from ``realm``."""

    realm: str
    parameters: Mapping[str, str]

    @classmethod
    def parse(cls, header: str) -> Challenge | None:
        """From ``WWW-Authenticate``; ``None`` for anything but a bearer challenge with a realm."""
        scheme, _, rest = header.partition(" ")
        found = {match["name"]: match["value"] for match in _PARAMETER.finditer(rest)}
        realm = found.pop("realm", "")
        if scheme.lower() != "bearer" or not realm:
            return None
        return cls(realm, {name: found[name] for name in ("service", "scope") if name in found})


class Registries:
    """Asks registries, each over the HTTP API v2, without an account."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def digest(self, image: ImageName) -> str:
        """The digest that the tag stands for now.

        Raises ``BackendUnavailable`` or ``BackendRefused``, which name the image.
        """
        headers = {"Accept": ", ".join(MANIFEST_TYPES)}
        answer = self._ask("HEAD", image.manifest_url, image, headers)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            headers["Authorization"] = f"Bearer {self._token(answer, image)}"
            answer = self._ask("HEAD", image.manifest_url, image, headers)
        if answer.status_code != httpx.codes.OK:
            raise _refused(image, answer, "status 200 and the manifest's digest")
        digest = answer.headers.get("Docker-Content-Digest", "")
        if not DIGEST.fullmatch(digest):
            raise _refused(
                image,
                answer,
                "a header Docker-Content-Digest, sha256: and 64 hexadecimal digits",
                found=repr(digest) if digest else "no such header",
            )
        return str(digest)

    def _token(self, answer: httpx.Response, image: ImageName) -> str:
        challenge = Challenge.parse(answer.headers.get("WWW-Authenticate", ""))
        if challenge is None:
            raise _refused(image, answer, "a bearer challenge that says where a token is had")
        reply = self._ask("GET", challenge.realm, image, {}, params=dict(challenge.parameters))
        if reply.status_code != httpx.codes.OK:
            raise _refused(image, reply, "a token for whoever asks")
        try:
            body = reply.json()
        except ValueError:
            body = None
        token = (body.get("token") or body.get("access_token")) if isinstance(body, dict) else None
        if not isinstance(token, str):
            raise _refused(image, reply, "a JSON object with a token", found="no token in it")
        return token

    def _ask(
        self,
        method: str,
        url: str,
        image: ImageName,
        headers: Mapping[str, str],
        params: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        try:
            return self._client.request(method, url, headers=dict(headers), params=params)
        except httpx.HTTPError as error:
            raise BackendUnavailable(
                f"The registry of {image.text} could not be asked.",
                expected=f"an answer from {httpx.URL(url).host}",
                found=str(error) or type(error).__name__,
                advice="nothing was written; run this where the registry can be reached "
                "(HTTPS_PROXY is heeded)",
            ) from error


def _refused(
    image: ImageName, answer: httpx.Response, expected: str, found: str | None = None
) -> BackendRefused:
    url = answer.request.url
    return BackendRefused(
        f"The registry of {image.text} told no digest.",
        status=answer.status_code,
        expected=f"{expected}, from {url.host}{url.path}",
        found=found or f"status {answer.status_code}",
        advice="nothing was written; is there such an image and tag, and may everybody read it?",
    )


def images_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Service → image, from ``docker compose config``; without those that are built here."""
    return {
        name: service["image"]
        for name, service in config["services"].items()
        if "image" in service and "build" not in service
    }


def locked(images: Mapping[str, str], registries: Registries) -> dict[str, Any]:
    """The override file's content: each service's image by name, tag and digest."""
    digests: dict[str, str] = {}
    # Each image once, however many services use it; all are asked before any is believed.
    for text in dict.fromkeys(images.values()):
        digests[text] = registries.digest(ImageName.parse(text))
    return {
        "services": {
            service: {"image": f"{text}@{digests[text]}"} for service, text in images.items()
        }
    }


def compose_config(files: Sequence[Path]) -> dict[str, Any]:
    """What compose makes of the files, every profile included."""
    command = ["docker", "compose", "--profile", "*"]
    for file in files:
        command += ["-f", str(file)]
    command += ["config", "--format", "json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ObsstackError(
            "The compose files cannot be read.",
            expected="the program docker, with its plugin compose",
            found="no docker on PATH",
            advice="install Docker; the engine need not run",
        ) from error
    if done.returncode != 0:
        raise ObsstackError(
            "The compose files cannot be read.",
            expected=f"`{' '.join(command)}` succeeds",
            found=f"exit code {done.returncode}: {done.stderr.strip()[-500:]}",
            advice="correct the files, or install Docker Compose 2.24 or newer",
        )
    config: dict[str, Any] = json.loads(done.stdout)
    return config


def write_whole(path: Path, content: Mapping[str, Any]) -> None:
    """Replaces the file in one step; JSON, which is YAML too."""
    text = json.dumps(content, indent=2) + "\n"
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f"{path.name}.", delete=False
    ) as partial:
        partial.write(text)
    os.chmod(partial.name, 0o644)  # noqa: PTH101 - the temporary file is the owner's alone
    Path(partial.name).replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 where the lock file was written."""
    parser = argparse.ArgumentParser(
        prog="python -m pytest_obsstack.provision.image_lock",
        description="Write docker-compose.lock.yml: the images of compose files by their digests.",
    )
    parser.add_argument(
        *("-f", "--file"),
        action="append",
        type=Path,
        help="compose file, may be repeated (docker-compose.yml)",
    )
    parser.add_argument(
        *("-o", "--output"), type=Path, help="the lock file (docker-compose.lock.yml beside it)"
    )
    options = parser.parse_args(arguments)
    files: list[Path] = options.file or [Path("docker-compose.yml")]
    output: Path = options.output or files[0].parent / "docker-compose.lock.yml"
    try:
        images = images_of(compose_config(files))
        # trust_env: a registry is outside, so it may be behind a proxy.
        with httpx.Client(trust_env=True, timeout=TIMEOUT_S, follow_redirects=True) as client:
            content = locked(images, Registries(client))
        write_whole(output, content)
    except ObsstackError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a program's output
        return 1
    for service, entry in content["services"].items():
        print(f"{service}: {entry['image']}")  # noqa: T201
    print(f"written to {output}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
