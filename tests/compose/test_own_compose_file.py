"""Another repository's own compose file: its app is built, told where to report, and ends with all.

Its Dockerfile begins with the stack's app image, because that is there.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_obsstack.providers.compose.project import write_variables
from tests.compose.runs import Repo, docker, left
from tests.plugin.inner import Ended
from tests.unit.providers.compose.compose_reading import read
from tests.unit.stack.compose_files import why_no_compose

SERVER = '''
"""Answers with its variables, and with what the service beside it says."""

import http.server
import json
import os
import urllib.request

VERSION = 1


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/ping":
            body = b"pong"
        elif self.path == "/beside":
            body = urllib.request.urlopen("http://beside:8000/ping", timeout=5).read()
        else:
            body = json.dumps({**os.environ, "VERSION": str(VERSION)}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)


print("the shop opens", flush=True)
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
'''
COMPOSE_FILE = """
services:
  shop:
    build: .
    environment:
      SHOP_MODE: test
      SENTRY_DSN: ${SENTRY_DSN-}
    volumes: [./settings:/settings:ro, stock:/stock, /scratch]
    depends_on: [beside]
    init: true
  beside:
    build: {context: .}
    environment: {PORT: "8000"}
    init: true
volumes:
  stock: {}
"""
CONFTEST = """

from pytest_obsstack import AppSpec


@pytest.fixture(scope="session")
def obs_app_spec():
    return AppSpec(
        compose_service="shop",
        compose_port=8000,
        service="shop",
        ready_path="/ping",
        signals=frozenset({"errors"}),
        env={"PRICE": "it's $5 ${HOME} \\\\"},
    )


@pytest.fixture(scope="session")
def obs_compose_files(pytestconfig):
    from pathlib import Path

    given = [Path(path) for path in pytestconfig.getoption("obs_compose_file")]
    return [HERE / "docker-compose.yml", *given]
"""
TESTS = """
import httpx


def test_shop(obs_stack, obs_app, obs_session, obs_app_spec, note):
    copy = obs_session.start_app(obs_app_spec)
    try:
        facts = {
            "told": httpx.get(f"{obs_app.url}/").json(),
            "copy": httpx.get(f"{copy.url}/").json(),
            "beside": httpx.get(f"{obs_app.url}/beside").text,
            "log": obs_stack.logs("shop"),
            "dsn": obs_stack.endpoints.sentry.dsn,
        }
    finally:
        copy.stop()
    note(**facts, copy_log=copy.log_lines())
"""


def app_image(files: list[Path]) -> str:
    """The image that the files give the stack's own app."""
    for file in files:
        services = read([str(file)], {}, file.parent, check=False)["services"]
        if "app" in services:
            return str(services["app"]["image"])
    return "pytest-obsstack-app:local"


@pytest.fixture
def shop(repo: Repo) -> Repo:
    with (repo.folder / "conftest.py").open("a") as conftest:
        conftest.write(CONFTEST)
    (repo.folder / "settings").mkdir()
    repo.write("docker-compose.yml", COMPOSE_FILE)
    repo.write(
        "Dockerfile",
        f"FROM {app_image(list(repo.files))}\nCOPY server.py /server.py\n"
        'ENTRYPOINT []\nCMD ["python3", "/server.py"]\n',
    )
    repo.write("server.py", SERVER)
    repo.write("test_it.py", TESTS)
    return repo


def ran(repo: Repo, **env: str) -> Ended:
    run = repo.pytest(env=env)
    assert run.status == 0, run.output
    return run


def shop_images() -> set[str]:
    listing = docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    return {name for name in listing if "shop" in name or "beside" in name}


def test_its_app_is_built_told_and_removed(shop: Repo) -> None:
    before = shop_images()
    try:
        ran(shop, SENTRY_DSN="https://developers-own@sentry.example/1")
        (first,) = shop.notes()
        told, copy = first["told"], first["copy"]
        assert told["SHOP_MODE"] == "test"
        assert told["PRICE"] == copy["PRICE"] == "it's $5 ${HOME} \\"
        assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://otel-collector:4318"
        key = first["dsn"].split("//")[1].split("@")[0]
        assert told["SENTRY_DSN"] == copy["SENTRY_DSN"] == f"http://{key}@sentry:9000/1"
        assert first["beside"] == "pong"
        assert first["log"][0] == first["copy_log"][0] == "the shop opens"
        assert first["app"] == f"{first['project']}-shop-1"
        # The anonymous volumes of the copy, too.
        assert left(first["project"]) == []

        # What was changed is what is tested: the image is built anew, under the same name.
        built = shop_images() - before
        ids = {docker("image", "inspect", "--format", "{{.Id}}", name).strip() for name in built}
        shop.write("server.py", SERVER.replace("VERSION = 1", "VERSION = 2"))
        ran(shop)
        assert [note["told"]["VERSION"] for note in shop.notes()] == ["1", "2"]
        assert shop_images() - before == built
        # And the first build's is not there without a name.
        there = docker("images", "--all", "--quiet", "--no-trunc").split()
        assert ids.isdisjoint(there)
        assert len(built) == 2
        assert all(name.startswith("pytest-obsstack/") for name in built)
    finally:
        for name in shop_images() - before:
            docker("rmi", "--force", name)


@pytest.mark.skipif(why_no_compose() is not None, reason=str(why_no_compose()))
def test_values_reach_compose_as_they_are(tmp_path: Path) -> None:
    """Passwords of a file of variables, and variables of a service."""
    values = {
        "QUOTE": "it's",
        "QUOTES": 'say "hi"',
        "DOLLAR": "$HOME ${HOME} $$",
        "BACKSLASH": "back\\slash\\",
        "HASH": "a#b # c",
        "TWO_LINES": "two\nlines",
        "EMPTY": "",
    }
    write_variables(tmp_path / "some.env", values)
    services = {
        "by-interpolation": {
            "image": "x",
            "environment": {name: f"${{{name}}}" for name in values},
        },
        "by-file": {"image": "x", "env_file": ["some.env"]},
    }
    (tmp_path / "compose.yml").write_text(json.dumps({"services": services}))
    env_file = str(tmp_path / "some.env")
    asked = docker(
        *("compose", "--env-file", env_file, "-f", str(tmp_path / "compose.yml")),
        *("config", "--format", "json"),
    )
    config = json.loads(asked)["services"]
    for name in services:
        # `config` writes files: a dollar stands twice in them.
        found = {
            key: value.replace("$$", "$") for key, value in config[name]["environment"].items()
        }
        assert found == values, name
