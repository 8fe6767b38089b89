"""The two questions of every signal: is there one that matches, and is there really none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pytest_obsstack.errors import CannotTell
from pytest_obsstack.expect.context import Context
from pytest_obsstack.expect.diff import shortened
from pytest_obsstack.expect.fence import Settled
from pytest_obsstack.expect.matching import Candidate, describe_value, differences, nearest
from pytest_obsstack.expect.mismatch import Mismatch, fail, plural
from pytest_obsstack.record.asserted import field_names
from pytest_obsstack.record.hops import Hop
from pytest_obsstack.waiting import Waited, until

T = TypeVar("T")

_VALUE_WIDTH = 200
"""Characters of an expected value that are shown at most: where it differs is shown below."""

KEEP = "keep the stack: --obs-keep-stack"


@dataclass(frozen=True)
class Shortfall:
    """In what all that has arrived, taken together, is not as expected."""

    expected: str
    found: str
    nearest: Candidate | None = None
    others: tuple[str, ...] = ()
    advice: str | None = None
    final: bool = False
    """Whether nothing that may still arrive can make it good: there is too much of something."""


@dataclass(frozen=True)
class Question(Generic[T]):
    """One kind of thing that arrives: how to get it, compare it, name it, and trace its way."""

    backend: str
    """Where it is looked for: ``Sentry``, ``Loki``."""
    noun: str
    """``event``, ``span``, ``line``."""
    signal: str
    """What a fence settles: ``errors``, ``spans``, ``logs``."""
    fetch: Callable[[], Sequence[T]]
    """All of this test's trace, oldest first."""
    fields: Callable[[T], dict[str, Any]]
    title: Callable[[T], str]
    settle: Callable[[Context], Settled]
    hops: Callable[[Context], tuple[Hop, ...]]
    links: Callable[[], Sequence[str]]

    def one(self, context: Context, expected: dict[str, Any]) -> T:
        """The latest thing that matches; polls until the deadline, then fails with a message."""
        __tracebackhide__ = True
        candidates: list[Candidate] = []

        def poll() -> T | None:
            candidates.clear()
            match: T | None = None
            for thing in self.fetch():
                found = tuple(differences(expected, self.fields(thing)))
                candidates.append(Candidate(self.title(thing), found))
                # The latest: a test that makes the same error twice looks at the second one.
                match = match if found else thing
            return match

        waited = until(poll, timeout_s=context.timeout_s)
        if waited.value is None:
            fail(self._missed(context, expected, candidates, waited))
        names = self._names([waited.value])
        context.asserted.add(self.noun, "present", field_names(expected), names)
        return waited.value

    def _missed(
        self,
        context: Context,
        expected: dict[str, Any],
        candidates: Sequence[Candidate],
        waited: Waited[T],
    ) -> Mismatch:
        return Mismatch(
            summary=f"No {self.backend} {self.noun} matched within {waited.waited_s:.1f} s "
            f"({plural(waited.polls, 'poll')}).",
            expected=described(expected) or f"any {self.noun}",
            found=f"{plural(len(candidates), self.noun)} of trace {context.short_trace()}",
            nearest=nearest(candidates),
            hops=self.hops(context),
            look=(*self.links(), KEEP),
        )

    def none(self, context: Context, expected: dict[str, Any]) -> None:
        """Nothing matches, and nothing more can come; ``CannotTell`` where that is not proven."""
        __tracebackhide__ = True
        outcome = self.settle(context)
        # Only absence needs the fence: what is there is told, whether or not more may come.
        titles = self._matching(expected)
        if not titles:
            self._require(outcome, context, f"assert that there is no {self.noun}")
            context.asserted.add(self.noun, "absent", field_names(expected))
        else:
            fail(
                Mismatch(
                    summary=f"{self.backend} has {plural(len(titles), self.noun)} "
                    "that must not be there.",
                    expected=f"no {self.noun} {described(expected)}".rstrip(),
                    found=titles[0],
                    others=tuple(titles[1:]),
                    look=(*self.links(), KEEP),
                )
            )

    def _matching(self, expected: dict[str, Any]) -> list[str]:
        return [
            self.title(thing)
            for thing in self.fetch()
            if not differences(expected, self.fields(thing))
        ]

    def all(self, context: Context) -> tuple[T, ...]:
        """Everything of this test's trace, once arrival is proven settled."""
        __tracebackhide__ = True
        self._require(self.settle(context), context, f"count the {self.noun}s")
        found = tuple(self.fetch())
        context.asserted.add(self.noun, "all", (), self._names(found))
        return found

    def _names(self, things: Sequence[T]) -> list[str]:
        """What the self-check finds them again by: the names of spans, the texts of lines."""
        fields = [self.fields(thing) for thing in things]
        names = [each.get("name", each.get("line")) for each in fields]
        return list(dict.fromkeys(name for name in names if isinstance(name, str)))

    def together(
        self,
        context: Context,
        judge: Callable[[Sequence[T]], Shortfall | None],
        *,
        expected: Sequence[Mapping[str, Any]],
        summary: str,
        purpose: str | None = None,
    ) -> tuple[T, ...]:
        """All that arrived, once ``judge`` finds no fault with it; else fails with ``summary``.

        ``expected`` are the fields that ``judge`` compares, of each thing that it looks for.
        Polls until the deadline. With a ``purpose`` (as in "Cannot …") it is asked once, after
        arrival is proven settled; where that is not, only a final shortfall is told.
        """
        __tracebackhide__ = True
        things: tuple[T, ...] = ()
        shortfall: Shortfall | None = None

        def look() -> bool | None:
            nonlocal things, shortfall
            things = tuple(self.fetch())
            shortfall = judge(things)
            return True if shortfall is None or shortfall.final else None

        when = ""
        if purpose is None:
            waited = until(look, timeout_s=context.timeout_s)
            when = f" within {waited.waited_s:.1f} s ({plural(waited.polls, 'poll')})"
        else:
            outcome = self.settle(context)
            look()
            if shortfall is None or not shortfall.final:
                self._require(outcome, context, purpose)
        if shortfall is not None:
            fail(
                Mismatch(
                    summary=f"{summary}{'' if shortfall.final else when}.",
                    expected=shortfall.expected,
                    found=shortfall.found,
                    nearest=shortfall.nearest,
                    others=shortfall.others,
                    # Of what is there already the way is of no interest.
                    hops=() if shortfall.final else self.hops(context),
                    advice=shortfall.advice,
                    look=(*self.links(), KEEP),
                )
            )
        for each in expected:
            found = [thing for thing in things if not differences(dict(each), self.fields(thing))]
            context.asserted.add(self.noun, "present", field_names(each), self._names(found))
        if purpose is not None:
            context.asserted.add(self.noun, "all", (), self._names(things))
        return things

    def _require(self, outcome: Settled, context: Context, purpose: str) -> None:
        """Raise ``CannotTell`` unless the signal's fence is passed."""
        __tracebackhide__ = True
        if not outcome.proven:
            raise cannot_tell(purpose, outcome, self.signal, self.hops(context))


