"""Compose files read as Compose does it, as far as the stack's and the tests' own files need."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?P<default>-(?:[^{}]|\{[^{}]*\})*)?\}")
_LINE = re.compile(r'^(\w+)="((?:[^"\\]|\\.)*)"$')
_KNOWN = {"name", "services", "networks", "volumes", "secrets", "configs"}
_APPENDED = ("ports", "volumes", "env_file")


class Refused(Exception):
    """What Compose writes when it does not accept the files."""


class _Override(dict[str, Any]):
    """A mapping that replaces the earlier one, tagged ``!override``."""


class _Loader(yaml.SafeLoader):
    """YAML with Compose's own tags."""


def _override(loader: _Loader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        content: dict[str, Any] = dict(loader.construct_mapping(node, deep=True))  # type: ignore[arg-type]
        return _Override(content)
    return loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else {}


_Loader.add_constructor("!override", _override)
_Loader.add_constructor("!reset", lambda _loader, _node: None)


def read_variables(path: Path) -> dict[str, str]:
    """A file of ``NAME="value"`` lines; anything else is refused."""
    found = {}
    for line in path.read_text("utf-8").splitlines():
        match = _LINE.match(line)
        if match is None:
            raise Refused(f"failed to read {path}: unexpected character in {line!r}")
        found[match[1]] = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], match[2])
    return found


def read(
    files: Sequence[str], variables: Mapping[str, str], folder: Path, *, check: bool = True
) -> dict[str, Any]:
    """The merged and interpolated configuration; raises ``Refused``.

    Without ``check`` for a file that is only laid over others.
    """
    merged: dict[str, Any] = {}
    for file in files:
        try:
            content = _parsed(Path(file).read_text("utf-8"))
        except FileNotFoundError:
            raise Refused(f"open {file}: no such file or directory") from None
        except yaml.YAMLError as error:
            line = getattr(getattr(error, "problem_mark", None), "line", 0)
            raise Refused(f"yaml: line {line + 1}: could not find expected ':'") from None
        for key in content:
            if key not in _KNOWN and not key.startswith("x-"):
                raise Refused(f"validating {file}: (root) Additional property {key} is not allowed")
        merged = _merged(merged, _normal(_interpolated(content, variables)))
    for name, service in merged["services"].items():
        if check and not service.get("image") and not service.get("build"):
            raise Refused(
                f'service "{name}" has neither an image nor a build context specified: '
                "invalid compose project"
            )
        build = service.get("build")
        if build:
            service["build"] = {**build, "context": str((folder / build["context"]).resolve())}
        else:
            service.pop("build", None)
    return merged


@lru_cache(maxsize=64)
def _parsed(text: str) -> Any:
    # A subclass of the safe loader. What it gives is copied, never changed.
    return yaml.load(text, _Loader)  # noqa: S506


def environment_of(service: Mapping[str, Any]) -> dict[str, str]:
    """What a container is told: files first, the service's own variables win."""
    told: dict[str, str] = {}
    for entry in service.get("env_file", ()):
        path = Path(entry["path"])
        if path.exists():
            told |= read_variables(path)
    return {**told, **service.get("environment", {})}


def _interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, _Override):
        return _Override({k: _interpolated(v, variables) for k, v in value.items()})
    if isinstance(value, dict):
        return {key: _interpolated(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [_interpolated(item, variables) for item in value]
    if not isinstance(value, str):
        return value

    def replaced(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        default = _interpolated((match["default"] or "-")[1:], variables)
        return variables.get(match["name"], str(default))

    return _VARIABLE.sub(replaced, value)


def _normal(content: dict[str, Any]) -> dict[str, Any]:
    services = {}
    for name, service in (content.get("services") or {}).items():
        service = dict(service)  # noqa: PLW2901 - the same one, in another form
        for key in ("environment", "labels"):
            if isinstance(service.get(key), list):
                service[key] = dict(entry.partition("=")[::2] for entry in service[key])
        if isinstance(service.get("build"), str):
            service["build"] = {"context": service["build"]}
        if isinstance(service.get("depends_on"), list):
            dependency = {"condition": "service_started", "required": True}
            service["depends_on"] = dict.fromkeys(service["depends_on"], dependency)
        services[name] = service
    normal: dict[str, Any] = {
        key: content[key] or {} for key in ("networks", "volumes") if key in content
    }
    return {**normal, "services": services}


def _merged(first: Any, second: Any, key: str = "") -> Any:
    if isinstance(first, dict) and isinstance(second, dict) and not isinstance(second, _Override):
        return {
            name: _merged(first[name], second[name], name)
            if name in first and name in second
            else second.get(name, first.get(name))
            for name in {**first, **second}
        }
    if key in _APPENDED and isinstance(first, list) and isinstance(second, list):
        return [*first, *(entry for entry in second if entry not in first)]
    return second
