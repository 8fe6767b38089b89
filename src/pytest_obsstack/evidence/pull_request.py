"""A summary in Markdown for a pull request, from JUnit reports and proof records.

``python -m pytest_obsstack.evidence.pull_request [--every-claim] FILE… >> SUMMARY``, where each
FILE is a REPORT.xml of ``--junitxml`` or a PROOFS.json of ``--obs-proofs``. Needs no stack. A file
that is missing is told in the summary, and is no error: the run ended before it was written, and
its own status has told so. ``--every-claim`` ends with 1 where a claim is proven by no record.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_obsstack.errors import ObsstackError
from pytest_obsstack.evidence.proofs import Kind, Record, Verdict, read_record, verdict

SHOWN = 20
"""So many failed tests are shown with their messages."""
MESSAGE_LINES = 25
_EVERY_CLAIM = "--every-claim"
_WORDS: Mapping[Kind, str] = {
    "product": "proven on the product",
    "stand-in": "proven on a stand-in",
    "apart": "proven apart from the stack",
    "skipped": "skipped",
    "failed": "failed",
    "not run": "not run",
}


@dataclass(frozen=True)
class Failure:
    """A test that failed, as JUnit tells it."""

    name: str
    message: str


@dataclass(frozen=True)
class Report:
    """What a JUnit file tells."""

    tests: int
    skipped: Mapping[str, int]
    """Number by reason."""
    failures: tuple[Failure, ...]
    time_s: float

    @property
    def passed(self) -> int:
        return self.tests - sum(self.skipped.values()) - len(self.failures)


def read_report(text: str) -> Report:
    """Raises ``ObsstackError`` for what is no JUnit report."""
    try:
        # The run's own file.
        root = ET.fromstring(text)  # noqa: S314
    except ET.ParseError as error:
        raise ObsstackError(
            "A report cannot be read.",
            expected="JUnit's XML, as pytest --junitxml writes it",
            found=str(error),
        ) from error
    cases = list(root.iter("testcase"))
    skipped = Counter(
        mark.get("message", "no reason given") for case in cases for mark in case.iter("skipped")
    )
    return Report(
        tests=len(cases),
        skipped=dict(skipped.most_common()),
        failures=tuple(_failures(cases)),
        time_s=sum(float(suite.get("time", 0)) for suite in root.iter("testsuite")),
    )


def _failures(cases: Iterable[ET.Element]) -> Iterator[Failure]:
    for case in cases:
        wrong = next(
            (case.find(kind) for kind in ("failure", "error") if case.find(kind) is not None), None
        )
        if wrong is not None:
            name = f"{case.get('classname', '')}::{case.get('name', '')}"
            yield Failure(name, wrong.get("message") or wrong.text or "")


def report_lines(name: str, report: Report) -> Iterator[str]:
    """One report: numbers, failures with their messages, reasons of skips."""
    mark = "❌" if report.failures else "✅"
    counts = [f"{report.passed} passed"]
    if report.failures:
        counts.append(f"{len(report.failures)} failed")
    if report.skipped:
        counts.append(f"{sum(report.skipped.values())} skipped")
    yield f"### {mark} {name}: {', '.join(counts)} in {report.time_s:.0f} s"
    for failure in report.failures[:SHOWN]:
        lines = failure.message.strip().splitlines()
        more = len(lines) - MESSAGE_LINES
        yield from ("", f"`{failure.name}`", "", *_fenced(lines[:MESSAGE_LINES]))
        if more > 0:
            yield f"… {more} more lines in the report"
    if len(report.failures) > SHOWN:
        yield from ("", f"… and {len(report.failures) - SHOWN} more")
    if report.skipped:
        yield from ("", "<details><summary>Why tests were skipped</summary>", "")
        yield from _table(
            ("tests", "reason"),
            [(str(number), reason) for reason, number in report.skipped.items()],
        )
        yield from ("", "</details>")


def record_lines(name: str, record: Record) -> Iterator[str]:
    """One proof record: what ran, and what it proves of the claims."""
    verdicts = {claim: verdict(proof, record.stack) for claim, proof in record.claims.items()}
    counts = Counter(found.kind for found in verdicts.values())
    told = [f"{counts[kind]} {words}" for kind, words in _WORDS.items() if counts[kind]]
    yield f"### Claims on `{record.stack.kind}` ({name}): {', '.join(told) or 'none'}"
    if record.stack.products:
        ran = [(component, str(p)) for component, p in record.stack.products.items()]
        yield from ("", *_table(("component", "what ran"), ran))
    rows = [(f"`{claim}`", _WORDS[v.kind], _told(v)) for claim, v in verdicts.items()]
    yield from ("", "<details><summary>Every claim</summary>", "")
    yield from _table(("claim", "on this stack", "how"), rows)
    yield from ("", "</details>")


def _told(found: Verdict) -> str:
    parts = []
    if found.proven and found.on:
        parts.append(", ".join(dict.fromkeys(map(str, (*found.on, *found.beside)))))
    if found.passed < found.ran and found.proven:
        parts.append(f"{found.passed} of {found.ran} tests")
    return "; ".join([*parts, *found.reasons])


def summary(files: Sequence[Path]) -> str:
    """The whole text, in the order of the files; their kind is told by their endings."""
    parts: list[str] = []
    for path in files:
        if not path.is_file():
            parts.append(f"### ❌ {path.name}: the run ended before it was written")
        elif path.suffix == ".json":
            parts += record_lines(path.stem, read_record(path))
        else:
            parts += report_lines(path.stem, read_report(path.read_text("utf-8")))
        parts.append("")
    return "\n".join(parts)


def _fenced(lines: Sequence[str]) -> Iterator[str]:
    # Longer than any fence that a message may contain.
    fence = "`" * 6
    yield from (f"{fence}text", *lines, fence)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for cells in (header, ["---"] * len(header), *rows):
        yield "| " + " | ".join(c.replace("|", "\\|").replace("\n", " ") for c in cells) + " |"


def unproven(records: Iterable[Record]) -> list[str]:
    """The claims that no record proves, in the order of their ids."""
    claims: set[str] = set()
    proven: set[str] = set()
    for record in records:
        claims |= record.claims.keys()
        proven |= {
            claim for claim, proof in record.claims.items() if verdict(proof, record.stack).proven
        }
    return sorted(claims - proven)


def together(files: Sequence[Path]) -> tuple[str, bool]:
    """What all records prove together, and whether that is every claim."""
    records = [read_record(path) for path in files if path.suffix == ".json" and path.is_file()]
    if not records:
        return "### ❌ Claims: no run has written what it proved", False
    missing = unproven(records)
    number = len(set().union(*(record.claims for record in records)))
    if not missing:
        return f"### ✅ Claims: each of the {number} is proven by one of the runs at least", True
    listed = "\n".join(f"- `{claim}`" for claim in missing)
    return f"### ❌ Claims: {len(missing)} of {number} are proven by no run\n\n{listed}", False


def main(arguments: Sequence[str]) -> int:
    files = [Path(argument) for argument in arguments if argument != _EVERY_CLAIM]
    if not files:
        print(__doc__, file=sys.stderr)  # noqa: T201 - a program's output
        return 2
    try:
        text, complete = together(files) if _EVERY_CLAIM in arguments else ("", True)
        print(f"{text}\n\n{summary(files)}" if text else summary(files))  # noqa: T201
    except ObsstackError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
