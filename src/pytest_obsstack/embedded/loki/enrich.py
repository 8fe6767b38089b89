"""What Loki adds to a stream and an entry when it takes them in, and how it makes names valid.

Sources: Loki's configuration reference (``discover_service_name``, ``discover_log_levels``,
``log_level_fields``) and the recorded answers of a real server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

SERVICE_NAME = "service_name"
UNKNOWN_SERVICE = "unknown_service"
DETECTED_LEVEL = "detected_level"

SERVICE_NAME_SOURCES = (
    "service",
    "app",
    "application",
    "app_name",
    "name",
    "app_kubernetes_io_name",
    "container",
    "container_name",
    "k8s_container_name",
    "component",
    "workload",
    "job",
    "k8s_job_name",
)
"""The first of these labels that a stream has is its service name (``discover_service_name``)."""

_LEVEL_FIELDS = (
    "level",
    "LEVEL",
    "Level",
    "log.level",
    "severity",
    "SEVERITY",
    "Severity",
    "SeverityText",
    "lvl",
    "LVL",
    "Lvl",
    "severity_text",
    "Severity_Text",
    "SEVERITY_TEXT",
)
_LEVELS = {
    "trace": "trace",
    "trc": "trace",
    "debug": "debug",
    "dbg": "debug",
    "info": "info",
    "inf": "info",
    "information": "info",
    "warn": "warn",
    "wrn": "warn",
    "warning": "warn",
    "error": "error",
    "err": "error",
    "critical": "critical",
    "fatal": "fatal",
}
_OTLP_LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")
_FIELD_NAMES = "|".join(re.escape(name) for name in _LEVEL_FIELDS)
_JSON_FIELD = re.compile(rf'"(?:{_FIELD_NAMES})"\s*:\s*"([^"\\]*)"')
_LOGFMT_FIELD = re.compile(rf'(?:^|\s)(?:{_FIELD_NAMES})=(?:"([^"\\]*)"|(\S*))')
_LEVEL_WORD = re.compile(r"trace|debug|info|warn|error|critical|fatal", re.IGNORECASE)
_INVALID_CHARACTER = re.compile(r"[^a-zA-Z0-9_]")


def service_name_of(labels: Mapping[str, str]) -> str:
    """The service name to add to a stream that comes without one."""
    for source in SERVICE_NAME_SOURCES:
        if labels.get(source):
            return labels[source]
    return UNKNOWN_SERVICE


def level_of_labels(labels: Mapping[str, str]) -> str | None:
    """The level that a label or a field of the metadata names; None where none does."""
    for name in _LEVEL_FIELDS:
        value = labels.get(name)
        if value:
            return _LEVELS.get(value.lower(), value)
    return None


def level_of_entry(line: str, metadata: Mapping[str, str]) -> str:
    """The level of an entry by its metadata, else by a field of its line, else by a word in it."""
    named = level_of_labels(metadata)
    if named is not None:
        return named
    number = metadata.get("severity_number", "")
    if number:
        # Four numbers a level (OpenTelemetry logs data model, "Field: SeverityNumber").
        known = number.isascii() and number.isdigit() and 1 <= int(number) <= 24
        return _OTLP_LEVELS[(int(number) - 1) // 4] if known else "unknown"
    return _level_of_line(line)


def _level_of_line(line: str) -> str:
    text = line.strip()
    is_json = text.startswith("{") and text.endswith("}")
    field = (_JSON_FIELD if is_json else _LOGFMT_FIELD).search(line)
    if field is not None:
        value = next((group for group in field.groups() if group), "")
        level = _LEVELS.get(value.lower())
        if level is not None:
            return level
    word = _LEVEL_WORD.search(line)
    return word[0].lower() if word else "unknown"


def metadata_name(name: str) -> str:
    """The valid form of the name of structured metadata: ``a.b`` → ``a_b``, ``9x`` → ``key_9x``."""
    valid = _INVALID_CHARACTER.sub("_", name)
    if valid[0].isdigit():
        return "key_" + valid
    if valid.startswith("_") and not valid.startswith("__"):
        return "key" + valid
    return valid
