"""Data frames as JSON: ``FrameToJSON`` of grafana-plugin-sdk-go.

Times are milliseconds, what is below them stands in ``nanos``; numbers that JSON has not stand in
``entities``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

FieldType = Literal["time", "float64", "int64", "string", "json"]

_TYPES: Mapping[FieldType, tuple[str, str]] = {
    "time": ("time", "time.Time"),
    "float64": ("number", "float64"),
    "int64": ("number", "int64"),
    "string": ("string", "string"),
    "json": ("other", "json.RawMessage"),
}


@dataclass(frozen=True)
class Field:
    """A column; times are Unix nanoseconds."""

    name: str
    type: FieldType
    values: Sequence[Any]
    labels: Mapping[str, str] | None = None
    config: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Frame:
    """A table of columns of the same length."""

    fields: tuple[Field, ...]
    name: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self, ref_id: str) -> dict[str, Any]:
        schema: dict[str, Any] = {
            **({"name": self.name} if self.name else {}),
            "refId": ref_id,
            **({"meta": dict(self.meta)} if self.meta else {}),
            "fields": [_schema(each) for each in self.fields],
        }
        columns = [_Column(each) for each in self.fields]
        data: dict[str, Any] = {"values": [column.values for column in columns]}
        if any(column.entities for column in columns):
            data["entities"] = [column.entities or None for column in columns]
        if any(any(column.nanos) for column in columns):
            data["nanos"] = [column.nanos if any(column.nanos) else None for column in columns]
        return {"schema": schema, "data": data}


class _Column:
    def __init__(self, source: Field) -> None:
        self.values: list[Any] = []
        self.entities: dict[str, list[int]] = {}
        self.nanos: list[int] = []
        for index, value in enumerate(source.values):
            if source.type == "time":
                milliseconds, below = divmod(value, 10**6)
                self.values.append(milliseconds)
                self.nanos.append(below)
            elif isinstance(value, float) and not math.isfinite(value):
                name = "NaN" if math.isnan(value) else "Inf" if value > 0 else "NegInf"
                self.entities.setdefault(name, []).append(index)
                self.values.append(None)
            else:
                self.values.append(value)


def _schema(each: Field) -> dict[str, Any]:
    simple, frame_type = _TYPES[each.type]
    return {
        "name": each.name,
        "type": simple,
        "typeInfo": {"frame": frame_type},
        **({"labels": dict(each.labels)} if each.labels is not None else {}),
        **({"config": dict(each.config)} if each.config else {}),
    }
