"""Labels and samples as Prometheus knows them.

A label set is a tuple of (name, value) pairs sorted by name, without empty values: hashable, and
ordered by Python exactly as Prometheus orders label sets. Times are milliseconds since the epoch,
the resolution of Prometheus' storage.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pytest_obsstack.embedded.go_quote import quote

METRIC_NAME = "__name__"
_METADATA_LABELS = frozenset({METRIC_NAME, "__type__", "__unit__"})

Labels: TypeAlias = tuple[tuple[str, str], ...]

STALE_NAN: float = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
"""The value that ends a series ("staleness marker", `model/value` in Prometheus)."""

_LOW_48_BITS = (1 << 48) - 1


def is_stale(value: float) -> bool:
    """Whether the value is the staleness marker.

    The marker is a signalling NaN, which some processors turn into the quiet one on the way: so
    only the payload bits are compared.
    """
    if value == value:  # noqa: PLR0124 - the fastest test for "is no NaN", on a hot path
        return False
    bits: int = struct.unpack("<Q", struct.pack("<d", value))[0]
    return bits & _LOW_48_BITS == 2


def labels_of(pairs: Mapping[str, str] | Iterable[tuple[str, str]]) -> Labels:
    """The label set of the pairs; an empty value is the same as an absent label."""
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    return tuple(sorted((name, value) for name, value in items if value))


def label_value(labels: Labels, name: str) -> str:
    """The value of the label, empty where it is absent."""
    for key, value in labels:
        if key == name:
            return value
    return ""


def without_name(labels: Labels) -> Labels:
    """The labels without the metric's name (and its type and unit, where they are labels)."""
    if labels and labels[0][0] == METRIC_NAME and not (len(labels) > 1 and labels[1][0] < "__v"):
        return labels[1:]
    return tuple(pair for pair in labels if pair[0] not in _METADATA_LABELS)


def keep_labels(labels: Labels, names: frozenset[str]) -> Labels:
    return tuple(pair for pair in labels if pair[0] in names)


def drop_labels(labels: Labels, names: frozenset[str]) -> Labels:
    return tuple(pair for pair in labels if pair[0] not in names)


def with_labels(labels: Labels, changes: Mapping[str, str]) -> Labels:
    """The labels with each of the changes set; an empty value removes the label."""
    kept = [pair for pair in labels if pair[0] not in changes]
    return labels_of([*kept, *changes.items()])


def labels_text(labels: Labels) -> str:
    """``{a="b", c="d"}``, as Prometheus writes a label set in its error texts."""
    return "{" + ", ".join(f"{_label_name(n)}={quote(v)}" for n, v in labels) + "}"


def is_legacy_name(name: str) -> bool:
    """Whether the label name needs no quotes (the names that were valid before UTF-8 names)."""
    return name.isascii() and name.isidentifier()


def _label_name(name: str) -> str:
    return name if is_legacy_name(name) else quote(name)


@dataclass(frozen=True)
class Exemplar:
    """A sample that points to a trace; ``timestamp_ms`` is ``None`` where it carried none."""

    labels: Labels
    value: float
    timestamp_ms: int | None


@dataclass(frozen=True)
class Metadata:
    """What the exposition says of a metric family; ``type`` in Prometheus' words."""

    type: str = "unknown"
    help: str = ""
    unit: str = ""
