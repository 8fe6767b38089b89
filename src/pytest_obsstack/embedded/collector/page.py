"""The ``prometheus`` exporter's page, in the text format and in OpenMetrics.

Sources: Prometheus "Exposition formats" (text format 0.0.4) and the OpenMetrics 1.0 specification.
Numbers are written as Go writes them, since the ``le`` of a bucket is a label that queries name.
"""

from __future__ import annotations

import bisect
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from pytest_obsstack.embedded.collector.accumulator import Accumulator, Held
from pytest_obsstack.embedded.collector.points import (
    Exemplar,
    HistogramPoint,
    NumberPoint,
    Series,
)

log = logging.getLogger("obsstack.embedded.collector")

Format = Literal["text", "openmetrics"]

CONTENT_TYPES: dict[Format, str] = {
    "text": "text/plain; version=0.0.4; charset=utf-8",
    "openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8",
}

_EXPOSED_AS = {"updown": "gauge"}
_Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Family:
    name: str
    exposed_as: str
    help: str
    series: tuple[Series, ...]


class MetricsPage:
    """Renders what the accumulator holds; a page is kept until something changes."""

    def __init__(self, accumulator: Accumulator) -> None:
        self._accumulator = accumulator
        self._pages: dict[Format, tuple[int, bytes]] = {}
        self._families: tuple[int, tuple[_Family, ...]] = (-1, ())
        self._label_texts: dict[Series, str] = {}
        self._complaints: set[str] = set()

    def render(self, page_format: Format) -> bytes:
        """The whole page; series that contradict an earlier one are left out and logged once."""
        version = self._accumulator.version
        kept = self._pages.get(page_format)
        if kept is None or kept[0] != version:
            held = {entry.series: entry for entry in self._accumulator.held()}
            kept = (version, self._render(held, page_format))
            self._pages[page_format] = kept
        return kept[1]

    def complaints(self) -> tuple[str, ...]:
        """Why series are left out at present."""
        return tuple(sorted(self._complaints))

    def _render(self, held: dict[Series, Held], page_format: Format) -> bytes:
        if self._families[0] != self._accumulator.series_version:
            self._families = (self._accumulator.series_version, self._lay_out(tuple(held)))
        writer = _Writer(open_metrics=page_format == "openmetrics")
        for family in self._families[1]:
            writer.head(family)
            for series in family.series:
                entry = held.get(series)
                if entry is None:
                    # Of target_info: the one family that is made here and held nowhere.
                    writer.line(family.name, _label_text(series.labels), 1.0)
                else:
                    writer.series(entry, self._label_texts[series])
        return writer.page()

    def _lay_out(self, series: Sequence[Series]) -> tuple[_Family, ...]:
        """Families by name, with the type and the help of the series that came first."""
        self._complaints.clear()
        families: dict[str, tuple[str, str, dict[_Labels, Series]]] = {}
        for one in series:
            exposed_as = _EXPOSED_AS.get(one.kind, one.kind)
            first_type, _, members = families.setdefault(one.name, (exposed_as, one.help, {}))
            if first_type != exposed_as:
                self._complain(
                    "instrument type conflict, using existing type definition. "
                    f"instrument: {one.name}, existing: {first_type}, dropped: {exposed_as}"
                )
            elif one.labels in members:
                self._complain(
                    f"collected metric {one.name} {_label_text(one.labels)} was collected before "
                    "with the same name and label values"
                )
            else:
                members[one.labels] = one
        found = [
            _Family(name, exposed_as, help_text, tuple(members[key] for key in sorted(members)))
            for name, (exposed_as, help_text, members) in families.items()
        ]
        self._label_texts = {one: _label_text(one.labels) for one in series}
        target_info = _target_info(series)
        if target_info.series:
            found.append(target_info)
        return tuple(sorted(found, key=lambda family: family.name))

    def _complain(self, complaint: str) -> None:
        if complaint not in self._complaints:
            self._complaints.add(complaint)
            log.error("failed to convert metric: %s", complaint)


def negotiate(accept: str) -> Format:
    """The format that an ``Accept`` header prefers; the text format where it names neither."""
    best: tuple[float, Format] = (0.0, "text")
    for part in accept.split(","):
        media_type, *parameters = (piece.strip() for piece in part.split(";"))
        values = {
            key.strip().lower(): value.strip()
            for key, _, value in (parameter.partition("=") for parameter in parameters)
        }
        try:
            quality = float(values.get("q", "1"))
        except ValueError:
            continue
        wanted: Format
        if media_type == "application/openmetrics-text":
            wanted = "openmetrics"
        elif media_type == "text/plain" and values.get("version", "0.0.4") == "0.0.4":
            wanted = "text"
        else:
            continue
        if quality > best[0]:
            best = (quality, wanted)
    return best[1]


