"""The provisioning folder: data sources, dashboards, alert rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from pytest_obsstack.embedded.grafana.expansion import BadExpansion, expanded

_USUAL_FOLDER = Path("/etc/grafana/provisioning")
_DURATION = re.compile(r"(\d+)(ms|s|m|h|d|w|y)")
_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}


class ProvisioningError(ValueError):
    """A file that Grafana would not start with; the text names it."""


@dataclass(frozen=True)
class DataSource:
    """``raw`` is the file's entry with its variables expanded."""

    id: int
    uid: str
    name: str
    type: str
    url: str
    is_default: bool
    read_only: bool
    json_data: Mapping[str, Any]
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Dashboard:
    """A dashboard's JSON as it lies in the folder, with the folder that its provider names."""

    id: int
    uid: str
    title: str
    folder: str
    """Title; empty for none."""
    folder_uid: str
    file_name: str
    allow_updates: bool
    model: Mapping[str, Any] = field(repr=False)

    @property
    def slug(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")

    @property
    def url(self) -> str:
        return f"/d/{self.uid}/{self.slug}"


@dataclass(frozen=True)
class AlertRule:
    """A rule of Grafana's own alerting; durations in seconds."""

    id: int
    uid: str
    title: str
    folder: str
    group: str
    interval_s: float
    condition: str
    data: tuple[Mapping[str, Any], ...]
    """Queries and expressions, each with ``refId``, ``datasourceUid`` and ``model``; the model is
    not expanded, because queries have macros of their own."""
    for_s: float
    no_data_state: str
    exec_err_state: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    paused: bool
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Provisioned:
    """All that the folder holds, in the order of its files' names."""

    data_sources: tuple[DataSource, ...] = ()
    dashboards: tuple[Dashboard, ...] = ()
    alert_rules: tuple[AlertRule, ...] = ()

    def data_source(self, uid: str) -> DataSource | None:
        return next((each for each in self.data_sources if each.uid == uid), None)

    def default_data_source(self) -> DataSource | None:
        return next((each for each in self.data_sources if each.is_default), None)

    def dashboard(self, uid: str) -> Dashboard | None:
        return next((each for each in self.dashboards if each.uid == uid), None)


def load(folder: Path, environment: Mapping[str, str]) -> Provisioned:
    """Read the folder; raises ``ProvisioningError``."""
    if not folder.is_dir():
        raise ProvisioningError(f"expected a folder, found none at {str(folder)!r}")
    sources = [
        source
        for path, document in _documents(folder / "datasources")
        for source in _entries(path, document, "datasources")
    ]
    providers = [
        (path, provider)
        for path, document in _documents(folder / "dashboards")
        for provider in _entries(path, document, "providers")
    ]
    groups = [
        (path, group)
        for path, document in _documents(folder / "alerting")
        for group in _entries(path, document, "groups")
    ]
    return Provisioned(
        data_sources=tuple(
            _data_source(number, expanded_in(folder / "datasources", each, environment))
            for number, each in enumerate(sources, start=1)
        ),
        dashboards=tuple(_numbered_dashboards(folder, providers, environment)),
        alert_rules=tuple(_rules(groups, environment)),
    )


def expanded_in(path: Path, value: Any, environment: Mapping[str, str]) -> Any:
    try:
        return expanded(value, environment)
    except BadExpansion as error:
        raise ProvisioningError(f"{path}: {error}") from error


def seconds(text: str) -> float:
    """A duration as Prometheus writes it, ``1m30s``; raises ``ValueError``."""
    position = 0
    total = 0.0
    while position < len(text):
        part = _DURATION.match(text, position)
        if part is None:
            break
        total += int(part[1]) * _UNITS_S[part[2]]
        position = part.end()
    if not text or position < len(text):
        raise ValueError(f"not a valid duration string: {text!r}")
    return total


def _documents(folder: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        # A dashboard may lie beside its provider and is not one of these files.
        if path.suffix in (".yaml", ".yml"):
            yield path, _parsed(path)


def _parsed(path: Path) -> Mapping[str, Any]:
    """JSON is YAML, and whoever writes JSON needs no library to be read."""
    content = path.read_bytes()
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        document = _from_yaml(path, content)
    if not isinstance(document, dict):
        raise ProvisioningError(f"{path}: expected a mapping, found {type(document).__name__}")
    return document


def _from_yaml(path: Path, content: bytes) -> Any:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise ProvisioningError(
            f"{path}: expected JSON, found other YAML, which needs the package PyYAML: "
            "install it, or write the file as JSON"
        ) from error
    try:
        return yaml.safe_load(content)
    except yaml.YAMLError as error:
        text = " ".join(str(error).split())
        raise ProvisioningError(f"{path}: not YAML: {text}") from error


def _entries(path: Path, document: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = document.get(key) or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ProvisioningError(f"{path}: expected {key} as a list of mappings")
    return found


def _data_source(number: int, raw: Mapping[str, Any]) -> DataSource:
    name, kind = str(raw.get("name") or ""), str(raw.get("type") or "")
    if not name or not kind:
        raise ProvisioningError(f"a data source: expected a name and a type, found {dict(raw)}")
    return DataSource(
        id=number,
        uid=str(raw.get("uid") or f"P{number:016X}"),
        name=name,
        type=kind,
        url=str(raw.get("url") or "").rstrip("/"),
        is_default=bool(raw.get("isDefault")),
        read_only=not raw.get("editable"),
        json_data=raw.get("jsonData") or {},
        raw=raw,
    )


def _numbered_dashboards(
    folder: Path,
    providers: Iterable[tuple[Path, Mapping[str, Any]]],
    environment: Mapping[str, str],
) -> Iterator[Dashboard]:
    number = 0
    for path, given in providers:
        provider = expanded_in(path, given, environment)
        where = Path(str((provider.get("options") or {}).get("path") or ""))
        if where.is_relative_to(_USUAL_FOLDER):
            where = folder / where.relative_to(_USUAL_FOLDER)
        if not where.is_dir():
            raise ProvisioningError(f"{path}: expected a folder of dashboards, found none: {where}")
        for file in sorted(where.rglob("*.json")):
            number += 1
            yield _dashboard(number, file, where, provider)


def _dashboard(number: int, file: Path, where: Path, provider: Mapping[str, Any]) -> Dashboard:
    try:
        model = orjson.loads(file.read_bytes())
        title = model["title"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ProvisioningError(
            f"{file}: expected a dashboard's JSON with a title: {error}"
        ) from error
    folder = str(provider.get("folder") or "")
    return Dashboard(
        id=number,
        uid=str(model.get("uid") or f"D{number:08x}"),
        title=str(title),
        folder=folder,
        folder_uid=str(provider.get("folderUid") or folder.lower()) if folder else "",
        file_name=str(file.relative_to(where)),
        allow_updates=bool(provider.get("allowUiUpdates")),
        model=model,
    )


def _rules(
    groups: Iterable[tuple[Path, Mapping[str, Any]]], environment: Mapping[str, str]
) -> Iterator[AlertRule]:
    number = 0
    for path, group in groups:
        told = {key: value for key, value in group.items() if key != "rules"}
        told = expanded_in(path, told, environment)
        for raw in _entries(path, group, "rules"):
            number += 1
            try:
                yield _rule(number, told, raw, environment)
            except (KeyError, ValueError) as error:
                raise ProvisioningError(
                    f"{path}: rule {raw.get('title') or number!r} failed to parse: {error}"
                ) from error


def _rule(
    number: int, group: Mapping[str, Any], raw: dict[str, Any], environment: Mapping[str, str]
) -> AlertRule:
    given = expanded({key: value for key, value in raw.items() if key != "data"}, environment)
    for name in ("uid", "title", "condition"):
        if not given.get(name):
            raise ValueError(f"no {name} set")
    if not raw.get("data"):
        raise ValueError("no data set")
    return AlertRule(
        id=number,
        uid=str(given["uid"]),
        title=str(given["title"]),
        folder=str(group["folder"]),
        group=str(group["name"]),
        interval_s=seconds(str(group["interval"])),
        condition=str(given["condition"]),
        data=tuple(raw["data"]),
        for_s=seconds(str(given["for"])) if given.get("for") else 0.0,
        no_data_state=str(given.get("noDataState") or "NoData"),
        exec_err_state=str(given.get("execErrState") or "Alerting"),
        labels={key: str(value) for key, value in (given.get("labels") or {}).items()},
        annotations={key: str(value) for key, value in (given.get("annotations") or {}).items()},
        paused=bool(given.get("isPaused")),
        raw=given,
    )
