"""Queries of data sources as Grafana takes them: whom they are for, when, and what is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.grafana.dashboards import Target
from pytest_obsstack.clients.grafana.frames import Frame, parse_frames
from pytest_obsstack.clients.grafana.models import DataSource
from pytest_obsstack.errors import BackendRefused, ObsstackError

Moment = float | str
"""Seconds since the epoch, or Grafana's relative time: ``now-5m``."""


class SourceReferences:
    """Data sources by uid or name, asked for only where a query has no uid of its own."""

    def __init__(self, fetch: Callable[[], tuple[DataSource, ...]]) -> None:
        self._fetch = fetch
        self._all: tuple[DataSource, ...] | None = None

    def reference(self, uid_or_name: str | None) -> dict[str, str]:
        """What a query names its data source by."""
        # Grafana's own: expressions on other queries' results, test data, dashboards.
        if uid_or_name is not None and uid_or_name.startswith(("__", "-")):
            return {"uid": uid_or_name, "type": uid_or_name}
        if self._all is None:
            self._all = self._fetch()
        found = [each for each in self._all if each.uid == uid_or_name]
        # A variable of type data source has this word for it.
        if uid_or_name in (None, "default"):
            found += [each for each in self._all if each.is_default]
        found += [each for each in self._all if each.name == uid_or_name]
        if found:
            return {"uid": found[0].uid, "type": found[0].type}
        wanted = "a default one" if uid_or_name is None else repr(uid_or_name)
        raise ObsstackError(
            "Grafana has not the data source that a query is for.",
            expected=wanted,
            found=", ".join(f"{each.uid!r} ({each.name})" for each in self._all) or "none at all",
            advice="correct the data source of the query or panel, or provision it in Grafana",
        )


def frames_of(target: Target, result: Any, http_status: int) -> tuple[Frame, ...]:
    """The frames of one query's result; ``BackendRefused`` where the data source refused it."""
    result = fields.mapping(result, f"the result of query {target.ref_id}")
    error = fields.optional_text(result, "error")
    if error is not None:
        raise BackendRefused(
            f"Grafana's data source {target.data_source or '(default)'} refused query "
            f"{target.ref_id}.",
            status=fields.optional_integer(result, "status") or http_status,
            expected="data, or none, but no error",
            found=error,
            advice="correct the query",
        )
    return parse_frames(result)


def moment_text(moment: Moment) -> str:
    """As the API takes it: milliseconds since the epoch, or a relative time as it is."""
    return moment if isinstance(moment, str) else str(int(moment * 1000))
