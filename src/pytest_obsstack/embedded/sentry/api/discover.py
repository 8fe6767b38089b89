"""``/organizations/{o}/events/``: rows of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_obsstack.embedded.sentry.api.http import Api, Call, Reply, bad_request, unsupported
from pytest_obsstack.embedded.sentry.api.lookup import (
    WINDOW_PARAMETERS,
    organization_of,
    window_of,
)
from pytest_obsstack.embedded.sentry.api.pagination import paginate
from pytest_obsstack.embedded.sentry.discover.datasets import NAMES, dataset
from pytest_obsstack.embedded.sentry.discover.query import Query, run_query
from pytest_obsstack.embedded.sentry.search.fields import UnsupportedField
from pytest_obsstack.embedded.sentry.search.match import FieldType
from pytest_obsstack.embedded.sentry.search.syntax import InvalidSearch

_MAX_FIELDS = 20
_SHOWN_TYPES = {"text": "string"}
_UNITS: Mapping[FieldType, str] = {"duration": "millisecond"}


def query_events(api: Api, call: Call) -> Reply:
    call.only(
        *WINDOW_PARAMETERS, "field", "query", "sort", "per_page", "cursor", "dataset", "referrer"
    )
    organization = organization_of(api, call)
    name = call.one("dataset") or "discover"
    if name not in NAMES:
        raise unsupported(f"dataset {name!r} of {call.path}, expected one of {', '.join(NAMES)}")
    query = Query(
        fields=_fields(call),
        search=call.one("query") or "",
        sort=_sort(call),
        window=window_of(api, call, organization),
        now_ns=api.clock_ns(),
    )
    try:
        result = run_query(query, dataset(name, api.store))
    except UnsupportedField as error:
        raise unsupported(f"field {error.name!r} of dataset {name!r}") from error
    except InvalidSearch as error:
        raise bad_request(str(error)) from error
    page, headers = paginate(api, call, result.rows)
    return Reply({"data": list(page), "meta": _meta(name, result.kinds)}, headers=headers)


def _fields(call: Call) -> tuple[str, ...]:
    fields = tuple(dict.fromkeys(call.all("field")))
    if not fields:
        raise bad_request("No columns selected")
    if len(fields) > _MAX_FIELDS:
        raise bad_request(f"You can view up to {_MAX_FIELDS} fields at a time.")
    return fields


def _sort(call: Call) -> str | None:
    sort = call.one("sort")
    if sort is None or sort == "":
        return None
    if sort.removeprefix("-") not in call.all("field"):
        raise bad_request("orderby must also be in the selected columns or groupby")
    return sort


def _meta(name: str, kinds: Mapping[str, FieldType]) -> dict[str, Any]:
    return {
        "fields": {text: _SHOWN_TYPES.get(kind, kind) for text, kind in kinds.items()},
        "units": {text: _UNITS.get(kind) for text, kind in kinds.items()},
        "isMetricsData": False,
        "isMetricsExtractedData": False,
        "tips": {},
        "datasetReason": "unchanged",
        "dataset": name,
    }
