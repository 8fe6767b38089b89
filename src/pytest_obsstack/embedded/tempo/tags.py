"""Names and values of tags, and the search by them that is older than TraceQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pytest_obsstack.embedded.tempo.answers import tag_value, value_text
from pytest_obsstack.embedded.tempo.spans import SpanView, TraceView
from pytest_obsstack.embedded.tempo.traceql.syntax import Attribute, Intrinsic
from pytest_obsstack.embedded.tempo.traceql.values import KINDS, Value

SCOPES = ("resource", "span", "event", "link", "instrumentation")
INTRINSICS = (
    *("duration", "event:name", "event:timeSinceStart", "instrumentation:name"),
    *("instrumentation:version", "kind", "link:spanID", "link:traceID", "name", "rootName"),
    *("rootServiceName", "span:duration", "span:id", "span:kind", "span:name", "span:parentID"),
    *("span:status", "span:statusMessage", "status", "statusMessage", "trace:duration"),
    *("trace:id", "trace:rootName", "trace:rootService", "traceDuration"),
)
"""What Tempo lists as the tags of the scope ``intrinsic``, whatever it has stored."""

_NO_VALUES = frozenset({"trace:id", "span:id", "span:parentID", "duration", "traceDuration"})
"""Intrinsics of which Tempo lists no values: each span has its own."""
_STATUSES = ("ok", "error", "unset")

# Tags with a column of their own in Tempo's blocks match a part of the value and ignore case,
# others match the whole value.
_COLUMNS = frozenset(
    {"service.name", "cluster", "namespace", "pod", "container", "name", "http.method", "http.url"}
    | {"k8s.cluster.name", "k8s.namespace.name", "k8s.pod.name", "k8s.container.name"}
    | {"root.name", "root.service.name"}
)


def names_by_scope(spans: Iterable[SpanView]) -> dict[str, list[str]]:
    """Scope → names of its attributes, sorted; a scope without any is left out."""
    found: dict[str, set[str]] = {scope: set() for scope in SCOPES}
    for span in spans:
        otlp = span.otlp
        found["resource"].update(otlp.resource)
        found["span"].update(otlp.attributes)
        found["instrumentation"].update(otlp.scope.attributes)
        found["event"].update(name for event in otlp.events for name in event.attributes)
        found["link"].update(name for link in otlp.links for name in link.attributes)
    return {scope: sorted(names) for scope, names in found.items() if names}


def values_of(asked: Attribute | Intrinsic, spans: Iterable[SpanView]) -> list[dict[str, str]]:
    """Type and text of each value, sorted by text."""
    if isinstance(asked, Intrinsic):
        if asked.name in _NO_VALUES:
            return []
        if asked.name == "status":
            return [{"type": "keyword", "value": word} for word in _STATUSES]
        if asked.name == "kind":
            return [{"type": "keyword", "value": word} for word in KINDS]
    found = {
        (told["type"], told["value"])
        for span in spans
        for value in _singly(span.value_of(asked))
        if (told := tag_value(value)) is not None
    }
    return [{"type": kind, "value": text} for kind, text in sorted(found, key=lambda f: f[::-1])]


def plain_values_of(tag: str, spans: Iterable[SpanView]) -> list[str]:
    """The texts that ``/api/search/tag/…/values`` lists."""
    if tag == "status.code":
        return sorted(_STATUSES)
    texts = {"true"} if tag == "error" else set()
    asked = Intrinsic("name") if tag == "name" else Attribute("", tag)
    for span in spans:
        texts.update(
            value_text(value)
            for value in _singly(span.value_of(asked))
            if isinstance(value, (str, bool, int, float))
        )
    return sorted(texts)


def has_tags(trace: TraceView, tags: Mapping[str, str]) -> bool:
    """Whether the trace has each of the tags, on whatever span."""
    return all(_has_tag(trace, name, wanted) for name, wanted in tags.items())


def _has_tag(trace: TraceView, name: str, wanted: str) -> bool:
    if name == "status.code":
        return any(span.otlp.status_code == wanted for span in trace.spans)
    if name == "http.status_code" and wanted.isdigit():
        return any(span.otlp.attributes.get(name) == int(wanted) for span in trace.spans)
    texts = _texts(trace, name)
    if name in _COLUMNS:
        return any(wanted.lower() in text.lower() for text in texts)
    return wanted in texts


def _texts(trace: TraceView, name: str) -> list[str]:
    if name == "root.name":
        return [trace.root_name]
    if name == "root.service.name":
        return [trace.root_service]
    if name == "name":
        return [span.otlp.name for span in trace.spans]
    places = [place for span in trace.spans for place in (span.otlp.attributes, span.otlp.resource)]
    return [place[name] for place in places if isinstance(place.get(name), str)]


def _singly(value: Value) -> Iterator[Value]:
    if isinstance(value, tuple):
        yield from value
    elif value is not None:
        yield value
