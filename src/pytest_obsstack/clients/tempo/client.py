"""The client of Tempo's HTTP API: https://grafana.com/docs/tempo/latest/api_docs/."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.http import ApiClient, HttpOptions
from pytest_obsstack.clients.spans import Span
from pytest_obsstack.clients.tempo.models import (
    FoundTrace,
    TempoSpan,
    Trace,
    parse_found_trace,
    parse_trace,
)
from pytest_obsstack.endpoints import TempoEndpoint
from pytest_obsstack.errors import BackendRefused, ObsstackError

if TYPE_CHECKING:
    from typing_extensions import Unpack

_ADVICE = {400: "correct the trace id, the TraceQL or the tags"}
_BARE = frozenset('= "\\')
"""Characters that a value of logfmt must not have outside quotes."""


_MOST_TRACES = 5000
"""More than the requests of one test."""


class TempoClient:
    """A server of Tempo's HTTP API, read-only; a ``SpanStore`` of all that it has taken.

    What Tempo refuses raises ``BackendRefused`` with its own text.
    """

    store_name = "Tempo"

    def __init__(self, endpoint: TempoEndpoint, **options: Unpack[HttpOptions]) -> None:
        self.endpoint = endpoint
        self._known_to_be_tempo = False
        self._api = ApiClient(
            "Tempo",
            endpoint.url,
            headers=endpoint.headers,
            advice=_ADVICE,
            writable=False,
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
        answer = self._api.get_json("/api/status/buildinfo")
        return fields.text(fields.mapping(answer, "the build information"), "version")

    def trace(self, trace_id: str) -> Trace:
        """What Tempo has of the trace: no spans where it does not know the trace (yet).

        A Tempo that is too old for ``/api/v2/traces`` is asked by the first version of it.
        """
        refused: BackendRefused | None = None
        for version in ("/api/v2/traces", "/api/traces"):
            try:
                return parse_trace(self._api.get_json(f"{version}/{trace_id}"))
            except BackendRefused as error:
                if error.status != 404:
                    raise
                refused = error
        # The first version says so of a trace, but any server says so of a path it has not.
        if refused is not None and not self._is_tempo():
            raise refused
        return Trace(())

    def search(
        self,
        traceql: str | None = None,
        *,
        tags: Mapping[str, str] | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
        limit: int | None = None,
        spans_per_set: int | None = None,
        min_duration: str | None = None,
        max_duration: str | None = None,
    ) -> tuple[FoundTrace, ...]:
        """The traces that a TraceQL query finds, or those whose spans have all the tags.

        From ``start_s`` to ``end_s`` (seconds since the epoch); without both only what is recent.
        ``limit`` (20 by default) bounds the traces, ``spans_per_set`` (3) the spans shown of each.
        Durations, for tags only, are Go's: ``100ms``. Tempo gives the first that it finds, so the
        same search may answer otherwise the next time.
        """
        if (traceql is None) == (tags is None):
            raise ObsstackError(
                "A search of Tempo needs a TraceQL query or tags.",
                expected="one of the two",
                found="neither" if traceql is None else f"both: {traceql!r} and {dict(tags or {})}",
            )
        params = {
            "q": traceql,
            "tags": None if tags is None else logfmt(tags),
            "start": None if start_s is None else int(start_s),
            # A time of whole seconds: rounded down, it would leave out what has just arrived.
            "end": None if end_s is None else int(end_s) + 1,
            "limit": limit,
            "spss": spans_per_set,
            "minDuration": min_duration,
            "maxDuration": max_duration,
        }
        answer = fields.mapping(self._api.get_json("/api/search", params), "the search's answer")
        return tuple(map(parse_found_trace, fields.optional_items(answer, "traces")))

    def get(self, url_path: str, **params: Any) -> Any:
        """The parsed JSON of any path below the server's URL."""
        return self._api.get_json("/" + url_path.lstrip("/"), params)

    # SpanStore

    def otlp_spans(self, trace_id: str) -> tuple[TempoSpan, ...]:
        """All spans of the trace; ``ObsstackError`` where Tempo gives only a part of them."""
        trace = self.trace(trace_id)
        if trace.incomplete is not None:
            raise ObsstackError(
                f"Tempo gives only a part of trace {trace_id}.",
                expected="the whole trace, of which alone can be said what is not in it",
                found=f"{len(trace.spans)} spans: {trace.incomplete}",
                advice="raise Tempo's overrides.global.max_bytes_per_trace, or do less in one test",
            )
        return trace.spans

    def whole(self, trace_id: str, span: Span) -> Span:  # noqa: ARG002 (every span comes whole)
        return span

    def span_texts(self, trace_id: str) -> Iterator[tuple[str, str]]:
        for span in self.otlp_spans(trace_id):
            yield f"Tempo span {span.name}", json.dumps(span.raw, ensure_ascii=False)

    def found_by(self, attribute: str, prefix: str, *, since_s: float) -> list[tuple[str, str]]:
        found = self.search(
            f'{{ span."{attribute}" =~ "{prefix}.*" }}',
            start_s=since_s,
            end_s=time.time(),
            limit=_MOST_TRACES,
        )
        return [
            (str(span.attributes.get(attribute)), trace.trace_id)
            for trace in found
            for span in trace.spans
        ]

    def trace_url(self, trace_id: str) -> str:
        return f"{self.url}/api/v2/traces/{trace_id}"

    def _is_tempo(self) -> bool:
        """Whether a path that only Tempo has answers; asked until it does."""
        for path in () if self._known_to_be_tempo else ("/api/echo", "/ready"):
            try:
                self._api.get(path)
            except BackendRefused as error:
                if error.status != 404:
                    raise
            else:
                self._known_to_be_tempo = True
                break
        return self._known_to_be_tempo


def logfmt(pairs: Mapping[str, str]) -> str:
    """``key=value key="with space"``: https://brandur.org/logfmt, as Tempo takes tags."""
    return " ".join(f"{key}={_quoted(value)}" for key, value in pairs.items())


def _quoted(value: str) -> str:
    if value and not _BARE & set(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
