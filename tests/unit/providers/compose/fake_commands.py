"""What the programs of the tests do: ``docker …`` and ``docker compose …``, by a ``FakeEngine``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tests.unit.providers.compose import compose_reading as reading
from tests.unit.providers.compose.fake_engine import (
    ONE_OFF,
    PROJECT,
    Answer,
    Behaviour,
    Call,
    Container,
    EngineError,
    FakeEngine,
    matching,
)


class _Unknown(Exception):
    """A call that is not understood here."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _Unknown(message)


def perform(engine: FakeEngine, call: Call, answer: Answer) -> int:
    """Do what was called; the exit status."""
    words = list(call.arguments)
    try:
        if call.program == "docker-compose" or words[:1] == ["compose"]:
            if call.program not in engine.compose_versions:
                answer.err("unknown flag: --short\n\nUsage:  docker [OPTIONS] COMMAND [ARG...]")
                return 125
            return _compose(engine, call, words[words[:1] == ["compose"] :], answer)
        return _docker(engine, words, answer)
    except EngineError as error:
        answer.err(str(error))
        return 1
    except reading.Refused as refused:
        answer.err(str(refused))
        return 15
    except _Unknown as unknown:
        engine.unknown.append(f"{call.line}: {unknown}")
        answer.err(f"unknown: {unknown}")
        return 64


# ---- docker


def _docker(engine: FakeEngine, words: list[str], answer: Answer) -> int:
    _require_engine(engine)
    if words[0] in ("container", "network", "volume", "image"):
        return _resources(engine, words[0], words[1], words[2:], answer)
    if words[:2] == ["version", "--format"]:
        answer.out(engine.engine_version)
        return 0
    known = {"inspect": _inspect, "logs": _logs, "stop": _stop, "rm": _rm, "rmi": _rmi}
    if words[0] not in known:
        raise _Unknown(words[0])
    return known[words[0]](engine, words[1:], answer)


def _require_engine(engine: FakeEngine) -> None:
    if not engine.answering:
        raise EngineError(
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. "
            "Is the docker daemon running?"
        )


def _resources(engine: FakeEngine, kind: str, action: str, words: list[str], answer: Answer) -> int:
    labels: Mapping[str, Mapping[str, str]] = {
        "container": {name: c.labels for name, c in engine.containers.items()},
        "network": engine.networks,
        "volume": engine.volumes,
    }.get(kind, {})
    if action == "ls":
        parser = _Parser()
        parser.add_argument("--quiet", action="store_true", required=True)
        parser.add_argument("--filter", required=True)
        if kind == "container":
            parser.add_argument("--all", action="store_true", required=True)
        label = parser.parse_args(words).filter.removeprefix("label=")
        for name in matching(labels, label):
            answer.out(name)
        return 0
    parser = _Parser()
    parser.add_argument("--format")
    parser.add_argument("names", nargs="+")
    asked = parser.parse_args(words)
    if action != "inspect":
        raise _Unknown(action)
    if kind == "network" and asked.names == ["bridge"]:
        answer.out("127.0.0.1 ")
        return 0
    status = 0
    for name in asked.names:
        if kind == "image":
            there = name in engine.images
            shown = engine.image_ids.get(name, "sha256:0") if there else ""
        else:
            there = name in labels
            shown = json.dumps(labels[name]) if there else ""
        if there:
            answer.out(shown)
        else:
            status = 1
            answer.err(f"Error response from daemon: No such {kind}: {name}")
    return status


def _container(engine: FakeEngine, name: str) -> Container:
    if name not in engine.containers:
        raise EngineError(f"Error response from daemon: No such container: {name}")
    return engine.containers[name]


