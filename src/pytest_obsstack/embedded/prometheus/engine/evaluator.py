"""Evaluates a checked expression at one time after another.

Prometheus evaluates a node for all steps before its parent; here the whole tree is evaluated for
one step, which is simpler and gives the same answers but for one thing: a function that drops the
name may make two series equal at different steps. `_claim` looks after that.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

from pytest_obsstack.embedded.prometheus.engine import binary, histogram, label_functions
from pytest_obsstack.embedded.prometheus.engine.aggregate import aggregate, count_values
from pytest_obsstack.embedded.prometheus.engine.annotations import Annotations
from pytest_obsstack.embedded.prometheus.engine.instant import (
    CALENDAR_FUNCTIONS,
    ELEMENTWISE,
    calendar_part,
    clamped,
    mapped,
    rounded,
    sorted_by_value,
)
from pytest_obsstack.embedded.prometheus.engine.over_time import RANGE_FUNCTIONS, Range
from pytest_obsstack.embedded.prometheus.engine.values import (
    QueryError,
    QueryTimeout,
    RangeSeries,
    SameLabelset,
    Sample,
    TooManySamples,
    Vector,
    Window,
)
from pytest_obsstack.embedded.prometheus.model import (
    METRIC_NAME,
    Labels,
    label_value,
    without_name,
)
from pytest_obsstack.embedded.prometheus.promql.ast import (
    SET_OPERATORS,
    Aggregation,
    Binary,
    Call,
    Expr,
    MatrixSelector,
    NumberLiteral,
    StringLiteral,
    Subquery,
    Unary,
    VectorSelector,
    unwrap,
)
from pytest_obsstack.embedded.prometheus.refusal import unsupported_text
from pytest_obsstack.embedded.prometheus.store import Series, SeriesStore

_COUNTER_SUFFIXES = ("_total", "_sum", "_count", "_bucket")
_NATIVE_HISTOGRAM_FUNCTIONS = frozenset(
    f"histogram_{part}" for part in ("avg", "count", "sum", "stddev", "stdvar")
)


class Evaluator:
    """For one query. ``start_ms`` and ``end_ms`` are what ``@ start()`` and ``@ end()`` mean."""

    def __init__(
        self,
        store: SeriesStore,
        annotations: Annotations,
        *,
        start_ms: int,
        end_ms: int,
        lookback_ms: int,
        default_step_ms: int,
        max_samples: int,
        deadline_s: float,
    ) -> None:
        self._store = store
        self._annotations = annotations
        self._start_ms = start_ms
        self._end_ms = end_ms
        self._lookback_ms = lookback_ms
        self._default_step_ms = default_step_ms
        self._samples_left = max_samples
        self._deadline_s = deadline_s
        self._selected: dict[int, list[Series]] = {}
        self._claims: dict[int, dict[Labels, Labels]] = {}
        self._subquery_steps: dict[tuple[int, int], Vector] = {}

    # Values by type

    def scalar(self, expr: Expr, at_ms: int) -> float:
        expr = unwrap(expr)
        if isinstance(expr, NumberLiteral):
            return expr.value
        if isinstance(expr, Unary):
            value = self.scalar(expr.expr, at_ms)
            return -value if expr.operator == "-" else value
        if isinstance(expr, Binary):
            left, right = self.scalar(expr.left, at_ms), self.scalar(expr.right, at_ms)
            return binary.scalars(expr.operator, left, right)
        if isinstance(expr, Call):
            if expr.function.name == "time":
                return at_ms / 1000
            if expr.function.name == "pi":
                return math.pi
            vector = self.vector(expr.args[0], at_ms)
            return vector[0][1] if len(vector) == 1 else math.nan
        raise TypeError(f"no scalar: {expr}")

    @staticmethod
    def string(expr: Expr) -> str:
        expr = unwrap(expr)
        if isinstance(expr, StringLiteral):
            return expr.value
        raise TypeError(f"no string: {expr}")

    def vector(self, expr: Expr, at_ms: int) -> Vector:
        expr = unwrap(expr)
        if isinstance(expr, VectorSelector):
            return [
                (series.labels, series.values[index]) for series, index in self._newest(expr, at_ms)
            ]
        if isinstance(expr, Call):
            return self._call(expr, at_ms)
        if isinstance(expr, Aggregation):
            return self._aggregation(expr, at_ms)
        if isinstance(expr, Binary):
            return self._binary(expr, at_ms)
        if isinstance(expr, Unary):
            vector = self.vector(expr.expr, at_ms)
            if expr.operator == "+":
                return vector
            return self._unnamed(expr, ((labels, -value) for labels, value in vector), vector)
        raise TypeError(f"no instant vector: {expr}")

    def window(self, expr: Expr, at_ms: int) -> Window:
        """The range vector; series without samples in it are left out."""
        expr = unwrap(expr)
        if isinstance(expr, MatrixSelector):
            end_ms = self._reference(expr.selector, at_ms)
            start_ms = end_ms - expr.range_ms
            found = []
            for series in self._series(expr.selector):
                timestamps, values = series.between(start_ms, end_ms)
                if timestamps:
                    self._count(len(timestamps))
                    found.append(RangeSeries(series.labels, timestamps, values))
            return Window(start_ms, end_ms, found)
        if isinstance(expr, Subquery):
            end_ms = self._reference(expr, at_ms)
            start_ms = end_ms - expr.range_ms
            return Window(start_ms, end_ms, self._subquery(expr, start_ms, end_ms))
        raise TypeError(f"no range vector: {expr}")

    # Selecting

    def _reference(self, selector: VectorSelector | Subquery, at_ms: int) -> int:
        """The time that is selected for, with ``@`` and ``offset``."""
        if selector.at is not None:
            fixed = {"start": self._start_ms, "end": self._end_ms}
            at_ms = fixed.get(selector.at.kind, selector.at.timestamp_ms)
        return at_ms - selector.offset_ms

    def _series(self, selector: VectorSelector) -> list[Series]:
        found = self._selected.get(id(selector))
        if found is None:
            found = self._selected[id(selector)] = self._store.select(selector.matchers)
        return found

    def _newest(self, selector: VectorSelector, at_ms: int) -> list[tuple[Series, int]]:
        """The series with a sample that counts at the time, and the index of that sample."""
        reference_ms = self._reference(selector, at_ms)
        oldest_ms = reference_ms - self._lookback_ms
        found = [
            (series, index)
            for series in self._series(selector)
            if (index := series.newest_at(reference_ms, oldest_ms)) >= 0
        ]
        self._count(len(found))
        return found

    def _count(self, samples: int) -> None:
        self._samples_left -= samples
        if self._samples_left < 0:
            raise TooManySamples

    def check_deadline(self) -> None:
        if time.monotonic() > self._deadline_s:
            raise QueryTimeout

    def _subquery(self, expr: Subquery, start_ms: int, end_ms: int) -> list[RangeSeries]:
        """The expression at each multiple of the step in (start_ms, end_ms]."""
        step_ms = expr.step_ms or self._default_step_ms
        points: dict[Labels, tuple[list[int], list[float]]] = {}
        for at_ms in range((start_ms // step_ms + 1) * step_ms, end_ms + 1, step_ms):
            key = (id(expr), at_ms)
            if key not in self._subquery_steps:
                self.check_deadline()
                self._subquery_steps[key] = self.vector(expr.expr, at_ms)
            for labels, value in self._subquery_steps[key]:
                timestamps, values = points.setdefault(labels, ([], []))
                timestamps.append(at_ms)
                values.append(value)
        return [RangeSeries(labels, *series) for labels, series in points.items()]

    # Functions

    def _call(self, call: Call, at_ms: int) -> Vector:
        name, args = call.function.name, call.args
        if name in RANGE_FUNCTIONS:
            return self._range_function(call, at_ms)
        if name in ELEMENTWISE:
            vector = mapped(self.vector(args[0], at_ms), ELEMENTWISE[name])
        elif name in CALENDAR_FUNCTIONS:
            vector = self._calendar(call, at_ms)
        elif name in ("label_replace", "label_join"):
            return self._relabelled(call, at_ms)
        elif name == "absent_over_time":
            missing = not self.window(args[0], at_ms).series
            vector = [(label_functions.absent_labels(unwrap(args[0])), 1.0)] if missing else []
        elif name in ("histogram_quantile", "histogram_fraction"):
            vector = self._histogram(call, at_ms)
        elif name == "timestamp":
            vector = self._timestamps(args[0], at_ms)
        elif name == "vector":
            vector = [((), self.scalar(args[0], at_ms))]
        else:
            vector = self._other_call(name, args, at_ms)
        _refuse_same_labels(vector)
        return vector

    def _other_call(self, name: str, args: tuple[Expr, ...], at_ms: int) -> Vector:
        vector = self.vector(args[0], at_ms)
        if name == "absent":
            return [] if vector else [(label_functions.absent_labels(unwrap(args[0])), 1.0)]
        if name in ("sort", "sort_desc"):
            return sorted_by_value(vector, descending=name == "sort_desc")
        if name in _NATIVE_HISTOGRAM_FUNCTIONS:
            # They look at native histograms alone, which cannot get into the store.
            return []
        parameters = [self.scalar(arg, at_ms) for arg in args[1:]]
        if name == "round":
            return rounded(vector, parameters[0] if parameters else 1.0)
        if name == "clamp":
            return clamped(vector, parameters[0], parameters[1])
        if name == "clamp_min":
            return clamped(vector, parameters[0], math.inf)
        if name == "clamp_max":
            return clamped(vector, -math.inf, parameters[0])
        raise QueryError(unsupported_text(f"the function {name}"))

    def _range_function(self, call: Call, at_ms: int) -> Vector:
        name = call.function.name
        function = RANGE_FUNCTIONS[name]
        ranged = next(arg for arg in call.args if arg.type == "matrix")
        scalars = [arg for arg in call.args if arg.type == "scalar"]
        parameter = self.scalar(scalars[0], at_ms) if scalars else 0.0
        window = self.window(ranged, at_ms)
        length_s = (window.end_ms - window.start_ms) / 1000
        place = Range(window.start_ms, window.end_ms, length_s, at_ms, parameter)
        if name == "quantile_over_time" and window.series and not 0 <= parameter <= 1:
            self._annotations.invalid_quantile(parameter, unwrap(call.args[0]).position)
        samples: Vector = []
        sources: Vector = []
        for series in window.series:
            value = function(series.timestamps, series.values, place)
            if value is not None:
                samples.append((series.labels, value))
                sources.append((series.labels, value))
                if name in ("rate", "increase"):
                    self._look_for_counter(series.labels, unwrap(ranged).position)
        if name == "last_over_time":
            return samples
        return self._unnamed(call, samples, sources)

    def _look_for_counter(self, labels: Labels, position: int) -> None:
        metric_name = label_value(labels, METRIC_NAME)
        if metric_name and not metric_name.endswith(_COUNTER_SUFFIXES):
            self._annotations.no_counter(metric_name, position)

    def _calendar(self, call: Call, at_ms: int) -> Vector:
        name = call.function.name
        if not call.args:
            return [((), calendar_part(name, at_ms // 1000))]
        return mapped(self.vector(call.args[0], at_ms), lambda value: calendar_part(name, value))

    def _histogram(self, call: Call, at_ms: int) -> Vector:
        *scalars, buckets = call.args
        parameters = [self.scalar(arg, at_ms) for arg in scalars]
        vector = self.vector(buckets, at_ms)
        position = unwrap(buckets).position
        if call.function.name == "histogram_fraction":
            lower, upper = parameters
            return histogram.histogram_fraction(lower, upper, vector, self._annotations, position)
        positions = (unwrap(scalars[0]).position, position)
        return histogram.histogram_quantile(parameters[0], vector, self._annotations, positions)

    def _timestamps(self, expr: Expr, at_ms: int) -> Vector:
        """Of a selector the samples' own times, of anything else the time of evaluation."""
        selector = unwrap(expr)
        if not isinstance(selector, VectorSelector):
            return mapped(self.vector(expr, at_ms), lambda _: at_ms / 1000)
        return [
            (without_name(series.labels), series.timestamps[index] / 1000)
            for series, index in self._newest(selector, at_ms)
        ]

    def _relabelled(self, call: Call, at_ms: int) -> Vector:
        vector = self.vector(call.args[0], at_ms)
        target, second, *others = (self.string(arg) for arg in call.args[1:])
        if call.function.name == "label_replace":
            source, pattern = others
            changed = label_functions.label_replace(vector, target, second, source, pattern)
        else:
            changed = label_functions.label_join(vector, target, second, others)
        self._claim(call, ((labels, before) for (labels, _), before in changed))
        return [sample for sample, _ in changed]

    # Operators

    def _aggregation(self, expr: Aggregation, at_ms: int) -> Vector:
        operator, without = expr.operator, expr.without
        if operator == "count_values" and expr.parameter is not None:
            label = self.string(expr.parameter)
            if not label:
                raise QueryError('invalid label name ""')
            return count_values(
                label, self.vector(expr.expr, at_ms), expr.grouping, without=without
            )
        parameter = 0.0
        if expr.parameter is not None:
            parameter = self.scalar(expr.parameter, at_ms)
            if operator == "quantile" and not 0 <= parameter <= 1:
                self._annotations.invalid_quantile(parameter, unwrap(expr.parameter).position)
        vector = self.vector(expr.expr, at_ms)
        return aggregate(operator, vector, expr.grouping, without=without, parameter=parameter)

    def _binary(self, expr: Binary, at_ms: int) -> Vector:
        if expr.left.type == "vector" and expr.right.type == "vector":
            left, right = self.vector(expr.left, at_ms), self.vector(expr.right, at_ms)
            if expr.operator in SET_OPERATORS:
                vector = binary.set_operation(expr.operator, left, right, expr.matching)
            else:
                vector = binary.vectors(
                    expr.operator, left, right, expr.matching, return_bool=expr.return_bool
                )
        else:
            scalar_is_left = expr.left.type == "scalar"
            sides = (expr.right, expr.left) if scalar_is_left else (expr.left, expr.right)
            vector = binary.vector_and_scalar(
                expr.operator,
                self.vector(sides[0], at_ms),
                self.scalar(sides[1], at_ms),
                scalar_is_left=scalar_is_left,
                return_bool=expr.return_bool,
            )
        _refuse_same_labels(vector)
        return vector

    # Equal labels

    def _unnamed(self, expr: Expr, samples: Iterable[Sample], sources: Vector) -> Vector:
        vector = [(without_name(labels), value) for labels, value in samples]
        pairs = zip(vector, sources, strict=True)
        self._claim(expr, ((labels, before) for (labels, _), (before, _) in pairs))
        return vector

    def _claim(self, expr: Expr, pairs: Iterable[tuple[Labels, Labels]]) -> None:
        """Note which labels came of which; refuses the same of two, at this step or another."""
        claims = self._claims.setdefault(id(expr), {})
        for labels, before in pairs:
            if claims.setdefault(labels, before) != before:
                raise SameLabelset


def _refuse_same_labels(vector: Vector) -> None:
    if len(vector) > 1 and len({labels for labels, _ in vector}) < len(vector):
        raise SameLabelset