class _Writer:
    def __init__(self, *, open_metrics: bool) -> None:
        self._open_metrics = open_metrics
        self._lines: list[str] = []

    def head(self, family: _Family) -> None:
        name = family.name
        if self._open_metrics and family.exposed_as == "counter":
            # "The MetricFamily name for counters" is without the suffix of its samples.
            name = name.removesuffix("_total")
        help_text = family.help.replace("\\", "\\\\").replace("\n", "\\n")
        if self._open_metrics:
            help_text = help_text.replace('"', '\\"')
        self._lines.append(f"# HELP {name} {help_text}")
        self._lines.append(f"# TYPE {name} {family.exposed_as}")

    def series(self, held: Held, labels: str) -> None:
        name, point = held.series.name, held.point
        stamp = self._stamp(point.time_ns)
        if isinstance(point, NumberPoint):
            exemplar = self._exemplar(point.exemplars[-1:])
            self.line(name, labels, point.value, stamp, exemplar)
            return
        if isinstance(point, HistogramPoint):
            self._buckets(name, labels, point, stamp)
        else:
            for quantile, value in point.quantiles:
                quantile_labels = f'{labels},quantile="{self._float(quantile)}"'
                self.line(name, quantile_labels, value, stamp)
        self.line(f"{name}_sum", labels, point.sum, stamp)
        self._lines.append(f"{name}_count{{{labels}}} {point.count}{stamp}")

    def line(
        self, name: str, labels: str, value: float, stamp: str = "", exemplar: str = ""
    ) -> None:
        self._lines.append(f"{name}{{{labels}}} {self._float(value)}{stamp}{exemplar}")

    def page(self) -> bytes:
        if self._open_metrics:
            self._lines.append("# EOF")
        return ("\n".join(self._lines) + "\n" if self._lines else "").encode("utf-8")

    def _buckets(self, name: str, labels: str, point: HistogramPoint, stamp: str) -> None:
        # Of several exemplars of one bucket the last counts; those of +Inf are kept too.
        exemplars: dict[int, Exemplar] = {}
        for exemplar in point.exemplars:
            exemplars[bisect.bisect_left(point.bounds, exemplar.value)] = exemplar
        total = 0
        for index, (bound, count) in enumerate(_bucket_counts(point)):
            total += count
            cumulative = point.count if math.isinf(bound) else total
            text = self._exemplar([exemplars[index]] if index in exemplars else ())
            self._lines.append(
                f'{name}_bucket{{{labels},le="{self._float(bound)}"}} {cumulative}{stamp}{text}'
            )

    def _stamp(self, time_ns: int) -> str:
        milliseconds = time_ns // 1_000_000
        if not self._open_metrics:
            return f" {milliseconds}"
        return f" {milliseconds // 1000}.{milliseconds % 1000:03d}"

    def _exemplar(self, exemplars: Sequence[Exemplar]) -> str:
        if not self._open_metrics or not exemplars:
            return ""
        exemplar = exemplars[0]
        ids = (("trace_id", exemplar.trace_id), ("span_id", exemplar.span_id))
        labels = _label_text(tuple((name, text) for name, text in ids if text is not None))
        return f" # {{{labels}}} {self._float(exemplar.value)}{self._stamp(exemplar.time_ns)}"

    def _float(self, value: float) -> str:
        text = _go_float(value)
        if self._open_metrics and text.lstrip("-").isdigit():
            return f"{text}.0"
        return text


def _bucket_counts(point: HistogramPoint) -> Iterator[tuple[float, int]]:
    """(upper bound, observations in the bucket) from the lowest on; +Inf comes last, once."""
    for bound, count in zip(point.bounds, point.counts, strict=False):
        if not math.isinf(bound):
            yield bound, count
    yield math.inf, 0


def _target_info(series: Sequence[Series]) -> _Family:
    """``target_info`` for each resource that has a job and an instance, the first of equal ones."""
    members: dict[tuple[str, str], Series] = {}
    for one in series:
        resource = one.resource
        if resource.job and resource.instance:
            members.setdefault(
                (resource.job, resource.instance),
                Series("target_info", "gauge", resource.info_labels, "", resource),
            )
    return _Family(
        "target_info", "gauge", "Target metadata", tuple(members[key] for key in sorted(members))
    )


def _label_text(labels: _Labels) -> str:
    return ",".join(
        '{}="{}"'.format(name, value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"'))
        for name, value in labels
    )


def _go_float(value: float) -> str:
    """The shortest text; an exponent below 1e-4 and from 1e6 on (``strconv``, format ``g``)."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    magnitude = abs(value)
    if magnitude == 0 or 1e-4 <= magnitude < 1e6:
        return repr(value).removesuffix(".0")
    digits = len(Decimal(repr(value)).normalize().as_tuple().digits)
    return f"{value:.{digits - 1}e}"