def _inspect(engine: FakeEngine, words: list[str], answer: Answer) -> int:
    if len(words) != 3 or words[0] != "--format":
        raise _Unknown(f"inspect {words}")
    container = _container(engine, words[2])
    behaviour = container.behaviour
    log = [
        {"ExitCode": 0 if behaviour.health == "healthy" else 1, "Output": behaviour.health_output}
    ]
    shown: dict[str, Any] = {
        "{{json .State.Health}}": json.dumps({"Log": log} if behaviour.has_health else None),
        "{{.State.Status}}": container.state,
        "{{.State.ExitCode}}": container.exit_code,
        "{{.State.Running}}": str(container.state == "running").lower(),
    }
    if words[1] not in shown:
        raise _Unknown(f"template {words[1]}")
    answer.out(str(shown[words[1]]))
    return 0


def _logs(engine: FakeEngine, words: list[str], answer: Answer) -> int:
    parser = _Parser()
    parser.add_argument("--tail", type=int, default=1000)
    parser.add_argument("--timestamps", action="store_true")
    parser.add_argument("name")
    asked = parser.parse_args(words)
    for line in _container(engine, asked.name).behaviour.log[-asked.tail :]:
        answer.out(f"2026-11-26T08:00:00.000000000Z {line}" if asked.timestamps else line)
    return 0


def _stop(engine: FakeEngine, words: list[str], answer: Answer) -> int:
    parser = _Parser()
    parser.add_argument("--time", required=True)
    parser.add_argument("names", nargs="+")
    for name in parser.parse_args(words).names:
        _container(engine, name).stop()
        answer.out(name)
    return 0


def _rm(engine: FakeEngine, words: list[str], answer: Answer) -> int:
    parser = _Parser()
    parser.add_argument("--force", action="store_true")
    parser.add_argument("--volumes", action="store_true")
    parser.add_argument("names", nargs="+")
    for name in parser.parse_args(words).names:
        _container(engine, name)
        engine.remove(name)
    return 0


def _rmi(engine: FakeEngine, words: list[str], answer: Answer) -> int:
    (image,) = words
    engine.removed_images.append(image)
    answer.out(f"Deleted: {image}")
    return 0


# ---- docker compose


class _Project:
    """The project that a call is about."""

    def __init__(self, engine: FakeEngine, call: Call, options: argparse.Namespace) -> None:
        self.engine = engine
        self.name: str = options.project
        self._call = call
        self._options = options

    def config(self, *, all_profiles: bool = False) -> dict[str, Any]:
        variables: dict[str, str] = {}
        for path in self._options.env_file:
            variables |= reading.read_variables(Path(path))
        # Compose lets the environment win over files.
        variables |= self._call.environment
        folder = Path(self._options.project_directory)
        config = reading.read(self._options.file, variables, folder)
        profiles = set(self._options.profile)
        config["services"] = {
            name: service
            for name, service in config["services"].items()
            if all_profiles
            or not service.get("profiles")
            or profiles.intersection(service["profiles"])
        }
        return config

    def containers(self) -> list[Container]:
        found = list(self.engine.containers.values())
        return [container for container in found if container.project == self.name]

    def of(self, services: Sequence[str]) -> list[Container]:
        known = {container.service for container in self.containers()}
        for service in services:
            if service not in known:
                raise EngineError(f"no such service: {service}")
        return [container for container in self.containers() if container.service in services]


def _compose(engine: FakeEngine, call: Call, words: list[str], answer: Answer) -> int:
    if words[:2] == ["version", "--short"]:
        answer.out(engine.compose_versions[call.program])
        return 0
    parser = _Parser()
    parser.add_argument("--ansi", choices=["never"])
    parser.add_argument("--project-directory")
    parser.add_argument("--project-name", "-p", dest="project", required=True)
    for name in ("--env-file", "--profile"):
        parser.add_argument(name, action="append", default=[])
    parser.add_argument("-f", dest="file", action="append", default=[])
    parser.add_argument("subcommand", choices=list(_SUBCOMMANDS))
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    options = parser.parse_args(words)
    if engine.hang == options.subcommand:
        answer.err(f" Container {options.project}-x-1  Creating")
        engine.hanging.set()
        while not answer.gone(60):
            pass
        if engine.late is not None:
            engine.late()
        return 130
    if options.subcommand not in ("config", "build"):
        _require_engine(engine)
    project = _Project(engine, call, options)
    return _SUBCOMMANDS[options.subcommand](project, options.rest, answer)


