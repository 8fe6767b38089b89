"""Write the generated parts of the pages: ``python -m docs.generate [--check] [--tables]``.

``--check`` writes nothing and exits with 1 where a page is not up to date. ``--tables`` leaves out
the messages: those of failed expectations, for which a stack is started, and of failed starts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from docs import claims, doctor, failures, servers, servers_in_containers, start_failures, tables
from docs.sections import filled, names_in

ROOT = Path(__file__).resolve().parents[1]
MESSAGES_FILE = "OBSSTACK_DOCS_MESSAGES"
"""Variable that tells the test of the messages where to write them, rather than to compare."""
MESSAGES_TEST = "tests/docs/test_messages.py"
WITHOUT_CODE = "failure-"
"""Sections of this prefix show the message alone."""


def pages() -> list[Path]:
    """All pages that may have generated parts."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def table_sections() -> dict[str, str]:
    """The bodies that need no stack, by name."""
    return {
        "options": tables.options_table(),
        **claims.sections(ROOT),
        "capabilities": tables.capabilities_table(),
        "trackers": tables.trackers_table(),
        "ordering": tables.ordering_table(),
        "memory": tables.memory_table(),
        "fences": tables.fences_table(),
        "layers": tables.layers_table(),
        "doctor-checks": doctor.checks_table(),
        "mutations": tables.mutations_table(),
        **servers.sections(),
        **servers_in_containers.sections(),
    }


def message_sections(messages: Mapping[str, str]) -> dict[str, str]:
    """The bodies of the examples, with their code and without."""
    found = {name: failures.section_of(name, text) for name, text in messages.items()}
    return found | {
        WITHOUT_CODE + name: failures.section_of(name, text, with_code=False)
        for name, text in messages.items()
    }


def start_sections(names: Sequence[str] = tuple(start_failures.CASES)) -> dict[str, str]:
    """The bodies of the cases of a stack of containers that does not start."""
    return {name: start_failures.section(name) for name in names}


def run_examples() -> dict[str, str]:
    """The messages of all examples, by name, from a pytest run with a stack of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "messages.json"
        command = [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *(f"--obs-home={folder}/home", MESSAGES_TEST),
        ]
        environment = {**os.environ, MESSAGES_FILE: str(path)}
        done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{MESSAGES_TEST} failed")
        messages: dict[str, str] = json.loads(path.read_text("utf-8"))
        return messages


def outdated(bodies: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Pages that differ from what they should be, with that."""
    for path in pages():
        page = path.read_text("utf-8")
        wanted = filled(page, bodies)
        if wanted != page:
            yield path, wanted


def unknown_sections(known: Sequence[str]) -> list[str]:
    """Sections of the pages that nobody writes."""
    return [
        f"{path.name}: {name}"
        for path in pages()
        for name in names_in(path.read_text("utf-8"))
        if name not in known
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m docs.generate")
    parser.add_argument("--check", action="store_true", help="write nothing, exit with 1")
    parser.add_argument("--tables", action="store_true", help="without the messages")
    arguments = parser.parse_args()
    bodies = table_sections()
    if not arguments.tables:
        bodies |= start_sections()
        bodies |= doctor.run_sections()
        bodies |= message_sections(run_examples())
    stale = list(outdated(bodies))
    for path, wanted in stale:
        print(f"{'not up to date' if arguments.check else 'written'}: {path.relative_to(ROOT)}")
        if not arguments.check:
            path.write_text(wanted, "utf-8")
    return 1 if stale and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
