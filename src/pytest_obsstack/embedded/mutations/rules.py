"""Which faults are active, for which trace, and what they have changed so far."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LOOK = "look"
"""Changes nothing, and tells what there is that a mutation of these signals would meet."""
MUTATIONS = (
    *("event dropped", "event duplicated", "event delivered twice", "tag removed"),
    *("breadcrumbs removed", "user removed", "context removed", "stack trace removed"),
    *("environment changed", "trace id changed", "level changed", "secret left in"),
    *("span dropped", "span duplicated", "span delivered twice", "parent lost"),
    *("line dropped", "line duplicated", "line delivered twice"),
    *("metric frozen", "label renamed", LOOK),
)
"""All that can be done to telemetry on its way in."""
SIGNALS = ("errors", "transactions", "spans", "logs", "metrics")

_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_CHANGES_KEPT = 100


class MutationError(ValueError):
    """Not a mutation that this server can carry out."""


@dataclass(frozen=True)
class Mutation:
    """One fault, for everything of one trace; for metrics, which have none, for one app instance.

    ``names`` narrows it: keys of tags, names of contexts, of spans or of labels, texts of lines;
    empty means all. ``text`` is the secret.
    """

    mutation: str
    trace_id: str
    signals: frozenset[str]
    names: tuple[str, ...] = ()
    text: str = ""
    instance: str = ""
    """``service.instance.id`` of the app."""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Mutation:
        """Raises ``MutationError`` that says what was expected and what was found."""
        unknown = sorted(set(value) - set(cls.__dataclass_fields__))
        if unknown:
            raise MutationError(f"not a mutation: unknown members {', '.join(unknown)}")
        if value.get("mutation") not in MUTATIONS:
            raise MutationError(
                f"no mutation {value.get('mutation')!r}, there are {', '.join(MUTATIONS)}"
            )
        trace_id = value.get("trace_id")
        if not isinstance(trace_id, str) or not _TRACE_ID.fullmatch(trace_id):
            raise MutationError(
                f"trace_id is {trace_id!r}, expected 32 hex digits in small letters"
            )
        signals = _texts(value, "signals")
        if not signals or not set(signals) <= set(SIGNALS):
            raise MutationError(
                f"signals are {list(signals)}, expected some of {', '.join(SIGNALS)}"
            )
        return cls(
            mutation=value["mutation"],
            trace_id=trace_id,
            signals=frozenset(signals),
            names=_texts(value, "names"),
            text=_text(value, "text"),
            instance=_text(value, "instance"),
        )

    def concerns(self, name: str) -> bool:
        """Whether something of that name is to be changed."""
        return not self.names or name in self.names


@dataclass
class Active:
    """A mutation that was begun, and what it has met."""

    rule: Mutation
    changed: list[str] = field(default_factory=list)
    """What was changed, in a few words each; the first hundred."""
    ready: bool = False
    """For metrics: whether the values at which they are frozen are known."""
    frozen: dict[Any, Any] = field(default_factory=dict)
    """For metrics: the point of each series when it was frozen, or the names that it was given."""

    def note(self, what: str) -> None:
        if len(self.changed) < _CHANGES_KEPT:
            self.changed.append(what)

    def describe(self) -> dict[str, Any]:
        return {
            "mutation": self.rule.mutation,
            "trace_id": self.rule.trace_id,
            "changed": list(self.changed),
            "ready": self.ready,
        }


class Mutations:
    """The faults of all traces; one a trace. Empty almost always, which costs a look a request."""

    def __init__(self) -> None:
        self._active: dict[str, Active] = {}
        self.ended: list[Active] = []
        """Label renames that are over: the renamed series have to be ended yet."""

    def __bool__(self) -> bool:
        return bool(self._active or self.ended)

    def begin(self, rule: Mutation) -> Active:
        """From now on; replaces an earlier mutation of the trace."""
        self.end(rule.trace_id)
        active = self._active[rule.trace_id] = Active(rule)
        return active

    def end(self, trace_id: str) -> Active | None:
        """From now on everything of the trace is left as it is."""
        active = self._active.pop(trace_id, None)
        if active is not None and active.rule.mutation == "label renamed" and active.frozen:
            self.ended.append(active)
        return active

    def of(self, trace_id: str | None, signal: str) -> Active | None:
        """The mutation that concerns this signal of the trace."""
        active = self._active.get(trace_id or "")
        return active if active is not None and signal in active.rule.signals else None

    def of_metrics(self, instance: str) -> Sequence[Active]:
        return [
            active
            for active in self._active.values()
            if "metrics" in active.rule.signals and active.rule.instance == instance
        ]

    def get(self, trace_id: str) -> Active | None:
        return self._active.get(trace_id)


def _texts(value: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = value.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise MutationError(f"{name} are {found!r}, expected a list of texts")
    return tuple(found)


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name, "")
    if not isinstance(found, str):
        raise MutationError(f"{name} is {found!r}, expected a text")
    return found
