"""Whether Loki keeps what correlation needs: the service as a label, the trace id as metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_obsstack.provision.doctor.finding import Outcome, Skip, fail, ok, warn
from pytest_obsstack.provision.doctor.signals import log_canary
from pytest_obsstack.provision.doctor.subject import Subject

if TYPE_CHECKING:
    from pytest_obsstack.clients.loki.models import LogEntry

_LOOK_BACK_NS = 3600 * 1_000_000_000
_QUERY = '{service_name=~".+"} | trace_id!=""'


def labels(subject: Subject) -> Outcome:
    """On the canary's line; without one on the newest line of the last hour that has a trace id."""
    client = subject.loki
    try:
        outcome, entry = log_canary(subject)
    except Skip:
        pass
    else:
        if entry is None:
            raise Skip(f"the canary's line is not there: see log ({outcome.hop})")
        return _judged(entry)
    now_ns = int(subject.now_s() * 1e9)
    found = client.query_range(
        _QUERY, start_ns=now_ns - _LOOK_BACK_NS, end_ns=now_ns, limit=1, direction="backward"
    )
    if found:
        return _judged(found[0])
    if "service_name" not in client.labels(start_ns=now_ns - _LOOK_BACK_NS, end_ns=now_ns):
        return warn(
            "no stream of the last hour has the label service_name",
            "send logs by OTLP, whose service.name becomes that label, or have Loki discover "
            "service names (limits_config.discover_service_name)",
        )
    return warn(
        "no line of the last hour has a trace id",
        "send logs by OTLP with the active span: expectations on lines go by trace id",
    )


def _judged(entry: LogEntry) -> Outcome:
    service = entry.labels.get("service_name")
    if service is None:
        return fail(
            f"the line has no label service_name, but {', '.join(sorted(entry.labels)) or 'none'}",
            "let Loki keep service.name as a label: default_resource_attributes_as_index_labels",
        )
    if "trace_id" in entry.labels and "trace_id" not in entry.structured_metadata:
        return warn(
            "the trace id is a label of the stream",
            "send it as structured metadata, by OTLP: as a label each trace makes a stream",
        )
    if "trace_id" not in entry.structured_metadata:
        return fail(
            "the line's structured metadata has no trace_id",
            "allow structured metadata in Loki (limits_config.allow_structured_metadata, schema "
            "v13)",
        )
    return ok(f"service_name is a label ({service}), trace_id is structured metadata")
