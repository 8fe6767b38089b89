"""The envelope of API v1: status, data, errorType, error, warnings, infos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import orjson
from starlette.responses import Response

from pytest_obsstack.embedded.prometheus.engine.query import (
    Answer,
    MatrixResult,
    Result,
    ScalarResult,
    VectorResult,
)
from pytest_obsstack.embedded.prometheus.engine.values import QueryError, QueryTimeout
from pytest_obsstack.embedded.prometheus.format import (
    plain_float,
    sample_value,
    timestamp_text,
)
from pytest_obsstack.embedded.prometheus.refusal import unsupported_text

ErrorType = Literal[
    "bad_data", "execution", "timeout", "internal", "not_found", "unavailable", "canceled"
]
_STATUS: dict[ErrorType, int] = {
    "bad_data": 400,
    "execution": 422,
    "timeout": 503,
    "internal": 500,
    "not_found": 404,
    # Prometheus has no type for what it does not implement; the status says what is meant.
    "unavailable": 501,
    "canceled": 499,
}
_TRUNCATED = "results truncated due to limit"


class ApiError(Exception):
    """An error of a request, with the type that gives it its status."""

    def __init__(self, error_type: ErrorType, text: str) -> None:
        super().__init__(text)
        self.error_type = error_type


def invalid_parameter(name: str, text: str) -> ApiError:
    return ApiError("bad_data", f'invalid parameter "{name}": {text}')


def unsupported(what: str) -> ApiError:
    return ApiError("unavailable", unsupported_text(what))


def execution_error(error: QueryError) -> ApiError:
    return ApiError("timeout" if isinstance(error, QueryTimeout) else "execution", str(error))


def success(
    data: Any = None, *, warnings: Sequence[str] = (), infos: Sequence[str] = ()
) -> Response:
    """``data`` is left out where it is ``None``, the annotations where there are none."""
    document: dict[str, Any] = {"status": "success"}
    if data is not None:
        document["data"] = data
    if warnings:
        document["warnings"] = list(warnings)
    if infos:
        document["infos"] = list(infos)
    return _json(200, document)


def failure(error: ApiError) -> Response:
    document = {"status": "error", "errorType": error.error_type, "error": str(error)}
    return _json(_STATUS[error.error_type], document)


def _json(status: int, document: dict[str, Any]) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")


def limited(items: list[Any], limit: int) -> tuple[list[Any], list[str]]:
    """The first of them and the warning that there were more; 0 is no limit."""
    if 0 < limit < len(items):
        return items[:limit], [_TRUNCATED]
    return items, []


def query_answer(answer: Answer, limit: int) -> Response:
    kind, result = _result(answer.result)
    warnings: list[str] = []
    if kind in ("vector", "matrix"):
        result, warnings = limited(result, limit)
    data = {"resultType": kind, "result": result}
    return success(data, warnings=[*answer.warnings, *warnings], infos=answer.infos)


def _result(result: Result) -> tuple[str, list[Any]]:
    if isinstance(result, VectorResult):
        at = json_time(result.at_ms)
        return "vector", [
            {"metric": dict(labels), "value": (at, sample_value(value))}
            for labels, value in result.vector
        ]
    if isinstance(result, MatrixResult):
        return "matrix", [
            {
                "metric": dict(series.labels),
                "values": [
                    (json_time(t), sample_value(v))
                    for t, v in zip(series.timestamps, series.values, strict=True)
                ],
            }
            for series in result.series
        ]
    if isinstance(result, ScalarResult):
        # Unlike a sample's value, never with an exponent.
        return "scalar", [json_time(result.at_ms), plain_float(result.value)]
    return "string", [json_time(result.at_ms), result.value]


def json_time(timestamp_ms: int) -> int | orjson.Fragment:
    """Seconds as Prometheus writes them: ``1435781451.781``, ``1435781430``."""
    if timestamp_ms % 1000 == 0:
        return timestamp_ms // 1000
    return orjson.Fragment(timestamp_text(timestamp_ms))
