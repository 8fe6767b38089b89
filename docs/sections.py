"""Parts of a page that a program writes: all between ``<!-- name -->`` and ``<!-- /name -->``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

_SECTION = re.compile(r"(<!-- (?P<name>[\w-]+) -->\n)(?P<body>.*?)(<!-- /(?P=name) -->)", re.DOTALL)


def names_in(page: str) -> list[str]:
    """The names of the sections, in order."""
    return [match["name"] for match in _SECTION.finditer(page)]


def filled(page: str, bodies: Mapping[str, str]) -> str:
    """The page with the sections that ``bodies`` has replaced; the others stay as they are."""

    def replacement(match: re.Match[str]) -> str:
        body = bodies.get(match["name"])
        text = match["body"] if body is None else body.rstrip("\n") + "\n"
        return match[1] + text + match[4]

    return _SECTION.sub(replacement, page)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def codes(names: Iterable[str]) -> str:
    """``a`` ``b`` ``c``, each in the font of code."""
    return " ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").strip()
