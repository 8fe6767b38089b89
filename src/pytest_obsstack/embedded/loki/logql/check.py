"""What is wrong with a query that parses: stages that cannot work, aggregations that do not fit."""

from __future__ import annotations

from pytest_obsstack.embedded.loki.logql.errors import ParseError
from pytest_obsstack.embedded.loki.logql.filters import labels_test
from pytest_obsstack.embedded.loki.logql.matchers import matcher_test
from pytest_obsstack.embedded.loki.logql.pipeline import Pipeline
from pytest_obsstack.embedded.loki.logql.syntax import Matcher, RangeAggregation, Stage

COUNTING = frozenset(
    {"count_over_time", "rate", "bytes_over_time", "bytes_rate", "absent_over_time"}
)
"""Aggregations of lines."""
UNWRAPPED = frozenset(
    {"rate", "rate_counter", "absent_over_time", "quantile_over_time"}
    | {"sum_over_time", "avg_over_time", "min_over_time", "max_over_time"}
    | {"first_over_time", "last_over_time", "stddev_over_time", "stdvar_over_time"}
)
"""Aggregations of unwrapped values."""
_GROUPED = UNWRAPPED - {"rate", "rate_counter", "absent_over_time", "sum_over_time"}


def check_stages(stages: tuple[Stage, ...], matchers: tuple[Matcher, ...]) -> None:
    """Raise ``ParseError`` for a regular expression, template or address that is none."""
    for matcher in matchers:
        matcher_test(matcher)
    Pipeline(stages)


def check_range_aggregation(aggregation: RangeAggregation) -> None:
    """Raise ``ParseError`` where grouping, ``unwrap`` or a parameter does not fit the operation."""
    op = aggregation.op
    if op == "quantile_over_time" and aggregation.parameter is None:
        raise ParseError(f"parameter required for operation {op}")
    if op != "quantile_over_time" and aggregation.parameter is not None:
        raise ParseError(f"parameter {aggregation.parameter:g} not supported for operation {op}")
    if aggregation.grouping is not None and op not in _GROUPED:
        raise ParseError(f"grouping not allowed for {op} aggregation")
    unwrap = aggregation.log_range.unwrap
    if unwrap is None:
        if op not in COUNTING:
            raise ParseError(f"invalid aggregation {op} without unwrap")
        return
    if op not in UNWRAPPED:
        raise ParseError(f"invalid aggregation {op} with unwrap")
    for stage in unwrap.filters:
        labels_test(stage)
