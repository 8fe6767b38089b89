"""The client of Loki's HTTP API: https://grafana.com/docs/loki/latest/reference/loki-http-api/."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.exposition import exposed
from pytest_obsstack.clients.http import ApiClient, HttpOptions
from pytest_obsstack.clients.loki.models import LogEntry, parse_stream
from pytest_obsstack.clients.series import QueryResult, parse_result, successful
from pytest_obsstack.endpoints import LokiEndpoint
from pytest_obsstack.errors import ObsstackError

if TYPE_CHECKING:
    from typing_extensions import Unpack

Direction = Literal["forward", "backward"]

MAX_ENTRIES = 5000
"""``max_entries_limit_per_query``: what Loki gives for one query at most, by default."""

_ADVICE = {
    400: "correct the LogQL, the range or the entry",
    422: "push at least one stream with an entry",
}
_DISCARDED = "loki_discarded_samples_total"
_CATEGORIZE = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}


class LokiClient:
    """A server of Loki's HTTP API. Times are in nanoseconds since the epoch, unless named ``_s``.

    What Loki refuses raises ``BackendRefused`` with its own text.
    """

    def __init__(
        self,
        endpoint: LokiEndpoint,
        *,
        writable: bool = True,
        now_ns: Callable[[], int] = time.time_ns,
        **options: Unpack[HttpOptions],
    ) -> None:
        self.endpoint = endpoint
        self._now_ns = now_ns
        self._api = ApiClient(
            "Loki",
            endpoint.url,
            headers=endpoint.headers,
            advice=_ADVICE,
            writable=writable,
            **options,
        )

    def close(self) -> None:
        self._api.close()

    @property
    def url(self) -> str:
        return self._api.url

    def ready(self) -> None:
        """Returns when the server is ready; else ``BackendUnavailable``."""
        self._api.get("/ready")

    def version(self) -> str:
        """The server's version."""
        answer = self._api.get_json("/loki/api/v1/status/buildinfo")
        return fields.text(fields.mapping(answer, "the build information"), "version")

    def query_range(
        self,
        logql: str,
        *,
        start_ns: int,
        end_ns: int,
        limit: int = MAX_ENTRIES,
        direction: Direction = "forward",
    ) -> tuple[LogEntry, ...]:
        """The entries that a log query finds from ``start_ns`` until before ``end_ns``.

        Of all streams, by time: oldest first, or newest first for ``backward``, which also decides
        which entries are left out beyond ``limit``.
        """
        params = {
            "query": logql,
            "start": start_ns,
            "end": end_ns,
            "limit": limit,
            "direction": direction,
        }
        answer = self._answer("/loki/api/v1/query_range", params, headers=_CATEGORIZE)
        data = fields.mapping(answer.get("data"), "field 'data'")
        if data.get("resultType") != "streams":
            raise fields.unexpected(
                f"query_range of {logql}", "streams (a log query)", data.get("resultType")
            )
        streams = fields.optional_items(data, "result")
        entries = [entry for stream in streams for entry in parse_stream(stream)]
        # Stable: entries of one time keep the server's order.
        entries.sort(key=lambda entry: entry.timestamp_ns, reverse=direction == "backward")
        return tuple(entries)

    def lines_of_trace(
        self, trace_id: str, *, since_ns: int, until_ns: int | None = None
    ) -> tuple[LogEntry, ...]:
        """The log entries that carry the trace id as structured metadata, oldest first.

        From ``since_ns`` on; up to one minute after now by default, because the app's clock may be
        ahead.
        """
        end_ns = self._now_ns() + 60_000_000_000 if until_ns is None else until_ns
        logql = f'{{service_name=~".+"}} | trace_id="{trace_id}"'
        found: list[LogEntry] = []
        start_ns = since_ns
        while True:
            page = self.query_range(logql, start_ns=start_ns, end_ns=end_ns)
            found += _not_yet_in(found, page, start_ns)
            if len(page) < MAX_ENTRIES:
                return tuple(found)
            # Loki gives no more at once: the next page begins with what has the last one's time.
            if page[-1].timestamp_ns == start_ns:
                raise ObsstackError(
                    f"Loki has more lines of one time than it gives: {logql}",
                    expected=f"fewer than {MAX_ENTRIES} lines with the time {start_ns}",
                    found=f"{MAX_ENTRIES} or more",
                )
            start_ns = page[-1].timestamp_ns

    def discarded(self) -> dict[str, int]:
        """How many lines Loki has not stored since its start, by its own word for the reason.

        From its metrics page, which a Loki behind a gateway may not show: ``BackendRefused`` then,
        or ``ObsstackError`` where the gateway shows another page in its place.
        """
        found: Counter[str] = Counter()
        for name, labels, value in exposed(self._api.get("/metrics").text, "Loki's metrics"):
            if name == _DISCARDED:
                found[labels.get("reason", "no reason")] += int(value)
        return {reason: lines for reason, lines in found.items() if lines}

    def query(self, logql: str, *, time_ns: int | None = None) -> QueryResult:
        """A metric query at one time, the server's now by default."""
        params = {"query": logql, "time": time_ns}
        return parse_result(self._answer("/loki/api/v1/query", params))

    def query_metric_range(
        self, logql: str, *, start_ns: int, end_ns: int, step_s: float
    ) -> QueryResult:
        """A metric query over a range: a ``matrix``."""
        params = {"query": logql, "start": start_ns, "end": end_ns, "step": step_s}
        return parse_result(self._answer("/loki/api/v1/query_range", params))

    def labels(self, *, start_ns: int | None = None, end_ns: int | None = None) -> tuple[str, ...]:
        """Label names of the streams in that time, Loki's last six hours by default."""
        return self._texts("/loki/api/v1/labels", start_ns, end_ns)

    def label_values(
        self, label: str, *, start_ns: int | None = None, end_ns: int | None = None
    ) -> tuple[str, ...]:
        """The values of a label."""
        url_path = f"/loki/api/v1/label/{quote(label, safe='')}/values"
        return self._texts(url_path, start_ns, end_ns)

    def series(
        self, *matchers: str, start_ns: int | None = None, end_ns: int | None = None
    ) -> tuple[dict[str, str], ...]:
        """The label sets of the streams that match any of the selectors."""
        params = {"match[]": list(matchers), "start": start_ns, "end": end_ns}
        answer = self._answer("/loki/api/v1/series", params)
        found = fields.optional_items(answer, "data")
        return tuple(fields.string_map(fields.mapping(item, "a stream")) for item in found)

    def push(self, streams: Sequence[Mapping[str, Any]]) -> None:
        """Write entries: ``[{"stream": {…}, "values": [["<ns>", "line", {metadata}], …]}, …]``.

        Loki stores the good entries of a push that it refuses because of a bad one.
        """
        self._api.request("POST", "/loki/api/v1/push", json={"streams": list(streams)})

    def get(self, url_path: str, **params: Any) -> Any:
        """The parsed JSON of any path below the server's URL."""
        return self._api.get_json("/" + url_path.lstrip("/"), params)

    def _texts(self, url_path: str, start_ns: int | None, end_ns: int | None) -> tuple[str, ...]:
        answer = self._answer(url_path, {"start": start_ns, "end": end_ns})
        # An empty answer has no `data` at all.
        return tuple(str(item) for item in fields.optional_items(answer, "data"))

    def _answer(
        self, url_path: str, params: dict[str, Any], *, headers: Mapping[str, str] | None = None
    ) -> fields.Raw:
        response = self._api.request("GET", url_path, params=params, headers=headers)
        return successful(self._api.json_of(response), f"GET {url_path}")


def _not_yet_in(
    found: Sequence[LogEntry], page: Sequence[LogEntry], start_ns: int
) -> Iterator[LogEntry]:
    """The entries of a page that the pages before it do not have.

    Those of its first time may be told twice: they are left out as often as they are known.
    """
    known = Counter(_identity(entry) for entry in found if entry.timestamp_ns == start_ns)
    for entry in page:
        if known[_identity(entry)] > 0 and entry.timestamp_ns == start_ns:
            known[_identity(entry)] -= 1
        else:
            yield entry


def _identity(entry: LogEntry) -> tuple[object, ...]:
    facts = (entry.labels, entry.structured_metadata)
    return (entry.timestamp_ns, entry.line, *(tuple(sorted(each.items())) for each in facts))
