"""Warnings and infos that accompany an answer, with the position that they are about."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_obsstack.embedded.go_quote import quote
from pytest_obsstack.embedded.prometheus.format import general_float
from pytest_obsstack.embedded.prometheus.promql.errors import position_text

_SHOWN = 10
_MONOTONICITY = (
    "input to histogram_quantile needed to be fixed for monotonicity (see "
    "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) "
    "for metric name"
)


@dataclass
class Annotations:
    """Each text once, in the order of first occurrence."""

    query: str
    _warnings: dict[str, None] = field(default_factory=dict)
    _infos: dict[str, None] = field(default_factory=dict)

    def warn(self, text: str, position: int) -> None:
        place = position_text(self.query, position)
        self._warnings[f"PromQL warning: {text} ({place})"] = None

    def inform(self, text: str, position: int) -> None:
        self._infos[f"PromQL info: {text} ({position_text(self.query, position)})"] = None

    def invalid_quantile(self, quantile: float, position: int) -> None:
        got = general_float(quantile)
        self.warn(f"quantile value should be between 0 and 1, got {got}", position)

    def bad_bucket(self, bound: str, metric_name: str, position: int) -> None:
        self.warn(
            f'bucket label "le" is missing or has a malformed value of {quote(bound)} '
            f"for metric name {quote(metric_name)}",
            position,
        )

    def no_counter(self, metric_name: str, position: int) -> None:
        self.inform(
            "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "
            + quote(metric_name),
            position,
        )

    def forced_monotonicity(self, metric_name: str, position: int) -> None:
        self.inform(f"{_MONOTONICITY} {quote(metric_name)}", position)

    def warnings(self) -> list[str]:
        return _shortened(self._warnings, "warning")

    def infos(self) -> list[str]:
        return _shortened(self._infos, "info")


def _shortened(texts: dict[str, None], kind: str) -> list[str]:
    shown = list(texts)[:_SHOWN]
    if len(texts) > _SHOWN:
        shown.append(f"{len(texts) - _SHOWN} more {kind} annotations omitted")
    return shown
