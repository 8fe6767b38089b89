"""What became of a rerun: noticed, not noticed, or something that says nothing about the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pytest

from pytest_obsstack.errors import CannotTell

Verdict = Literal["killed", "survived", "not applicable", "error"]

_RED = (AssertionError, CannotTell, pytest.fail.Exception)
_OF_MISSING_PARTS = (AttributeError, LookupError, TypeError, ValueError)
"""What a test gets from ``event.user.id``, ``event.breadcrumbs[-1]``, ``(event,) = events``."""


@dataclass(frozen=True)
class Outcome:
    """One rerun of a test with one fault."""

    fault: str
    """Name and signal: ``tag removed (errors)``."""
    title: str
    verdict: Verdict
    named: bool
    """Whether the test names what was changed."""
    detail: str = ""
    """The first line of the failure; of a survivor what was changed."""
    advice: str = ""
    seconds: float = 0.0
    kinds: tuple[str, ...] = ()
    """Which kinds of events were changed (``event ValueError``); none for other signals."""

    @property
    def keys(self) -> list[tuple[str, str]]:
        """What one test of the run has to notice: the fault, in each kind of event it changed."""
        return [(self.fault, kind) for kind in self.kinds or ("",)]


@dataclass(frozen=True)
class Checked:
    """A test and all its reruns; ``left_out`` says why there are none."""

    test: str
    outcomes: tuple[Outcome, ...] = ()
    left_out: str | None = None
    seconds: float = 0.0
    """Of all its reruns, the one without a fault too."""
    unmutated: tuple[str, ...] = ()
    """Expectations of the test into which no fault is put, each with the reason."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Checked:
        outcomes = tuple(
            Outcome(**{**each, "kinds": tuple(each["kinds"])}) for each in value["outcomes"]
        )
        unmutated = tuple(value["unmutated"])
        return cls(value["test"], outcomes, value["left_out"], value["seconds"], unmutated)


def verdict_of(error: BaseException | None, changed: Sequence[str]) -> tuple[Verdict, str]:
    """The verdict and its detail, from what ended the rerun (None: it passed).

    A test is red by its own assertion, by an absence that cannot be told, or because it looks into
    a part that is not there. A stack or an app that fails says nothing about it.
    """
    if error is None:
        if not changed:
            return "not applicable", "nothing arrived that it could change"
        return "survived", "; ".join(dict.fromkeys(changed))
    told = f"{type(error).__name__}: {first_line(error)}"
    if isinstance(error, _RED + _OF_MISSING_PARTS):
        return ("killed", told) if changed else ("error", f"failed without any change: {told}")
    return "error", told


def kinds_of(changed: Sequence[str]) -> tuple[str, ...]:
    """The kinds of events among what was changed, by exception, else by transaction."""
    kinds = (each.partition(":")[0] for each in changed)
    return tuple(sorted({kind for kind in kinds if kind.startswith("event")}))


def first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]
