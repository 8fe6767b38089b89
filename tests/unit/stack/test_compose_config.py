"""What Docker Compose makes of the files: every tracker, every subset."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.unit.stack.compose_files import SERVICES, TRACKERS, understood

ALWAYS = {"app", "inventory"}
SUBSETS = {
    "errors": {"sentry"},
    "database": {"postgres", "redis", "sentry-worker", "sentry-cron"},
    "traces": {"tempo", "otel-collector"},
    "metrics": {"prometheus", "otel-collector"},
    "logs": {"loki", "otel-collector"},
    "dashboards": {"grafana"},
}
NOT_NEEDED = SUBSETS["database"]
"""Services that only GlitchTip needs."""


@pytest.mark.parametrize("tracker", TRACKERS)
def test_everything_is_what_the_tracker_needs_and_the_rest(tracker: str) -> None:
    config = understood(TRACKERS[tracker])
    expected = SERVICES if tracker == "glitchtip" else SERVICES - NOT_NEEDED
    assert config["services"].keys() == expected


@pytest.mark.parametrize(
    "profiles",
    [pair for size in (1, 2) for pair in combinations(SUBSETS, size)],
    ids="+".join,
)
def test_any_subset_is_a_stack_of_its_own(profiles: tuple[str, ...]) -> None:
    config = understood(TRACKERS["glitchtip"], profiles=profiles)
    expected = set().union(*(SUBSETS[profile] for profile in profiles)) | ALWAYS
    assert config["services"].keys() == expected


@pytest.mark.parametrize("tracker", ["lite", "bugsink"])
def test_a_subset_of_another_tracker_needs_no_database(tracker: str) -> None:
    config = understood(TRACKERS[tracker], profiles=("errors", "traces"))
    assert config["services"].keys() == {"sentry", "tempo", "otel-collector"} | ALWAYS
    assert config["services"]["sentry"].get("depends_on", {}) == {}


@pytest.fixture(params=TRACKERS)
def labelled(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The whole stack with each tracker, as a run has it."""
    return understood(
        TRACKERS[request.param],
        variables={"OBSSTACK_RUN": "r1", "OBSSTACK_OWNER": "42@here", "OBSSTACK_KEPT": "false"},
    )


def test_whatever_is_made_carries_the_run_s_labels(labelled: dict[str, Any]) -> None:
    expected = {
        "io.pytest-obsstack.run": "r1",
        "io.pytest-obsstack.owner": "42@here",
        "io.pytest-obsstack.kept": "false",
    }
    for kind in ("services", "networks", "volumes"):
        assert labelled[kind], kind
        for name, made in labelled[kind].items():
            assert made["labels"] == expected, f"{kind}: {name}"


def test_nothing_is_published_beyond_this_machine(labelled: dict[str, Any]) -> None:
    ports = [port for service in labelled["services"].values() for port in service.get("ports", ())]
    assert len(ports) == 9
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}


def test_whatever_runs_has_limits(labelled: dict[str, Any]) -> None:
    for name, service in labelled["services"].items():
        assert int(service["mem_limit"]) >= 2**28, name
        assert service["cpus"] == 2, name
        assert service["pids_limit"] == 512, name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_every_bind_mount_is_read_only(labelled: dict[str, Any]) -> None:
    binds = [
        mount
        for service in labelled["services"].values()
        for mount in service.get("volumes", ())
        if mount["type"] == "bind"
    ]
    assert binds
    assert [mount["source"] for mount in binds if not mount.get("read_only")] == []


def test_a_run_chooses_name_ports_and_images() -> None:
    config = understood(
        TRACKERS["glitchtip"],
        project="obsstack-r1",
        variables={"SENTRY_PORT": "41234", "POSTGRES_IMAGE": "local/postgres:15", "APP_PORT": "0"},
    )
    assert config["name"] == "obsstack-r1"
    services = config["services"]
    assert [port["published"] for port in services["sentry"]["ports"]] == ["41234"]
    assert [port["published"] for port in services["app"]["ports"]] == ["0"]
    assert services["postgres"]["image"] == "local/postgres:15"


def test_app_and_collector_are_told_what_the_dsn_file_says(tmp_path: Path) -> None:
    file = tmp_path / "dsn.env"
    file.write_text(
        "SENTRY_DSN=http://k@sentry:9000/1\nSENTRY_PUBLIC_KEY='k'\n"
        "SENTRY_OTLP_TRACES_ENDPOINT=http://sentry:9000/api/1/integration/otlp/v1/traces\n",
        "utf-8",
    )
    # A DSN of the developer's own, in the shell, must not reach the app.
    variables = {"OBSSTACK_DSN_ENV": str(file), "SENTRY_DSN": "http://own@elsewhere/1"}
    services = understood(TRACKERS["glitchtip"], variables=variables)["services"]
    for name in ("app", "inventory", "otel-collector"):
        environment = services[name]["environment"]
        assert environment["SENTRY_DSN"] == "http://k@sentry:9000/1", name
        assert environment["SENTRY_PUBLIC_KEY"] == "k", name
    assert services["app"]["environment"]["OTEL_SERVICE_NAME"] == "simple-app"


