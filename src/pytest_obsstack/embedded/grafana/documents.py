"""What the API tells of data sources, dashboards and rules, as Grafana's DTOs print."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any

from pytest_obsstack.embedded.grafana.alerting import Alert, RuleStatus
from pytest_obsstack.embedded.grafana.plugins import PLUGINS
from pytest_obsstack.embedded.grafana.provisioning import AlertRule, Dashboard, DataSource

_ZERO_TIME = "0001-01-01T00:00:00Z"


def data_source_item(source: DataSource) -> dict[str, Any]:
    """In the list of all."""
    plugin = PLUGINS.get(source.type)
    return {
        "id": source.id,
        "uid": source.uid,
        "orgId": 1,
        "name": source.name,
        "type": source.type,
        "typeName": plugin.title if plugin else source.type,
        "typeLogoUrl": "public/img/icn-datasource.svg",
        "access": str(source.raw.get("access") or "proxy"),
        "url": source.url,
        "user": str(source.raw.get("user") or ""),
        "database": str(source.raw.get("database") or ""),
        "basicAuth": bool(source.raw.get("basicAuth")),
        "isDefault": source.is_default,
        "jsonData": dict(source.json_data),
        "readOnly": source.read_only,
    }


def data_source(source: DataSource) -> dict[str, Any]:
    """By itself; secrets are told by their names."""
    item = data_source_item(source)
    del item["typeName"]
    return {
        **item,
        "basicAuthUser": str(source.raw.get("basicAuthUser") or ""),
        "withCredentials": bool(source.raw.get("withCredentials")),
        "secureJsonFields": dict.fromkeys(source.raw.get("secureJsonData") or {}, True),
        "version": 1,
        "apiVersion": "",
    }


def found_dashboard(dashboard: Dashboard) -> dict[str, Any]:
    """In the answer of a search."""
    told = {
        "id": dashboard.id,
        "uid": dashboard.uid,
        "title": dashboard.title,
        "uri": f"db/{dashboard.slug}",
        "url": dashboard.url,
        "slug": "",
        "type": "dash-db",
        "tags": list(dashboard.model.get("tags") or ()),
        "isStarred": False,
        "sortMeta": 0,
        "isDeleted": False,
    }
    return {**told, **_folder_of(dashboard)}


def found_folder(number: int, uid: str, title: str) -> dict[str, Any]:
    return {
        "id": number,
        "uid": uid,
        "title": title,
        "uri": f"db/{uid}",
        "url": f"/dashboards/f/{uid}/{uid}",
        "slug": "",
        "type": "dash-folder",
        "tags": [],
        "isStarred": False,
        "sortMeta": 0,
        "isDeleted": False,
    }


def dashboard(found: Dashboard, loaded: str) -> dict[str, Any]:
    """With its model; ``loaded`` is the time at which the file was read."""
    return {
        "meta": {
            "type": "db",
            "canSave": True,
            "canEdit": True,
            "canAdmin": True,
            "canStar": True,
            "canDelete": True,
            "slug": found.slug,
            "url": found.url,
            "expires": _ZERO_TIME,
            "created": loaded,
            "updated": loaded,
            "updatedBy": "Anonymous",
            "createdBy": "Anonymous",
            "version": 1,
            "hasAcl": False,
            "isFolder": False,
            "isStarred": False,
            "folderUid": "",
            "folderTitle": "General",
            "folderUrl": "",
            **{key: value for key, value in _folder_of(found).items() if key != "folderId"},
            "provisioned": not found.allow_updates,
            "provisionedExternalId": found.file_name,
        },
        "dashboard": {**found.model, "id": found.id, "uid": found.uid, "version": 1},
    }


def provisioned_rule(rule: AlertRule, loaded: str) -> dict[str, Any]:
    """Of ``/api/v1/provisioning/alert-rules``."""
    return {
        "id": rule.id,
        "uid": rule.uid,
        "orgID": 1,
        "folderUID": rule.folder.lower(),
        "ruleGroup": rule.group,
        "title": rule.title,
        "condition": rule.condition,
        "data": [{"queryType": "", **node} for node in rule.data],
        "updated": loaded,
        "noDataState": rule.no_data_state,
        "execErrState": rule.exec_err_state,
        "for": str(rule.raw.get("for") or "0s"),
        "annotations": dict(rule.annotations),
        "labels": dict(rule.labels),
        "provenance": "file",
        "isPaused": rule.paused,
    }


def rule_groups(
    rules: tuple[AlertRule, ...], statuses: dict[str, RuleStatus]
) -> list[dict[str, Any]]:
    """Of ``/api/prometheus/grafana/api/v1/rules``, sorted by folder and name."""
    groups: dict[tuple[str, str], list[AlertRule]] = {}
    for rule in rules:
        groups.setdefault((rule.folder, rule.group), []).append(rule)
    return [
        _rule_group(folder, name, members, statuses)
        for (folder, name), members in sorted(groups.items())
    ]


def totals(groups: list[dict[str, Any]]) -> dict[str, int]:
    """The groups' totals together."""
    found: dict[str, int] = {}
    for group in groups:
        for name, count in group["totals"].items():
            found[name] = found.get(name, 0) + count
    return found


