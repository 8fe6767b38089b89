"""Which faults concern a test: from what its expectations looked at.

A fault in something that the test names (a tag, a span, a level) has to be noticed by this very
test. A fault in something else of a signal that it looks at (the user of an event of which it
expects the tags alone) has to be noticed by some test of the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_obsstack.evidence.mutation.catalog import Fault, fault
from pytest_obsstack.record.asserted import Asserted

_NAMES_AT_MOST = 5
_LOOKED_AT = ("present", "all")
_INSTANCE_LABELS = frozenset({"job", "instance", "service_instance_id", "__name__", "le"})
"""Labels that the collector makes of the resource or of the metric itself."""


@dataclass(frozen=True)
class Mutant:
    """One fault for one rerun of one test."""

    fault: Fault
    signals: tuple[str, ...]
    names: tuple[str, ...] = ()
    """What the fault is narrowed to; empty: everything of the signal."""
    text: str = ""
    named: bool = True
    """Whether the test names what is changed, so that it has to notice it itself."""

    @property
    def title(self) -> str:
        """``tag removed (errors): endpoint``."""
        shown = ", ".join(_shortened(name) for name in (*self.names, self.text) if name)
        return f"{self.fault.key}: {shown}" if shown else self.fault.key

    @property
    def advice(self) -> str:
        name = _shortened(self.names[0]) if self.names else "…"
        return self.fault.assertion.format(name=repr(name) if self.names else name)


def plan(facts: Sequence[Asserted], hints: Iterable[str] = ()) -> list[Mutant]:
    """The faults for a test with these facts, each once.

    ``hints`` are kinds of things that the test asks for by a client of its own, nobody knows in
    which of their fields: ``event``, ``transaction``, ``span``, ``line``, ``metric``.
    """
    seen = [*facts, *(Asserted(kind, "present", found=()) for kind in hints)]
    mutants = [
        *_of_errors(seen),
        *_of_transactions(seen),
        *_of_spans(seen),
        *_of_lines(seen),
        *_of_metrics(seen),
        *_of_secrets(seen, facts),
    ]
    return list(dict.fromkeys(mutants))


def unmutated(facts: Iterable[Asserted]) -> list[str]:
    """The expectations into which no fault is put, each once, and why not."""
    told = []
    for fact in facts:
        reason = _why_no_fault(fact)
        if reason is not None:
            names = ", ".join(_shortened(name) for name in fact.found)
            absent = "no " if fact.how == "absent" and fact.kind != "sampling" else ""
            kind = "" if fact.kind == "sampling" else f"{fact.kind} "
            told.append(f"{absent}{kind}{names}: {reason}")
    return list(dict.fromkeys(told))


def asks_for_alerts(facts: Iterable[Asserted]) -> bool:
    """Whether the test expects an alert, or that there is none."""
    return _any(facts, "alert")


def _why_no_fault(fact: Asserted) -> str | None:
    if fact.kind == "sampling":
        return "its requests have traces of their own, which no fault reaches"
    if fact.kind == "metric" and fact.how != "present":
        return "no fault makes a metric grow"
    if fact.kind != "alert" or "errors" in fact.fields:
        return None
    if "metrics" not in fact.fields:
        return "nobody knows of which telemetry its rule is made"
    return "no fault makes a metric grow" if fact.how == "absent" else None


def repeated(first: Sequence[Asserted], again: Sequence[Asserted]) -> list[Asserted]:
    """The facts of a test that was run ``again``, without texts that differ from run to run.

    Such a text, planted in the next run, would be one that nobody asks for there.
    """
    texts = {text for fact in first if fact.kind == "text" for text in fact.found}
    return [fact for fact in again if fact.kind != "text" or texts.issuperset(fact.found)]


def _of_errors(facts: Sequence[Asserted]) -> Iterator[Mutant]:
    found = [fact for fact in facts if fact.kind in ("issue", "event") and fact.how in _LOOKED_AT]
    if _once(facts, "event"):
        yield Mutant(fault("event delivered twice", "errors"), ("errors",))
    if _any(facts, "issue", "event", "transaction"):
        yield Mutant(fault("trace id changed", "errors"), ("errors", "transactions"))
    if not found:
        return
    fields = _fields(found)
    counted = _counted(found) or "count" in fields
    yield Mutant(fault("event dropped", "errors"), ("errors",))
    yield Mutant(fault("event duplicated", "errors"), ("errors",), named=counted)
    yield Mutant(fault("level changed", "errors"), ("errors",), named="level" in fields)
    events = [fact for fact in found if fact.kind == "event"]
    if not events:
        # What an alert hangs on is named, and of the rest of its event nobody has asked.
        if any(each.startswith("tags.") for each in fields):
            yield from _narrowed("tag removed", "errors", "tags", fields)
        if "environment" in fields:
            yield Mutant(fault("environment changed", "errors"), ("errors",))
        return
    yield from _narrowed("tag removed", "errors", "tags", fields)
    yield from _narrowed("context removed", "errors", "contexts", fields)
    for name, field in (
        ("user removed", "user"),
        ("environment changed", "environment"),
        ("breadcrumbs removed", "breadcrumbs"),
        ("stack trace removed", "frames"),
    ):
        named = any(each == field or each.startswith(f"{field}.") for each in fields)
        yield Mutant(fault(name, "errors"), ("errors",), named=named)


def _of_transactions(facts: Sequence[Asserted]) -> Iterator[Mutant]:
    found = [fact for fact in facts if fact.kind == "transaction" and fact.how in _LOOKED_AT]
    if not found:
        return
    fields = _fields(found)
    signals = ("transactions",)
    yield Mutant(fault("event dropped", "transactions"), signals)
    if _counted(found):
        yield Mutant(fault("event duplicated", "transactions"), signals, named=False)
    named = "environment" in fields
    yield Mutant(fault("environment changed", "transactions"), signals, named=named)
    for name, field in (("tag removed", "tags"), ("context removed", "contexts")):
        if any(each.startswith(f"{field}.") for each in fields):
            yield from _narrowed(name, "transactions", field, fields)


def _of_spans(facts: Sequence[Asserted]) -> Iterator[Mutant]:
    signals = ("spans",)
    if _any(facts, "span"):
        yield Mutant(fault("trace id changed", "spans"), signals)
    if _once(facts, "span"):
        yield Mutant(fault("span delivered twice", "spans"), signals)
    found = [fact for fact in facts if fact.kind == "span" and fact.how in _LOOKED_AT]
    if not found:
        return
    fields = _fields(found)
    for name in _names(fact for fact in found if fact.how == "present"):
        yield Mutant(fault("span dropped", "spans"), signals, names=(name,))
    for name in _names(fact for fact in found if fact.how == "all"):
        yield Mutant(fault("span dropped", "spans"), signals, names=(name,), named=False)
    if not _names(found):
        yield Mutant(fault("span dropped", "spans"), signals)
    if _counted(found):
        yield Mutant(fault("span duplicated", "spans"), signals, named=False)
    yield Mutant(fault("parent lost", "spans"), signals, named="parent" in fields)
    named = "environment" in fields
    yield Mutant(fault("environment changed", "spans"), signals, named=named)


def _of_lines(facts: Sequence[Asserted]) -> Iterator[Mutant]:
    signals = ("logs",)
    if _any(facts, "line"):
        yield Mutant(fault("trace id changed", "logs"), signals)
    if _once(facts, "line"):
        yield Mutant(fault("line delivered twice", "logs"), signals)
    found = [fact for fact in facts if fact.kind == "line" and fact.how in _LOOKED_AT]
    if not found:
        return
    for name in _names(fact for fact in found if fact.how == "present"):
        yield Mutant(fault("line dropped", "logs"), signals, names=(name,))
    for name in _names(fact for fact in found if fact.how == "all"):
        yield Mutant(fault("line dropped", "logs"), signals, names=(name,), named=False)
    if not _names(found):
        yield Mutant(fault("line dropped", "logs"), signals)
    if _counted(found):
        yield Mutant(fault("line duplicated", "logs"), signals, named=False)
    named = "level" in _fields(found)
    yield Mutant(fault("level changed", "logs"), signals, named=named)


def _of_metrics(facts: Sequence[Asserted]) -> Iterator[Mutant]:
    found = [fact for fact in facts if fact.kind == "metric" and fact.how == "present"]
    if not found:
        return
    signals = ("metrics",)
    yield Mutant(fault("metric frozen", "metrics"), signals)
    for label in sorted(_fields(found) - _INSTANCE_LABELS):
        yield Mutant(fault("label renamed", "metrics"), signals, names=(label,))


def _of_secrets(seen: Sequence[Asserted], facts: Sequence[Asserted]) -> Iterator[Mutant]:
    texts = dict.fromkeys(text for fact in facts if fact.kind == "text" for text in fact.found)
    errors = any(fact.kind in ("issue", "event") and fact.how in _LOOKED_AT for fact in seen)
    for text in texts:
        for signal in ("errors", "transactions", "spans", "logs"):
            if signal != "errors" or errors:
                yield Mutant(fault("secret left in", signal), (signal,), text=text)


def _narrowed(name: str, signal: str, field: str, fields: frozenset[str]) -> Iterator[Mutant]:
    """One for each key that is named, else one for all of them."""
    keys = sorted(each.partition(".")[2] for each in fields if each.startswith(f"{field}."))
    for key in keys:
        yield Mutant(fault(name, signal), (signal,), names=(key,))
    if not keys:
        yield Mutant(fault(name, signal), (signal,), named=field in fields)


def _any(facts: Iterable[Asserted], *kinds: str) -> bool:
    return any(fact.kind in kinds for fact in facts)


def _counted(facts: Iterable[Asserted]) -> bool:
    return any(fact.how == "all" for fact in facts)


def _once(facts: Iterable[Asserted], kind: str) -> bool:
    return any(fact.kind == kind and fact.how == "once" for fact in facts)


def _fields(facts: Iterable[Asserted]) -> frozenset[str]:
    return frozenset().union(*(fact.fields for fact in facts))


def _names(facts: Iterable[Asserted]) -> list[str]:
    found = dict.fromkeys(name for fact in facts for name in fact.found)
    return list(found)[:_NAMES_AT_MOST]


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