def test_without_the_dsn_file_no_dsn_is_told(tmp_path: Path) -> None:
    variables = {"OBSSTACK_DSN_ENV": str(tmp_path / "none"), "SENTRY_DSN": "http://own@elsewhere/1"}
    services = understood(TRACKERS["glitchtip"], variables=variables)["services"]
    assert "SENTRY_DSN" not in services["app"]["environment"]
    assert "SENTRY_PUBLIC_KEY" not in services["otel-collector"]["environment"]


def test_the_collector_sends_spans_to_a_tracker_that_takes_them() -> None:
    alone = "--config=/etc/otelcol/traces-to-tempo-alone.yaml"
    main = "--config=/etc/otelcol/config.yaml"
    commands = {
        tracker: understood(files)["services"]["otel-collector"]["command"]
        for tracker, files in TRACKERS.items()
    }
    assert commands == {"glitchtip": [main, alone], "bugsink": [main, alone], "lite": [main]}
    # A tracker that runs elsewhere: no service of its own, and spans go there too.
    elsewhere = understood(
        TRACKERS["glitchtip"],
        profiles=("traces",),
        variables={"COLLECTOR_TRACES_CONFIG": "config.yaml"},
    )
    assert elsewhere["services"]["otel-collector"]["command"] == [main, main]


def test_glitchtip_is_told_of_database_queue_and_address() -> None:
    config = understood(
        TRACKERS["glitchtip"],
        variables={"POSTGRES_PASSWORD": "p4", "SENTRY_PUBLIC_URL": "http://127.0.0.1:41234"},
    )
    for name in ("sentry", "sentry-worker", "sentry-cron"):
        environment = config["services"][name]["environment"]
        assert environment["DATABASE_URL"] == "postgres://glitchtip:p4@postgres:5432/glitchtip"
        assert environment["VALKEY_URL"] == "redis://redis:6379/0"
        assert environment["GLITCHTIP_DOMAIN"] == "http://127.0.0.1:41234"
        assert environment["GRANIAN_PORT"] == "9000"
    assert config["services"]["postgres"]["environment"]["POSTGRES_PASSWORD"] == "p4"


def test_worker_and_cron_wait_for_the_migrations() -> None:
    services = understood(TRACKERS["glitchtip"])["services"]
    for name in ("sentry-worker", "sentry-cron"):
        assert services[name]["depends_on"]["sentry"]["condition"] == "service_healthy"


@pytest.mark.parametrize("tracker", ["lite", "bugsink"])
def test_other_trackers_know_nothing_of_glitchtip(tracker: str) -> None:
    config = understood(
        TRACKERS[tracker],
        variables={
            "SENTRY_ADMIN_EMAIL": "me@example.com",
            "SENTRY_ADMIN_PASSWORD": "s3",
            "SENTRY_PUBLIC_URL": "http://127.0.0.1:41234",
        },
    )
    sentry = config["services"]["sentry"]
    environment = sentry["environment"]
    assert [name for name in environment if "GLITCHTIP" in name or name == "DATABASE_URL"] == []
    assert "glitchtip" not in sentry["image"]
    if tracker == "bugsink":
        assert environment["CREATE_SUPERUSER"] == "me@example.com:s3"
        assert environment["BASE_URL"] == "http://127.0.0.1:41234"
        # Shorter ones fail its own check, and it does not start.
        assert len(environment["SECRET_KEY"]) >= 50
        assert sentry["entrypoint"] is None
        assert sentry["command"] is None
    else:
        assert environment == {
            "SENTRY_PUBLIC_URL": "http://127.0.0.1:41234",
            "SENTRY_ADMIN_EMAIL": "me@example.com",
            "SENTRY_ADMIN_PASSWORD": "s3",
            "SENTRY_API_TOKEN": "",
            # Its webhooks reach this machine, and nothing else that is not public.
            "SENTRY_WEBHOOK_HOSTS": "host.docker.internal",
        }
        assert sentry["command"] == ["sentry"]
        assert sentry["build"]["args"] == {"REQUIREMENT": "pytest-obsstack"}


@pytest.mark.parametrize("tracker", TRACKERS)
def test_each_tracker_is_asked_for_its_own_health(tracker: str) -> None:
    paths = {"glitchtip": "/_health/", "lite": "/_health/", "bugsink": "/health/ready"}
    sentry = understood(TRACKERS[tracker])["services"]["sentry"]
    assert sentry["healthcheck"]["test"] == [
        *("CMD", "/bin/bash", "/obsstack/sentry-entrypoint.sh", "healthy-web", paths[tracker])
    ]
    mounted = [mount["target"] for mount in sentry["volumes"]]
    assert "/obsstack/sentry-entrypoint.sh" in mounted
