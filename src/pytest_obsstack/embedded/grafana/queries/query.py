"""A query of ``/api/ds/query`` and its result."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.embedded.grafana.frames import Frame
from pytest_obsstack.embedded.grafana.provisioning import DataSource
from pytest_obsstack.embedded.grafana.times import MS, TimeRange

_LEGEND_LABEL = re.compile(r"\{\{\s*(.+?)\s*\}\}")


class QueryFailed(Exception):
    """What the plugin tells instead of frames; ``status`` is HTTP's."""

    def __init__(self, text: str, *, status: int) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Query:
    """``model`` holds the parameters of the plugin's own."""

    ref_id: str
    source: DataSource
    time_range: TimeRange
    model: Mapping[str, Any]
    interval_ns: int
    max_data_points: int

    @classmethod
    def of(cls, model: Mapping[str, Any], source: DataSource, time_range: TimeRange) -> Query:
        return cls(
            ref_id=str(model.get("refId") or "A"),
            source=source,
            time_range=time_range,
            model=model,
            interval_ns=round(_number(model, "intervalMs", 1000) * MS),
            max_data_points=int(_number(model, "maxDataPoints", 100)) or 1500,
        )

    def text(self, name: str) -> str:
        value = self.model.get(name)
        return value if isinstance(value, str) else ""

    def flag(self, name: str) -> bool:
        return self.model.get(name) is True


@dataclass(frozen=True)
class Result:
    """Frames, or why there are none."""

    frames: tuple[Frame, ...] = ()
    error: str = ""
    status: int = 200

    def to_json(self, ref_id: str) -> dict[str, Any]:
        """As the SDK prints a ``DataResponse``."""
        told = {"error": self.error, "errorSource": "downstream"} if self.error else {}
        frames = [frame.to_json(ref_id) for frame in self.frames]
        return {**told, "status": self.status, "frames": frames}


def legend(template: str, labels: Mapping[str, str]) -> str:
    """A legend with ``{{label}}`` replaced; an unknown label is empty."""
    return _LEGEND_LABEL.sub(lambda match: labels.get(match[1], ""), template)


def _number(model: Mapping[str, Any], name: str, default: float) -> float:
    value = model.get(name)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else default
