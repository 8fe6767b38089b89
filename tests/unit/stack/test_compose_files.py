"""What the compose files say, read without Docker."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.stack.compose_files import (
    COMPOSE_FILES,
    GUIDE_SERVICES,
    SERVICES,
    STACK,
    mounted_files,
    written,
)

VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<operator>[^\w}]*)(?P<default>[^}]*)\}")
IMAGE = re.compile(
    r"\$\{(?P<variable>[A-Z_]+_IMAGE)-(?P<name>[a-z0-9./-]+):(?P<tag>[A-Za-z0-9._-]+)\}"
)
WITHOUT_HEALTH_CHECK = {
    "otel-collector": "its image holds one program, which cannot ask a running one",
    "app": "its Dockerfile has one",
    "inventory": "the app's image, likewise",
}


def services() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in COMPOSE_FILES:
        for name, service in written(file)["services"].items():
            yield f"{file}: {name}", service


def text(name: str) -> str:
    return (STACK / name).read_text("utf-8")


def test_the_guide_s_services_are_there_with_tempo_and_inventory() -> None:
    assert written("docker-compose.yml")["services"].keys() == SERVICES
    assert len(GUIDE_SERVICES) == 10


@pytest.mark.parametrize("name", COMPOSE_FILES)
def test_each_image_stands_in_one_place_with_an_exact_tag(name: str) -> None:
    images = {
        service["image"] for service in written(name)["services"].values() if "image" in service
    }
    for image in images:
        match = IMAGE.fullmatch(image)
        assert match is not None, image
        assert text(name).count("${" + match["variable"]) == 1, image
        # What is built here has no version of its own.
        exact = re.fullmatch(r"v?\d+\.\d+[\w.-]*", match["tag"])
        assert exact or match["tag"] == "local", image
    variables = [found["variable"] for found in map(IMAGE.fullmatch, images) if found]
    assert len(variables) == len(set(variables))


def test_the_three_parts_of_glitchtip_are_one_image() -> None:
    stack = written("docker-compose.yml")["services"]
    parts = ("sentry", "sentry-worker", "sentry-cron")
    assert len({stack[part]["image"] for part in parts}) == 1
    assert [stack[part]["command"] for part in parts] == [["web"], ["worker"], ["cron"]]


@pytest.mark.parametrize("name", COMPOSE_FILES)
def test_every_variable_has_a_default_and_an_empty_value_stays_empty(name: str) -> None:
    lines = [line for line in text(name).splitlines() if not line.lstrip().startswith("#")]
    found = list(VARIABLE.finditer("\n".join(lines)))
    assert found
    assert {match["operator"][:1] for match in found} == {"-"}, [match[0] for match in found]


def test_a_variable_has_the_same_default_everywhere() -> None:
    defaults: dict[str, set[str]] = {}
    for name in COMPOSE_FILES:
        for match in VARIABLE.finditer(text(name)):
            defaults.setdefault(match["name"], set()).add(match["operator"] + match["default"])
    assert {name: values for name, values in defaults.items() if len(values) > 1} == {}


@pytest.mark.parametrize(
    "key",
    ["container_name", "privileged", "network_mode", "pid", "ipc", "cap_add", "devices", "links"],
)
def test_no_service_reaches_out_of_its_container_or_fixes_its_name(key: str) -> None:
    assert [where for where, service in services() if key in service] == []


@pytest.mark.parametrize("name", COMPOSE_FILES)
def test_the_project_has_no_fixed_name(name: str) -> None:
    assert "name" not in written(name)


def test_files_of_this_machine_are_mounted_read_only_and_exist() -> None:
    mounts = 0
    for where, service in services():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            if source.startswith((".", "/", "~", "$")):
                assert mount.endswith(":ro"), f"{where}: {mount}"
                mounts += 1
        for path in mounted_files(service):
            assert path.exists(), f"{where}: {path}"
    assert mounts >= 8


def test_every_named_volume_is_declared_with_labels() -> None:
    for file in COMPOSE_FILES:
        content = written(file)
        used = {
            mount.split(":")[0]
            for service in content["services"].values()
            for mount in service.get("volumes", ())
            if not mount.startswith("${")
        }
        assert used == content["volumes"].keys()
        for volume in content["volumes"].values():
            assert {label.rpartition(".")[2] for label in volume["labels"]} == {
                *("run", "owner", "kept")
            }


def test_every_service_has_a_health_check_or_a_known_reason_for_none() -> None:
    stack = written("docker-compose.yml")["services"]
    without = {name for name, service in stack.items() if "healthcheck" not in service}
    assert without == WITHOUT_HEALTH_CHECK.keys()
    assert "\nHEALTHCHECK " in text("app/Dockerfile")


def test_a_health_check_is_short_and_starts_no_interpreter() -> None:
    checked = 0
    for where, service in services():
        check = service.get("healthcheck", {})
        if "test" not in check:
            continue
        checked += 1
        assert check.get("interval", "1s") in ("1s", "2s"), where
        command = " ".join(check["test"])
        assert re.search(r"\b(python3?|node|java|manage\.py)\b", command) is None, where
    assert checked >= 10


def test_each_service_is_limited() -> None:
    for name, service in written("docker-compose.yml")["services"].items():
        assert {"mem_limit", "cpus", "pids_limit", "stop_grace_period"} <= service.keys(), name
        assert service["restart"] == "no", name


def test_ports_are_published_on_loopback_alone() -> None:
    published = {}
    for where, service in services():
        for port in service.get("ports", ()):
            match = re.fullmatch(r"127\.0\.0\.1:\$\{(\w+)-(\d+)\}:(\d+)", port)
            assert match is not None, f"{where}: {port}"
            published[match[1]] = (match[2], match[3])
    # By hand, they are the guide's ports and the products' usual ones.
    assert published == {
        "SENTRY_PORT": ("9000", "9000"),
        "APP_PORT": ("5000", "5000"),
        "GRAFANA_PORT": ("3000", "3000"),
        "PROMETHEUS_PORT": ("9090", "9090"),
        "LOKI_PORT": ("3100", "3100"),
        "TEMPO_PORT": ("3200", "3200"),
        "OTLP_PORT": ("4318", "4318"),
        "COLLECTOR_METRICS_PORT": ("8888", "8888"),
        "COLLECTOR_HEALTH_PORT": ("13133", "13133"),
    }


def test_a_receiver_on_this_machine_can_be_told_of_alerts() -> None:
    stack = written("docker-compose.yml")["services"]
    for name in ("sentry", "sentry-worker", "sentry-cron", "prometheus", "loki", "grafana"):
        assert stack[name]["extra_hosts"] == ["host.docker.internal:host-gateway"], name


@pytest.mark.parametrize("name", ["app", "inventory", "otel-collector"])
def test_the_dsn_comes_from_one_file_that_need_not_be_there(name: str) -> None:
    service = written("docker-compose.yml")["services"][name]
    assert service["env_file"] == [{"path": "${OBSSTACK_DSN_ENV-dsn.env}", "required": False}]
    # What stands under environment would win over the file.
    told_by_the_file = {"SENTRY_DSN", "SENTRY_OTLP_TRACES_ENDPOINT", "SENTRY_PUBLIC_KEY"}
    assert service["environment"].keys().isdisjoint(told_by_the_file)


def test_the_folder_s_own_settings_start_everything() -> None:
    settings = dict(
        line.split("=", 1) for line in text(".env").splitlines() if line and line[0] != "#"
    )
    assert settings == {"COMPOSE_PROJECT_NAME": "obsstack-by-hand", "COMPOSE_PROFILES": "full"}
    for name, service in written("docker-compose.yml")["services"].items():
        assert "full" in service.get("profiles", ["full"]), name


@pytest.mark.parametrize("name", ["sentry-init.sh", "sentry-entrypoint.sh"])
def test_scripts_can_be_started(name: str) -> None:
    assert os.access(STACK / name, os.X_OK)
    subprocess.run(["bash", "-n", str(STACK / name)], check=True)


@pytest.mark.parametrize(
    "name",
    [
        *("dsn.env", "sentry-admin.env", "sentry-admin.env.a1B2c3"),
        *("docker-compose.lock.yml", "docker-compose.bugsink.lock.yml"),
    ],
)
def test_what_is_written_at_run_time_is_not_committed(name: str) -> None:
    if not (STACK.parent / ".git").exists():
        pytest.skip("the package is installed: there is no repository")
    ignored = subprocess.run(
        ["git", "check-ignore", "-q", str(STACK / name)], cwd=STACK.parent, check=False
    )
    assert ignored.returncode == 0
