"""Running a query on a dataset: filter, group, order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_obsstack.embedded.sentry.discover.aggregates import Aggregate, parse_aggregate
from pytest_obsstack.embedded.sentry.discover.datasets import Dataset
from pytest_obsstack.embedded.sentry.search.match import FieldType, compile_search
from pytest_obsstack.embedded.sentry.search.syntax import parse_search, required_filters
from pytest_obsstack.embedded.sentry.window import Window


@dataclass(frozen=True)
class Query:
    """What was asked of ``/events/``; ``sort`` names a field, with ``-`` for descending."""

    fields: tuple[str, ...]
    search: str
    sort: str | None
    window: Window
    now_ns: int


@dataclass(frozen=True)
class Result:
    """All rows in order, and the type of each column."""

    rows: Sequence[Mapping[str, Any]]
    kinds: Mapping[str, FieldType]


def run_query(query: Query, source: Dataset) -> Result:
    """Raises ``InvalidSearch`` and ``UnsupportedField``; a sort must be one of the fields."""
    aggregates = {text: parse_aggregate(text, source.duration_field) for text in query.fields}
    plain = [text for text, aggregate in aggregates.items() if aggregate is None]
    kinds = {text: _kind(text, aggregate, source) for text, aggregate in aggregates.items()}
    records = _matching(query, source)
    called = {text: aggregate for text, aggregate in aggregates.items() if aggregate is not None}
    if called:
        rows = _grouped(records, plain, called, source)
    else:
        records.sort(key=lambda r: (source.time_ns(r), r.sequence), reverse=True)
        rows = [{text: source.fields.shown(r, text) for text in plain} for r in records]
    ordered = [{text: row[text] for text in query.fields} for row in _sorted(rows, query.sort)]
    return Result(ordered, kinds)


def _matching(query: Query, source: Dataset) -> list[Any]:
    tree = parse_search(query.search)
    fields = source.fields
    matches = compile_search(tree, fields.kind_of, query.now_ns)
    return [
        record
        for record in source.candidates(required_filters(tree))
        if query.window.holds(record.project_id, record.environment, source.time_ns(record))
        and matches(lambda name, record=record: fields.value(record, name))  # type: ignore[misc]
    ]


def _grouped(
    records: Sequence[Any],
    plain: Sequence[str],
    called: Mapping[str, Aggregate],
    source: Dataset,
) -> list[dict[str, Any]]:
    """One row for each combination of the plain fields; without any, one row for everything."""
    fields = source.fields
    groups: dict[str, tuple[dict[str, Any], list[Any]]] = {}
    for record in records:
        row = {text: fields.shown(record, text) for text in plain}
        groups.setdefault(repr(row), (row, []))[1].append(record)
    if not plain and not groups:
        groups[""] = ({}, [])
    for row, members in groups.values():
        for text, aggregate in called.items():
            name = aggregate.argument
            row[text] = aggregate.over(
                [None if name is None else fields.value(member, name) for member in members]
            )
    return [row for row, _ in groups.values()]


def _sorted(rows: list[dict[str, Any]], sort: str | None) -> list[dict[str, Any]]:
    if sort is None:
        return rows
    name = sort.removeprefix("-")
    return sorted(rows, key=lambda row: _sort_key(row[name]), reverse=sort.startswith("-"))


def _sort_key(value: Any) -> tuple[int, Any]:
    """Nothing first, then numbers, then text: values of one column need not be of one type."""
    if value is None:
        return (0, 0)
    if isinstance(value, (bool, int, float)):
        return (1, value)
    return (2, str(value))


def _kind(text: str, aggregate: Aggregate | None, source: Dataset) -> FieldType:
    if aggregate is None:
        return source.fields.kind_of(text)
    if aggregate.argument is not None:
        argument_kind = source.fields.kind_of(aggregate.argument)
        return aggregate.kind or ("number" if argument_kind == "string" else argument_kind)
    return aggregate.kind or "number"