def cannot_tell(
    purpose: str, settled: Settled, signal: str, hops: Sequence[Hop] = ()
) -> CannotTell:
    """The error of an absence or a count that cannot be asserted."""
    # Where waiting could not have helped nobody has waited, and what has not come yet is no cause.
    hopeless = settled.polls == 0 and settled.advice is not None
    broken = None if hopeless else next((hop for hop in hops if hop.broken), None)
    stopped = "" if broken is None else f"\nstopped at {broken.name}: {broken.seen}"
    waited = f" after {settled.waited_s:.1f} s ({plural(settled.polls, 'poll')})"
    return CannotTell(
        f"Cannot {purpose}: it is not proven that all {signal} of this test have arrived.",
        expected="the fence of each request has arrived",
        found=f"{settled.reason}{waited if settled.polls else ''}{stopped}",
        advice=(broken.cause if broken else None)
        or settled.advice
        or "find out why it has not arrived; absence is never asserted on a guess",
    )


def described(expected: dict[str, Any]) -> str:
    """``ValueError, value 'x', tags {endpoint: '/error'}``."""
    parts = []
    for name, value in expected.items():
        plain = name in ("type", "name") and isinstance(value, str)
        text = shortened(value if plain else describe_value(value), _VALUE_WIDTH)
        parts.append(text if plain else f"{name} {text}")
    return ", ".join(parts)
