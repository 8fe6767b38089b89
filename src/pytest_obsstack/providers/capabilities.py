"""What a stack can show and do; a test that needs more skips with that reason."""

from __future__ import annotations

from collections.abc import Mapping

MEANINGS: Mapping[str, str] = {
    "issues": "errors are grouped into issues that can be queried",
    "tags": "events and issues can be searched by tag",
    "breadcrumbs": "events carry their breadcrumbs",
    "issue_status": "issues can be resolved through the tracker's API",
    "transactions": "transactions can be queried",
    "spans": "spans can be queried by trace",
    "metrics": "metrics can be queried with PromQL",
    "logs": "log lines can be queried with LogQL",
    "releases": "releases are kept",
    "accounts": "the error tracker's API manages organisations, projects and keys",
    "alerts": "alert rules notify a webhook",
    "otlp_traces": "spans sent over OTLP reach the error tracker",
    "exemplars": "metrics carry exemplars with trace ids",
    "ui": "the error tracker has pages that a person can log in to",
    "tracker_spans": "the error tracker shows spans by trace",
    "settled_errors": "it can be proven that all errors of a test have arrived",
    "faults": "components can be stopped and started",
    "injection": "requests to a component can be made to fail, and its settings changed",
    "app_control": "this run starts the app itself and can start it with other settings",
    "exact_metrics": "nobody but this test changes the app's counters",
    "writes": "tests may create and change things on the stack",
    "compose": "the stack runs in containers",
    "tracker_workers": "the error tracker is web, worker and scheduler on Postgres and Redis",
    "grafana": "Grafana is part of the stack",
}
"""Every capability with what it means; no other word is legal in ``obs_requires``."""

EMBEDDED = frozenset(MEANINGS) - {"compose", "grafana", "tracker_workers"}
NEEDS_CONTROL = frozenset({"faults", "injection"})
NEEDS_WRITES = frozenset({"writes", "alerts", "issue_status"})


def unknown(names: tuple[str, ...]) -> list[str]:
    """Those of ``names`` that are no capability."""
    return [name for name in names if name not in MEANINGS]
