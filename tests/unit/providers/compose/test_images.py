"""Images: fetched before anything starts, with progress told; what cannot be fetched is named."""

from __future__ import annotations

import textwrap

import pytest

from pytest_obsstack.errors import StackUnavailable
from pytest_obsstack.providers.shipped import stack_folder
from tests.unit.providers.compose.support import Bench

LOKI = "grafana/loki:3.7.8"
SHOP = """
services:
  shop:
    build: .
    depends_on: [db]
    ports: ["127.0.0.1:18000:8000"]
  db:
    image: mysql:9
"""


def failure(bench: Bench, **wanted: object) -> str:
    """The whole text of a start that fails; nothing is left behind then."""
    with pytest.raises(StackUnavailable) as raised, bench.stack(bench.wanted(**wanted)):  # type: ignore[arg-type]
        pass
    assert bench.engine.left() == []
    return bench.text(raised.value)


def text(lines: str) -> str:
    return textwrap.dedent(lines).strip()


def test_what_is_there_is_not_fetched(bench: Bench) -> None:
    with bench.stack():
        pass
    assert bench.told == []
    assert bench.engine.lines("pull") == bench.engine.lines("build") == []


def test_a_missing_image_is_pulled_once_and_the_progress_told(bench: Bench) -> None:
    bench.engine.images -= {LOKI, "otel/opentelemetry-collector-contrib:0.162.0"}
    with bench.stack():
        pass
    assert bench.told == [
        *(f"pull: {LOKI}", " loki Pulling", " loki Pulled"),
        "pull: otel/opentelemetry-collector-contrib:0.162.0",
        *(" otel-collector Pulling", " otel-collector Pulled"),
    ]
    assert len(bench.engine.lines("pull")) == 2


def test_an_image_that_cannot_be_pulled(bench: Bench) -> None:
    bench.engine.images.remove(LOKI)
    bench.engine.pull_errors[LOKI] = (
        "Error response from daemon: Get https://registry-1.docker.io/v2/: dial tcp: lookup "
        "registry-1.docker.io: no such host"
    )
    assert failure(bench) == text(
        """
        The image of the service loki cannot be pulled.
          expected  grafana/loki:3.7.8 can be pulled, or is there already
          found     Error response from daemon: Get https://registry-1.docker.io/v2/: dial tcp: \
lookup registry-1.docker.io: no such host
          do        check the name and the way to the registry (proxy, login, rate limit), load \
the image by hand (docker load), or name another one in a compose file of your own \
(--obs-compose-file)
          last 3 log lines:
            |  loki Pulling
            |  loki Error
            | Error response from daemon: Get https://registry-1.docker.io/v2/: dial tcp: lookup \
registry-1.docker.io: no such host
        """
    )
    assert bench.engine.lines("up") == []


def test_a_build_that_fails(bench: Bench) -> None:
    bench.engine.images.add("mysql:9")
    bench.engine.build_errors["shop"] = (
        '#7 ERROR: process "/bin/sh -c pip install -r requirements.txt" did not complete '
        "successfully: exit code: 1\n------"
    )
    file = bench.file("repo/docker-compose.yml", SHOP)
    assert failure(bench, files=[file], more_services=["shop"]) == text(
        """
        The image of the service shop cannot be built.
          expected  `docker compose build shop` succeeds
          found     #7 ERROR: process "/bin/sh -c pip install -r requirements.txt" did not \
complete successfully: exit code: 1
          do        mend the Dockerfile; the last lines of the build follow
          last 3 log lines:
            | #1 [internal] load build definition from Dockerfile
            | #7 ERROR: process "/bin/sh -c pip install -r requirements.txt" did not complete \
successfully: exit code: 1
            | ------
        """
    )


def test_the_app_is_built_in_every_run_under_one_name(bench: Bench) -> None:
    """Its code may have changed; and no run leaves an image of its own behind."""
    bench.engine.images.add("mysql:9")
    file = bench.file("repo/docker-compose.yml", SHOP)
    before = set(bench.engine.images)
    for run_id in ("20261126-080000-aaaaaa", "20261126-080001-bbbbbb"):
        with bench.stack(bench.wanted(files=[file], more_services=["shop"], run_id=run_id)):
            pass
    # Nor does a build leave what was built before it.
    assert bench.engine.removed_images == ["sha256:1"]
    (name,) = bench.engine.images - before
    assert name.startswith("pytest-obsstack/shop:")
    assert (
        bench.told
        == [
            *(
                f"build: {name}",
                "#1 [internal] load build definition from Dockerfile",
                "#2 DONE 0.1s",
            )
        ]
        * 2
    )


def test_what_the_app_depends_on_is_built_anew_too_and_the_stack_is_not(bench: Bench) -> None:
    shop = "{build: ., depends_on: [db, loki]}"
    file = bench.file(
        "repo/docker-compose.yml",
        f"services:\n  shop: {shop}\n  db: {{build: ./db}}\n  loki: {{build: ./loki}}\n",
    )
    for run_id in ("20261126-080000-aaaaaa", "20261126-080001-bbbbbb"):
        with bench.stack(bench.wanted(files=[file], more_services=["shop"], run_id=run_id)):
            pass
    assert bench.engine.built == [str(file.parent), str(file.parent / "db")] * 2


def test_images_of_what_the_app_needs_are_fetched_too(bench: Bench) -> None:
    """``up`` would fetch them without a word, and could not build them."""
    file = bench.file("repo/docker-compose.yml", SHOP)
    with bench.stack(bench.wanted(files=[file], more_services=["shop"])):
        pass
    assert "pull: mysql:9" in bench.told


def test_a_service_that_the_files_do_not_have(bench: Bench) -> None:
    assert failure(bench, more_services=["shop"]) == text(
        """
        The compose files have no service shop.
          expected  a service of that name in one of STACK/docker-compose.yml, \
FOLDER/runs/RUN/stack/docker-compose.images.json
          found     app, grafana, inventory, loki, otel-collector, prometheus, tempo
          do        name another one: compose_service of the fixture obs_app_spec
        """
    )
    assert bench.engine.lines("up") == []


def test_files_that_compose_refuses(bench: Bench) -> None:
    file = bench.file("repo/docker-compose.yml", "servces:\n  shop: {image: shop}\n")
    assert failure(bench, files=[file]) == text(
        """
        The compose files cannot be used.
          expected  Compose accepts STACK/docker-compose.yml, FOLDER/repo/docker-compose.yml, \
FOLDER/runs/RUN/stack/docker-compose.images.json
          found     validating FOLDER/repo/docker-compose.yml: (root) Additional property servces \
is not allowed
          do        correct the files that --obs-compose-file or obs_compose_files name
        """
    )


def test_a_file_that_is_not_there(bench: Bench) -> None:
    missing = bench.folder / "repo" / "docker-compose.yml"
    assert failure(bench, files=[missing]) == text(
        """
        A compose file is missing.
          expected  FOLDER/repo/docker-compose.yml is a file
          found     there is none
          do        correct --obs-compose-file or the fixture obs_compose_files
        """
    )
    assert bench.engine.lines("config") == []


def test_paths_of_somebody_else_s_file_count_from_its_own_folder(bench: Bench) -> None:
    bench.engine.images.add("mysql:9")
    file = bench.file("repo/docker-compose.yml", SHOP)
    # The app of the stack's own files, beside somebody else's.
    with bench.stack(bench.wanted(files=[file], more_services=["shop", "app"])):
        pass
    assert bench.engine.built == [str(file.parent), str(stack_folder() / "app")]
