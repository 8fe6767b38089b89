"""Log entries as Loki answers them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw


@dataclass(frozen=True)
class LogEntry:
    """One entry of a stream."""

    timestamp_ns: int
    line: str
    labels: Mapping[str, str]
    """Labels of the stream."""
    structured_metadata: Mapping[str, str]
    """What came with the entry beside the line: ``trace_id``, ``severity_text``, attributes."""
    parsed: Mapping[str, str]
    """What the query's own parsers (``| json`` …) have taken from the line."""
    raw: Raw = field(repr=False, compare=False)

    @property
    def fields(self) -> dict[str, str]:
        """Labels, metadata and parsed fields together, the later ones first in rank."""
        return {**self.labels, **self.structured_metadata, **self.parsed}


def parse_stream(raw: Any) -> Iterator[LogEntry]:
    """The entries of one stream of a ``streams`` result.

    With ``categorize-labels`` each value is ``[ns, line, {"structuredMetadata", "parsed"}]``
    (https://grafana.com/docs/loki/latest/reference/loki-http-api/#query-logs-within-a-range-of-time);
    a server that ignores the flag has merged all of them into the stream's labels.
    """
    raw = fields.mapping(raw, "a stream")
    labels = fields.string_map(fields.optional_mapping(raw, "stream"))
    for value in fields.optional_items(raw, "values"):
        if not isinstance(value, list) or len(value) < 2:
            raise fields.unexpected("an entry", "[nanoseconds, line, …]", value)
        extra = fields.mapping(value[2], "an entry's fields") if len(value) > 2 else {}
        yield LogEntry(
            timestamp_ns=int(value[0]),
            line=str(value[1]),
            labels=labels,
            structured_metadata=fields.string_map(
                fields.optional_mapping(extra, "structuredMetadata")
            ),
            parsed=fields.string_map(fields.optional_mapping(extra, "parsed")),
            raw={"stream": labels, "value": value},
        )
