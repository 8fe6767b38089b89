"""The image lock against registries of our own on loopback."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml

from pytest_obsstack.errors import BackendRefused, BackendUnavailable, ObsstackError
from pytest_obsstack.provision import image_lock
from pytest_obsstack.provision.image_lock import (
    MANIFEST_TYPES,
    Challenge,
    ImageName,
    Registries,
    images_of,
    locked,
    main,
)

DIGEST = "sha256:" + "4ef4dbc9" * 8
SCOPE = "repository:library/postgres:pull"


class FakeRegistry:
    """A registry that wants an anonymous token, as Docker Hub does."""

    def __init__(self, digests: dict[str, str | None], *, challenge: str | None = None) -> None:
        self.digests = digests
        self.challenge = challenge
        self.token_answer: tuple[int, bytes] = (200, b'{"token": "t0"}')
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.host = ""

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
        name = path.removeprefix("/v2/").replace("/manifests/", ":")
        if headers.get("Authorization") != "Bearer t0":
            default = f'Bearer realm="http://{self.host}/token",service="hub",scope="{SCOPE}"'
            return 401, {"WWW-Authenticate": default if self.challenge is None else self.challenge}
        if name not in self.digests:
            return 404, {}
        digest = self.digests[name]
        return 200, {} if digest is None else {"Docker-Content-Digest": digest}


@contextmanager
def served(registry: FakeRegistry) -> Iterator[FakeRegistry]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.note()
            status, headers = registry.answer(self.path, dict(self.headers.items()))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def do_GET(self) -> None:
            self.note()
            status, body = registry.token_answer
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def note(self) -> None:
            registry.requests.append((self.command, self.path, dict(self.headers.items())))

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the tests' stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        registry.host = f"127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield registry
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def registries(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registries]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with httpx.Client(trust_env=True, timeout=5.0) as client:
        yield Registries(client)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("postgres:18.6", "https://registry-1.docker.io/v2/library/postgres/manifests/18.6"),
        ("grafana/loki:3.7.8", "https://registry-1.docker.io/v2/grafana/loki/manifests/3.7.8"),
        ("docker.io/a/b:1", "https://registry-1.docker.io/v2/a/b/manifests/1"),
        ("docker.io/redis:8", "https://registry-1.docker.io/v2/library/redis/manifests/8"),
        ("ghcr.io/a/b/c:v1", "https://ghcr.io/v2/a/b/c/manifests/v1"),
        ("localhost/a:1", "http://localhost/v2/a/manifests/1"),
        ("127.0.0.1:5001/a:1", "http://127.0.0.1:5001/v2/a/manifests/1"),
        ("registry.example:5001/a:1", "https://registry.example:5001/v2/a/manifests/1"),
    ],
)
def test_an_image_s_name_leads_to_its_manifest(text: str, url: str) -> None:
    assert ImageName.parse(text).manifest_url == url


@pytest.mark.parametrize(
    "text", ["postgres", "postgres:latest", "postgres:", "registry.example:5001/a", f"a@{DIGEST}"]
)
def test_a_name_without_an_exact_tag_is_refused(text: str) -> None:
    with pytest.raises(ObsstackError) as raised:
        ImageName.parse(text)
    assert str(raised.value) == (
        f"The image {text} cannot be locked.\n"
        "  expected  a name with an exact tag, as in postgres:18.6\n"
        f"  found     {text}\n"
        "  do        name a tag in the compose file, or in the variable that it is taken from"
    )


def test_a_challenge_tells_realm_service_and_scope() -> None:
    header = 'Bearer realm="https://auth.example/token",service="hub",scope="a:b:pull",error="x"'
    assert Challenge.parse(header) == Challenge(
        "https://auth.example/token", {"service": "hub", "scope": "a:b:pull"}
    )


@pytest.mark.parametrize("header", ["", 'Basic realm="x"', 'Bearer service="hub"'])
def test_no_other_challenge_is_answered(header: str) -> None:
    assert Challenge.parse(header) is None


def test_the_digest_is_asked_for_with_an_anonymous_token(registries: Registries) -> None:
    with served(FakeRegistry({"library/postgres:18.6": DIGEST})) as registry:
        name = ImageName.parse(f"{registry.host}/library/postgres:18.6")
        assert registries.digest(name) == DIGEST

    methods = [(method, urlsplit(path).path) for method, path, _ in registry.requests]
    manifest = "/v2/library/postgres/manifests/18.6"
    assert methods == [("HEAD", manifest), ("GET", "/token"), ("HEAD", manifest)]
    asked_for = parse_qs(urlsplit(registry.requests[1][1]).query)
    assert asked_for == {"service": ["hub"], "scope": [SCOPE]}
    assert registry.requests[2][2]["Accept"] == ", ".join(MANIFEST_TYPES)


def test_a_token_may_have_its_other_name(registries: Registries) -> None:
    registry = FakeRegistry({"a:1": DIGEST})
    registry.token_answer = (200, b'{"access_token": "t0"}')
    with served(registry):
        assert registries.digest(ImageName.parse(f"{registry.host}/a:1")) == DIGEST


@pytest.mark.parametrize(
    ("digests", "challenge", "token_answer", "expected", "found"),
    [
        ({}, None, None, "status 200 and the manifest's digest", "status 404"),
        ({"a:1": None}, None, None, "a header Docker-Content-Digest", "no such header"),
        ({"a:1": "sha256:4ef4"}, None, None, "64 hexadecimal digits", "'sha256:4ef4'"),
        ({"a:1": DIGEST}, 'Basic realm="x"', None, "a bearer challenge", "status 401"),
        ({"a:1": DIGEST}, None, (403, b""), "a token for whoever asks", "status 403"),
        ({"a:1": DIGEST}, None, (200, b"{}"), "with a token", "no token in it"),
        ({"a:1": DIGEST}, None, (200, b"<html>"), "with a token", "no token in it"),
        ({"a:1": DIGEST}, None, (200, b'{"token": "t1"}'), "status 200", "status 401"),
    ],
)
def test_a_digest_that_is_not_told_is_an_error(
    registries: Registries,
    digests: dict[str, str | None],
    challenge: str | None,
    token_answer: tuple[int, bytes] | None,
    expected: str,
    found: str,
) -> None:
    registry = FakeRegistry(digests, challenge=challenge)
    if token_answer is not None:
        registry.token_answer = token_answer
    with served(registry), pytest.raises(BackendRefused) as raised:
        registries.digest(ImageName.parse(f"{registry.host}/a:1"))
    message = str(raised.value)
    assert message.startswith(f"The registry of {registry.host}/a:1 told no digest.\n")
    assert expected in message
    assert f"  found     {found}\n" in message
    assert "do        nothing was written; is there such an image" in message


def test_a_registry_that_cannot_be_reached_is_an_error_of_its_own(registries: Registries) -> None:
    with socket.socket() as reserved:
        # Bound and not listening: nobody answers, and nobody else gets the port meanwhile.
        reserved.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{reserved.getsockname()[1]}"
        with pytest.raises(BackendUnavailable) as raised:
            registries.digest(ImageName.parse(f"{host}/a:1"))
    message = str(raised.value)
    assert message.startswith(f"The registry of {host}/a:1 could not be asked.\n")
    assert "  expected  an answer from 127.0.0.1\n" in message
    assert "do        nothing was written; run this where the registry can be reached" in message


def test_what_is_built_here_is_not_locked() -> None:
    config = {
        "services": {
            "postgres": {"image": "postgres:18.6"},
            "app": {"image": "app:local", "build": {"context": "app"}},
            "built": {"build": {"context": "app"}},
        }
    }
    assert images_of(config) == {"postgres": "postgres:18.6"}


def test_each_image_is_asked_for_once(registries: Registries) -> None:
    with served(FakeRegistry({"g:6": DIGEST})) as registry:
        image = f"{registry.host}/g:6"
        content = locked({"sentry": image, "sentry-worker": image}, registries)
    assert content == {
        "services": {
            "sentry": {"image": f"{image}@{DIGEST}"},
            "sentry-worker": {"image": f"{image}@{DIGEST}"},
        }
    }
    assert len(registry.requests) == 3


@pytest.fixture
def two_services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, FakeRegistry]:
    """A compose file whose configuration is told without docker, and the registry it names."""
    registry = FakeRegistry({"a:1": DIGEST, "b:2": DIGEST})

    def config(files: list[Path]) -> dict[str, object]:
        assert files == [tmp_path / "docker-compose.yml"]
        return {
            "services": {
                "a": {"image": f"{registry.host}/a:1"},
                "b": {"image": f"{registry.host}/b:2"},
            }
        }

    monkeypatch.setattr(image_lock, "compose_config", config)
    return tmp_path / "docker-compose.yml", registry


def test_the_lock_file_names_every_image_by_its_digest(
    two_services: tuple[Path, FakeRegistry], capsys: pytest.CaptureFixture[str]
) -> None:
    file, registry = two_services
    with served(registry):
        assert main(["-f", str(file)]) == 0
    lock = file.parent / "docker-compose.lock.yml"
    content = yaml.safe_load(lock.read_text("utf-8"))
    assert content["services"]["b"] == {"image": f"{registry.host}/b:2@{DIGEST}"}
    assert content == json.loads(lock.read_text("utf-8"))
    assert lock.stat().st_mode & 0o777 == 0o644
    assert f"written to {lock}" in capsys.readouterr().out


@pytest.mark.parametrize("second", [None, "sha256:short"])
def test_nothing_is_written_where_one_digest_is_missing(
    two_services: tuple[Path, FakeRegistry],
    second: str | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file, registry = two_services
    lock = file.parent / "docker-compose.lock.yml"
    lock.write_text("what was there", "utf-8")
    registry.digests["b:2"] = second
    with served(registry):
        assert main(["-f", str(file)]) == 1
    assert lock.read_text("utf-8") == "what was there"
    assert [path.name for path in file.parent.iterdir()] == [lock.name]
    assert re.search(r"The registry of \S+/b:2 told no digest", capsys.readouterr().err)


def test_without_docker_the_text_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["-f", str(tmp_path / "docker-compose.yml")]) == 1
    assert "expected  the program docker, with its plugin compose" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_compose_s_own_complaint_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "no such file: $*" >&2\nexit 14\n', "utf-8")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert main(["-f", "absent.yml"]) == 1
    message = capsys.readouterr().err
    assert "exit code 14: no such file: compose --profile * -f absent.yml config" in message
