"""The functions of PromQL, with the types that they take and give (Prometheus 3.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ValueType = Literal["scalar", "vector", "matrix", "string"]

DOCUMENTED_TYPES: dict[ValueType, str] = {
    "scalar": "scalar",
    "vector": "instant vector",
    "matrix": "range vector",
    "string": "string",
}


@dataclass(frozen=True)
class Signature:
    """What a function takes and gives.

    ``variadic`` 0: as many arguments as types; n > 0: the last type may be left out, or come n
    times; -1: the last type may come any number of times.
    """

    name: str
    takes: tuple[ValueType, ...]
    variadic: int = 0
    returns: ValueType = "vector"
    experimental: bool = False


def _signatures(names: str, *takes: ValueType, variadic: int = 0) -> list[Signature]:
    return [Signature(name, takes, variadic) for name in names.split()]


def _experimental(name: str, *takes: ValueType, variadic: int = 0) -> Signature:
    return Signature(name, takes, variadic, experimental=True)


FUNCTIONS: dict[str, Signature] = {
    signature.name: signature
    for signature in (
        *_signatures(
            "abs absent acos acosh asin asinh atan atanh ceil cos cosh deg exp floor ln log10 "
            "log2 rad sgn sin sinh sort sort_desc sqrt tan tanh timestamp histogram_avg "
            "histogram_count histogram_sum histogram_stddev histogram_stdvar",
            "vector",
        ),
        *_signatures(
            "absent_over_time avg_over_time changes count_over_time delta deriv idelta increase "
            "irate last_over_time max_over_time min_over_time present_over_time rate resets "
            "stddev_over_time stdvar_over_time sum_over_time",
            "matrix",
        ),
        *_signatures(
            "days_in_month day_of_month day_of_week day_of_year hour minute month year",
            "vector",
            variadic=1,
        ),
        *_signatures("clamp_max clamp_min", "vector", "scalar"),
        *_signatures("clamp", "vector", "scalar", "scalar"),
        *_signatures("round", "vector", "scalar", variadic=1),
        *_signatures("predict_linear", "matrix", "scalar"),
        *_signatures("quantile_over_time", "scalar", "matrix"),
        *_signatures("histogram_quantile", "scalar", "vector"),
        *_signatures("histogram_fraction", "scalar", "scalar", "vector"),
        *_signatures("label_replace", "vector", "string", "string", "string", "string"),
        *_signatures("label_join", "vector", "string", "string", "string", variadic=-1),
        *_signatures("vector", "scalar"),
        Signature("pi", (), returns="scalar"),
        Signature("time", (), returns="scalar"),
        Signature("scalar", ("vector",), returns="scalar"),
        _experimental("double_exponential_smoothing", "matrix", "scalar", "scalar"),
        _experimental("info", "vector", "vector", variadic=1),
        _experimental("mad_over_time", "matrix"),
        _experimental("sort_by_label", "vector", "string", variadic=-1),
        _experimental("sort_by_label_desc", "vector", "string", variadic=-1),
        _experimental("ts_of_last_over_time", "matrix"),
        _experimental("ts_of_max_over_time", "matrix"),
        _experimental("ts_of_min_over_time", "matrix"),
    )
}