def time_text(time_ns: int) -> str:
    """RFC 3339 in UTC; Go's zero time for 0."""
    if not time_ns:
        return _ZERO_TIME
    return datetime.fromtimestamp(time_ns / 1e9, timezone.utc).isoformat().replace("+00:00", "Z")


def _folder_of(dashboard: Dashboard) -> dict[str, Any]:
    if not dashboard.folder:
        return {}
    uid = dashboard.folder_uid
    return {
        "folderId": 1,
        "folderUid": uid,
        "folderTitle": dashboard.folder,
        "folderUrl": f"/dashboards/f/{uid}/{uid}",
    }


def _rule_group(
    folder: str, name: str, members: list[AlertRule], statuses: dict[str, RuleStatus]
) -> dict[str, Any]:
    told = [_rule(rule, statuses[rule.uid]) for rule in members]
    counts: dict[str, int] = {}
    for rule in told:
        counts[rule["state"]] = counts.get(rule["state"], 0) + 1
        if rule["health"] in ("error", "nodata"):
            counts[rule["health"]] = counts.get(rule["health"], 0) + 1
    return {
        "name": name,
        "file": folder,
        "folderUid": folder.lower(),
        "rules": told,
        "totals": counts,
        "interval": members[0].interval_s,
        "lastEvaluation": max(rule["lastEvaluation"] for rule in told),
        "evaluationTime": told[-1]["evaluationTime"],
    }


def _rule(rule: AlertRule, status: RuleStatus) -> dict[str, Any]:
    queries = [
        str(model.get("expr") or model.get("query"))
        for node in rule.data
        if (model := node.get("model") or {}).get("expr") or model.get("query")
    ]
    alerts = [_alert(each, rule) for each in status.alerts.values()]
    counts: dict[str, int] = {}
    for each in status.alerts.values():
        key = each.state.partition(" ")[0].lower()
        counts[key] = counts.get(key, 0) + 1
    return {
        "uid": rule.uid,
        "folderUid": rule.folder.lower(),
        "state": status.state,
        "name": rule.title,
        "query": " | ".join(queries),
        **({"duration": rule.for_s} if rule.for_s else {}),
        "annotations": dict(rule.annotations),
        "labels": dict(rule.labels),
        **({"alerts": alerts} if alerts else {}),
        **({"totals": counts, "totalsFiltered": counts} if counts else {}),
        "health": status.health,
        **({"lastError": status.last_error} if status.last_error else {}),
        "type": "alerting",
        "lastEvaluation": time_text(status.evaluated_ns),
        "evaluationTime": status.took_s,
        "isPaused": rule.paused,
        "provenance": "file",
    }


def _alert(alert: Alert, rule: AlertRule) -> dict[str, Any]:
    active = alert.state.startswith(("Alerting", "Pending"))
    return {
        "labels": dict(alert.labels),
        # Templates are Go's: what they would become is not guessed.
        "annotations": {name: text for name, text in rule.annotations.items() if "{{" not in text},
        "state": alert.state,
        "activeAt": time_text(alert.active_ns),
        "value": _exponent(alert.value) if active and alert.value is not None else "",
    }


def _exponent(value: float) -> str:
    """As Go prints a float with an exponent: ``1e+00``."""
    if not math.isfinite(value):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(value)]
    digits, _, exponent = f"{value:.16e}".partition("e")
    shortest = next(text for length in range(17) if float(text := f"{value:.{length}e}") == value)
    digits = shortest.partition("e")[0]
    return f"{digits}e{int(exponent):+03d}"
