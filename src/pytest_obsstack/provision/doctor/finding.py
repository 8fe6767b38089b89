"""What a check has found: one row of the table, one object of the JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

Status = Literal["ok", "warn", "fail", "skipped"]
STATUSES: tuple[Status, ...] = get_args(Status)


class Skip(Exception):
    """Raised by a check that cannot be made; the text is the reason."""


@dataclass(frozen=True)
class Outcome:
    """The result of one check of one part."""

    status: Status
    found: str
    """What was found, in one or two sentences; of a skipped check the reason."""
    do: str | None = None
    """What to do about it; ``None`` where there is nothing to do."""
    took_s: float | None = None
    """Seconds from a canary's start until it was found, or of a server's answer."""
    hop: str | None = None
    """Where a canary stopped: ``collector → Loki``."""


def ok(found: str, *, took_s: float | None = None) -> Outcome:
    return Outcome("ok", found, took_s=took_s)


def warn(found: str, do: str, *, took_s: float | None = None) -> Outcome:
    return Outcome("warn", found, do, took_s=took_s)


def fail(found: str, do: str, *, hop: str | None = None) -> Outcome:
    return Outcome("fail", found, do, hop=hop)


@dataclass(frozen=True)
class Finding:
    """One row."""

    check: str
    part: str | None
    """A component, an encoding, a signal or a package; ``None`` where the check has one row."""
    outcome: Outcome

    @property
    def label(self) -> str:
        return self.check if self.part is None else f"{self.check} {self.part}"

    def to_json(self) -> dict[str, Any]:
        return {
            "check": self.check,
            "part": self.part,
            "status": self.outcome.status,
            "found": self.outcome.found,
            "do": self.outcome.do,
            "hop": self.outcome.hop,
            "took_s": None if self.outcome.took_s is None else round(self.outcome.took_s, 3),
        }


@dataclass(frozen=True)
class Report:
    """All rows of one examination."""

    subject: str
    """What was examined, in words."""
    findings: Sequence[Finding]

    @property
    def counts(self) -> dict[str, int]:
        """How many rows have each status."""
        found = Counter(finding.outcome.status for finding in self.findings)
        return {status: found[status] for status in STATUSES}

    @property
    def exit_status(self) -> int:
        """1 where something failed, else 0: a warning is no failure."""
        return 1 if self.counts["fail"] else 0

    def to_json(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "exit_status": self.exit_status,
            "counts": self.counts,
            "checks": [finding.to_json() for finding in self.findings],
        }