def _config(project: _Project, words: list[str], answer: Answer) -> int:
    if words not in (["--format", "json"], ["--quiet"]):
        raise _Unknown(f"config {words}")
    answer.out(json.dumps(project.config(), indent=2))
    return 0


def _ps(project: _Project, words: list[str], answer: Answer) -> int:
    if words != ["--all", "--format", "json"]:
        raise _Unknown(f"ps {words}")
    for container in project.containers():
        facts = {
            "Name": container.name,
            "Service": container.service,
            "State": container.state,
            "Health": container.health,
            "ExitCode": container.exit_code,
            "Image": container.image,
            "Labels": ",".join(f"{name}={value}" for name, value in container.labels.items()),
        }
        answer.out(json.dumps(facts))
    return 0


def _pull(project: _Project, words: list[str], answer: Answer) -> int:
    (service,) = words
    image = project.config()["services"][service]["image"]
    answer.err(f" {service} Pulling")
    if image in project.engine.pull_errors:
        answer.err(f" {service} Error")
        answer.err(project.engine.pull_errors[image])
        return 18
    answer.err(f" {service} Pulled")
    project.engine.images.add(image)
    return 0


def _build(project: _Project, words: list[str], answer: Answer) -> int:
    if words[:2] != ["--progress", "plain"] or len(words) != 3:
        raise _Unknown(f"build {words}")
    service = words[2]
    configured = project.config()["services"][service]
    image = configured.get("image", f"{project.name}-{service}")
    project.engine.built.append(configured["build"]["context"])
    answer.out("#1 [internal] load build definition from Dockerfile")
    if service in project.engine.build_errors:
        answer.out(project.engine.build_errors[service])
        return 17
    answer.out("#2 DONE 0.1s")
    project.engine.images.add(image)
    project.engine.image_ids[image] = f"sha256:{len(project.engine.built)}"
    return 0


