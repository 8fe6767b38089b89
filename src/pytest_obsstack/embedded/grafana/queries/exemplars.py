"""Exemplars as one frame, thinned out as the Prometheus plugin does.

Source: pkg/promlib/querydata/exemplar. Of the exemplars within one step the highest is kept, and
after it each that is more than two standard deviations below the last that was kept.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.embedded.grafana.frames import Field, Frame
from pytest_obsstack.embedded.grafana.times import MS


@dataclass(frozen=True)
class _Exemplar:
    time_ns: int
    value: float
    labels: Mapping[str, str]
    """The series' labels with the exemplar's own over them."""


def exemplar_frame(
    groups: Sequence[Mapping[str, Any]], step_ns: int, meta: Mapping[str, Any]
) -> Frame | None:
    """Of the answer of ``query_exemplars``; None where there are no exemplars."""
    found = [
        _Exemplar(
            int(float(each["timestamp"]) * 1000) * MS,
            float(each["value"]),
            {**group["seriesLabels"], **each["labels"]},
        )
        for group in groups
        for each in group["exemplars"]
    ]
    if not found:
        return None
    names = sorted({name for each in found for name in each.labels})
    kept = _sampled(found, step_ns)
    return Frame(
        (
            Field("Time", "time", [each.time_ns for each in kept]),
            Field("Value", "float64", [each.value for each in kept]),
            *(
                Field(name, "string", [each.labels.get(name, "") for each in kept])
                for name in names
            ),
        ),
        name="exemplar",
        meta=meta,
    )


def _sampled(found: Sequence[_Exemplar], step_ns: int) -> list[_Exemplar]:
    deviation = _standard_deviation([each.value for each in found])
    buckets: defaultdict[int, list[_Exemplar]] = defaultdict(list)
    for each in found:
        buckets[each.time_ns // step_ns].append(each)
    kept: list[_Exemplar] = []
    for bucket in buckets.values():
        last: _Exemplar | None = None
        for each in sorted(bucket, key=lambda one: one.value, reverse=True):
            if last is None or (deviation and last.value - each.value > 2 * deviation):
                kept.append(each)
                last = each
    return sorted(kept, key=lambda each: each.time_ns)


def _standard_deviation(values: Sequence[float]) -> float:
    if len(values) < 2:
        return 0.0
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
