"""``stats_v2``: what became of everything that was sent."""

from __future__ import annotations

from typing import Any

from pytest_obsstack.embedded.sentry.api.http import Api, Call, Reply, bad_request, unsupported
from pytest_obsstack.embedded.sentry.api.lookup import organization_of, times_of, window_of
from pytest_obsstack.embedded.sentry.state.outcomes import BUCKET_NS, OutcomeKey
from pytest_obsstack.embedded.sentry.times import NS, iso

_FIELDS = ("sum(quantity)", "sum(times_seen)")
_GROUPS = ("outcome", "category", "reason", "project")
_DEFAULT_PERIOD_NS = 24 * 3600 * NS


def get_stats(api: Api, call: Call) -> Reply:
    """Groups with totals, and series by the hour.

    Without ``statsPeriod`` or ``start`` and ``end`` it is the last day, as in Sentry.
    """
    call.only(
        *("field", "groupBy", "project", "statsPeriod", "start", "end", "interval"),
        *("category", "outcome", "reason"),
    )
    fields, groups = call.all("field"), call.all("groupBy")
    _check(call, fields, groups)
    organization = organization_of(api, call)
    projects = window_of(api, call, organization).project_ids
    start_ns, end_ns = times_of(api, call)
    end_ns = api.clock_ns() if end_ns is None else end_ns
    start_ns = end_ns - _DEFAULT_PERIOD_NS if start_ns is None else start_ns
    first, last = start_ns // BUCKET_NS, end_ns // BUCKET_NS
    buckets = [bucket * BUCKET_NS for bucket in range(first, last + 1)]
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for key, quantity, times_seen in api.store.outcomes:
        if (
            key.project_id not in projects
            or not first <= key.bucket_ns // BUCKET_NS <= last
            or not _is_wanted(call, key)
        ):
            continue
        by = {name: _group_value(key, name) for name in groups}
        group = found.setdefault(tuple(by.values()), _empty_group(by, fields, len(buckets)))
        place = key.bucket_ns // BUCKET_NS - first
        for field, amount in zip(_FIELDS, (quantity, times_seen), strict=True):
            if field in fields:
                group["totals"][field] += amount
                group["series"][field][place] += amount
    return Reply(
        {
            "start": iso(buckets[0]),
            "end": iso(buckets[-1] + BUCKET_NS),
            "intervals": [iso(bucket) for bucket in buckets],
            "groups": list(found.values()),
        }
    )


def _check(call: Call, fields: list[str], groups: list[str]) -> None:
    if not fields:
        raise bad_request('At least one "field" is required.')
    for field in fields:
        if field not in _FIELDS:
            raise unsupported(f"field {field!r} of {call.path}")
    for group in groups:
        if group not in _GROUPS:
            raise unsupported(f"groupBy {group!r} of {call.path}")
    interval = call.one("interval")
    if interval not in (None, "1h"):
        raise unsupported(f"interval {interval!r} of {call.path}")


def _is_wanted(call: Call, key: OutcomeKey) -> bool:
    for name in ("category", "outcome", "reason"):
        wanted = call.all(name)
        if wanted and getattr(key, name) not in wanted:
            return False
    return True


def _group_value(key: OutcomeKey, name: str) -> Any:
    return key.project_id if name == "project" else getattr(key, name)


def _empty_group(by: dict[str, Any], fields: list[str], length: int) -> dict[str, Any]:
    return {
        "by": by,
        "totals": dict.fromkeys(fields, 0),
        "series": {field: [0] * length for field in fields},
    }