def _up(project: _Project, words: list[str], answer: Answer) -> int:
    parser = _Parser()
    for flag in ("--detach", "--no-build"):
        parser.add_argument(flag, action="store_true", required=True)
    for flag in ("--quiet-pull", "--no-deps"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("services", nargs="+")
    options = parser.parse_args(words)
    engine = project.engine
    config = project.config(all_profiles=False)
    services = config["services"]
    order = _start_order(services, options.services, alone=options.no_deps)
    with engine.lock:
        _make_resources(project, config)
        made = {}
        for name in order:
            container = _made(project, name, services[name], f"{project.name}-{name}-1")
            if container.image not in engine.images:
                raise EngineError(f"Error response from daemon: No such image: {container.image}")
            there = engine.containers.get(container.name)
            if there is not None and there.state == "running" and _same(there, container):
                continue
            engine.remove(container.name)
            engine.containers[container.name] = made[name] = container
            answer.err(f" Container {container.name}  Created")
        engine.before_up(made)
        for name, container in made.items():
            _require_dependencies(project, services[name])
            answer.err(f" Container {container.name}  Starting")
            container.start()
    return 0


def _start_order(services: Mapping[str, Any], asked: Sequence[str], *, alone: bool) -> list[str]:
    order: list[str] = []

    def visit(name: str, *, required: bool = True) -> None:
        if name not in services:
            if required:
                raise EngineError(f"no such service: {name}")
            return
        if not alone:
            for other, condition in services[name].get("depends_on", {}).items():
                visit(other, required=condition.get("required", True))
        if name not in order:
            order.append(name)

    for name in asked:
        visit(name)
    return order


def _require_dependencies(project: _Project, service: Mapping[str, Any]) -> None:
    for other, condition in service.get("depends_on", {}).items():
        if condition.get("condition") != "service_healthy":
            continue
        for container in project.containers():
            if container.service != other:
                continue
            if container.state == "exited":
                raise EngineError(
                    f"dependency failed to start: container {container.name} exited "
                    f"({container.exit_code})"
                )
            if container.health == "unhealthy":
                raise EngineError(
                    f"dependency failed to start: container {container.name} is unhealthy"
                )


def _same(first: Container, second: Container) -> bool:
    return (first.environment, first.ports, first.image) == (
        second.environment,
        second.ports,
        second.image,
    )


def _make_resources(project: _Project, config: Mapping[str, Any]) -> None:
    networks = config.get("networks") or {"default": {}}
    for kind, entries in (
        (project.engine.networks, networks),
        (project.engine.volumes, config.get("volumes", {})),
    ):
        for name, entry in entries.items():
            labels = {**((entry or {}).get("labels") or {}), PROJECT: project.name}
            kind[f"{project.name}_{name}"] = labels


def _made(
    project: _Project,
    service: str,
    configured: Mapping[str, Any],
    name: str,
    *,
    one_off: bool = False,
) -> Container:
    engine = project.engine
    image = configured.get("image") or f"{project.name}-{service}"
    ports = {}
    for entry in () if one_off else configured.get("ports", ()):
        address, outer, inner = str(entry).split(":")
        assert address == "127.0.0.1", f"{service} is published on {address}"
        ports[int(outer)] = int(inner)
    labels = {
        **engine.image_labels.get(image, {}),
        **{key: str(value) for key, value in configured.get("labels", {}).items()},
        PROJECT: project.name,
        ONE_OFF: str(one_off),
    }
    environment = {key: str(value) for key, value in reading.environment_of(configured).items()}
    behaviour = engine.behaviours.get(service, Behaviour())
    return Container(name, service, project.name, image, labels, environment, ports, behaviour)


def _run(project: _Project, words: list[str], answer: Answer) -> int:
    parser = _Parser()
    for flag in ("--detach", "--no-deps"):
        parser.add_argument(flag, action="store_true", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--publish", required=True)
    parser.add_argument("service")
    options = parser.parse_args(words)
    configured = project.config()["services"][options.service]
    container = _made(project, options.service, configured, options.name, one_off=True)
    address, outer, inner = options.publish.split(":")
    assert address == "127.0.0.1"
    container.ports = {int(outer): int(inner)}
    with project.engine.lock:
        if options.name in project.engine.containers:
            raise EngineError(
                f"Error response from daemon: Conflict. The container name {options.name} is "
                "already in use"
            )
        project.engine.containers[options.name] = container
        container.start()
    answer.out(options.name)
    return 0


def _change(state: str) -> Callable[[_Project, list[str], Answer], int]:
    def change(project: _Project, words: list[str], answer: Answer) -> int:
        parser = _Parser()
        parser.add_argument("--timeout")
        parser.add_argument("service")
        for container in project.of([parser.parse_args(words).service]):
            if state == "paused":
                container.state = state
            elif state == "unpaused":
                container.state = "running"
            else:
                if state != "running":
                    container.stop()
                if state != "exited":
                    container.start()
            answer.err(f" Container {container.name}  {state}")
        return 0

    return change


def _down(project: _Project, words: list[str], answer: Answer) -> int:
    if words != ["--volumes", "--remove-orphans", "--timeout", "3"]:
        raise _Unknown(f"down {words}")
    engine = project.engine
    engine.before_down()
    if engine.down_errors:
        raise EngineError(engine.down_errors.pop(0))
    with engine.lock:
        for container in project.containers():
            engine.remove(container.name)
            answer.err(f" Container {container.name}  Removed")
        for resources in (engine.networks, engine.volumes):
            for name in list(matching(resources, f"{PROJECT}={project.name}")):
                del resources[name]
    return 0


_SUBCOMMANDS: Mapping[str, Callable[[_Project, list[str], Answer], int]] = {
    "config": _config,
    "ps": _ps,
    "pull": _pull,
    "build": _build,
    "up": _up,
    "run": _run,
    "stop": _change("exited"),
    "start": _change("running"),
    "restart": _change("restarted"),
    "pause": _change("paused"),
    "unpause": _change("unpaused"),
    "down": _down,
}
