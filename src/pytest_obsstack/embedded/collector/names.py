"""OTLP names in Prometheus' words: metric names with unit and type suffixes, label names.

Source: OpenTelemetry specification, "Prometheus and OpenMetrics Compatibility", sections "OTLP
Metric points to Prometheus"; the translation strategy is ``UnderscoreEscapingWithSuffixes``.
"""

from __future__ import annotations

import re
from typing import Literal

MetricKind = Literal["gauge", "counter", "updown", "histogram", "summary"]
"""``counter`` is a monotonic sum, ``updown`` one that is not."""

_WORD = re.compile(r"[a-zA-Z0-9:]+")
_NOT_IN_LABEL = re.compile(r"[^a-zA-Z0-9_]+")
_UNDERSCORES = re.compile(r"__+")

# UCUM's case-sensitive codes of the units that OpenTelemetry's conventions name.
_UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tebibytes",
    "kBy": "kilobytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "1": "",
    "%": "percent",
}
_PER_UNITS = {
    "s": "second",
    "m": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}


def metric_name(name: str, unit: str, kind: MetricKind) -> str:
    """The family's name, with ``_total`` for counters; empty where nothing of it is allowed.

    ``http.server.duration`` in ``ms`` → ``http_server_duration_milliseconds``; a suffix that the
    name holds already is not added again. A gauge in ``1`` is a ratio. Units in braces are notes.
    """
    words = _WORD.findall(name)
    if not words:
        return ""
    words += [suffix for suffix in _unit_suffixes(unit) if suffix and suffix not in words]
    if kind == "counter":
        words = [*(word for word in words if word != "total"), "total"]
    elif kind == "gauge" and unit == "1":
        words = [*(word for word in words if word != "ratio"), "ratio"]
    joined = "_".join(words)
    return f"_{joined}" if joined[0].isdigit() else joined


def label_name(key: str) -> str:
    """The attribute's label name; empty where nothing of it is allowed.

    ``http.route`` → ``http_route``, ``1st`` → ``key_1st``, ``_x`` → ``key_x``; reserved names with
    two underscores at either end stay as they are.
    """
    if key.startswith("__") and key.endswith("__") and not _NOT_IN_LABEL.search(key):
        return key
    sanitized = _UNDERSCORES.sub("_", _NOT_IN_LABEL.sub("_", key))
    if not sanitized.strip("_"):
        return ""
    if sanitized[0].isdigit():
        return f"key_{sanitized}"
    return f"key{sanitized}" if sanitized[0] == "_" else sanitized


def _unit_suffixes(unit: str) -> tuple[str, str]:
    main, _, per = unit.partition("/")
    main, per = main.strip(), per.strip()
    main_suffix = "" if _is_note(main) else _clean(_UNITS.get(main, main))
    per_suffix = "" if not per or _is_note(per) else _clean(_PER_UNITS.get(per, per))
    return main_suffix, f"per_{per_suffix}" if per_suffix else ""


def _is_note(unit: str) -> bool:
    """``{request}`` and the like annotate a unit; they are not units themselves."""
    return "{" in unit or "}" in unit


def _clean(unit: str) -> str:
    return "_".join(_WORD.findall(unit))
