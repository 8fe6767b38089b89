"""The tags of an issue's events: keys, values and how often each was seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pytest_obsstack.embedded.sentry.api.http import Api, Call, Reply, not_found, unsupported
from pytest_obsstack.embedded.sentry.api.lookup import issue_of
from pytest_obsstack.embedded.sentry.api.pagination import paginate
from pytest_obsstack.embedded.sentry.serialize.event import event_json
from pytest_obsstack.embedded.sentry.state.model import StoredEvent
from pytest_obsstack.embedded.sentry.times import iso

_TOP = 9
"""How many values Sentry lists with a key."""


@dataclass
class TagValue:
    """One value of a tag within an issue; times are Unix nanoseconds."""

    value: str
    count: int
    first_seen_ns: int
    last_seen_ns: int


@dataclass
class TagKey:
    """A tag within an issue."""

    key: str
    values: dict[str, TagValue] = field(default_factory=dict)

    def ranked(self) -> list[TagValue]:
        """The most frequent first, then the latest."""
        return sorted(self.values.values(), key=lambda v: (-v.count, -v.last_seen_ns, v.value))

    @property
    def total(self) -> int:
        return sum(value.count for value in self.values.values())


def count_tags(events: Iterable[StoredEvent]) -> dict[str, TagKey]:
    """The tags of ``events`` by key, keys in order."""
    keys: dict[str, TagKey] = {}
    for event in events:
        for key, text in event.tags:
            values = keys.setdefault(key, TagKey(key)).values
            value = values.get(text)
            if value is None:
                value = values[text] = TagValue(text, 0, event.timestamp_ns, event.timestamp_ns)
            value.count += 1
            value.first_seen_ns = min(value.first_seen_ns, event.timestamp_ns)
            value.last_seen_ns = max(value.last_seen_ns, event.timestamp_ns)
    return dict(sorted(keys.items()))


def list_tags(api: Api, call: Call) -> Reply:
    call.only("environment", "limit", "key")
    wanted = set(call.all("key"))
    limit = call.one("limit") or str(_TOP)
    if not limit.isdigit():
        raise unsupported(f"limit {limit!r} of tags")
    found = _tags_of(api, call).values()
    return Reply([_key_json(tag, int(limit)) for tag in found if not wanted or tag.key in wanted])


def get_tag(api: Api, call: Call) -> Reply:
    call.only("environment")
    return Reply(_key_json(_tag_of(api, call), _TOP))


def list_tag_values(api: Api, call: Call) -> Reply:
    call.only("environment", "sort", "cursor", "per_page")
    values = _tag_of(api, call).ranked()
    sort = call.one("sort") or "-count"
    if sort in ("date", "-last_seen"):
        values.sort(key=lambda value: value.last_seen_ns, reverse=True)
    elif sort not in ("count", "-count"):
        raise unsupported(f"sort {sort!r} of tag values")
    page, headers = paginate(api, call, values)
    key = call.params["key"]
    return Reply([_value_json(key, value) for value in page], headers=headers)


def list_hashes(api: Api, call: Call) -> Reply:
    """What groups the issue's events: here always one hash."""
    call.only("full", "cursor")
    issue = issue_of(api, call)
    body = {
        "id": issue.grouping_hash,
        "latestEvent": event_json(issue.latest),
        "mergedBySeer": False,
        "seerMatchDistance": None,
    }
    page, headers = paginate(api, call, [body])
    return Reply(list(page), headers=headers)


def _tags_of(api: Api, call: Call) -> dict[str, TagKey]:
    environments = set(call.all("environment"))
    events = api.store.events_of(issue_of(api, call))
    return count_tags(e for e in events if not environments or e.environment in environments)


def _tag_of(api: Api, call: Call) -> TagKey:
    tag = _tags_of(api, call).get(call.params["key"])
    if tag is None:
        raise not_found()
    return tag


def _key_json(tag: TagKey, limit: int) -> dict[str, Any]:
    return {
        "key": tag.key,
        "name": tag.key,
        "uniqueValues": len(tag.values),
        "totalValues": tag.total,
        "topValues": [_value_json(tag.key, value) for value in tag.ranked()[:limit]],
    }


def _value_json(key: str, value: TagValue) -> dict[str, Any]:
    return {
        "key": key,
        "name": value.value,
        "value": value.value,
        "count": value.count,
        "firstSeen": iso(value.first_seen_ns),
        "lastSeen": iso(value.last_seen_ns),
    }
