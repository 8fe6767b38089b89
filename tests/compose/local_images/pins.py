"""What of ``requirements/dev.txt`` an image needs: the named packages and all that they need.

The lock file says behind each pin why it is there ("via …"), which is the graph of dependencies
read backwards. So the same versions with the same hashes run in the images and outside of them, and
nothing is resolved anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tests.compose.local_images.steps import BuildError

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)(?:\s*;\s*(?P<marker>[^\\]+))?")
_COMPARISON = re.compile(r"^(\w+)\s*(==|!=|<=|>=|<|>)\s*'([^']*)'$")


@dataclass(frozen=True)
class Pin:
    """One locked release."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    needed_by: frozenset[str]
    """Names of packages, and the project itself as ``pytest-obsstack (pyproject.toml)``."""


@dataclass(frozen=True)
class Target:
    """The Python that a pin's marker is asked about: CPython on Linux, as Debian has it."""

    python: str
    """``3.11``"""

    @property
    def facts(self) -> dict[str, str]:
        return {
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
            "platform_system": "Linux",
            "os_name": "posix",
            "platform_python_implementation": "CPython",
            "implementation_name": "cpython",
        }


def parse_lock(text: str) -> list[Pin]:
    """The pins of a lock file with hashes and "via" comments, in its order."""
    pins: list[Pin] = []
    for block in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE):
        match = _PIN.match(block)
        if match is None:
            continue
        _, _, reasons = block.partition("# via")
        pins.append(
            Pin(
                name=match["name"],
                version=match["version"],
                marker=(match["marker"] or "").strip(),
                hashes=tuple(re.findall(r"--hash=(\S+)", block)),
                needed_by=frozenset(
                    reason
                    for line in reasons.splitlines()
                    if (reason := line.strip().lstrip("#").strip())
                ),
            )
        )
    return pins


def holds(marker: str, target: Target) -> bool:
    """Whether an environment marker is true for ``target``; comparisons joined by ``and``."""
    return all(_compare(part.strip(), marker, target) for part in marker.split(" and ") if part)


def _compare(comparison: str, marker: str, target: Target) -> bool:
    match = _COMPARISON.match(comparison)
    if match is None or match[1] not in target.facts:
        raise BuildError(
            "requirements/dev.txt: expected markers of comparisons joined by and, found"
            f" {marker!r}; teach tests/compose/local_images/pins.py this kind"
        )
    name, operator, expected = match.groups()
    found = target.facts[name]
    if operator in {"==", "!="}:
        return (found == expected) == (operator == "==")
    left, right = _version(found), _version(expected)
    return {
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }[operator]


def _version(text: str) -> tuple[int, ...]:
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    return tuple(numbers + [0] * (3 - len(numbers)))


def closure(pins: Iterable[Pin], roots: Iterable[str], target: Target) -> list[Pin]:
    """The pins of ``roots`` and of everything that those need, as far as ``target`` needs them."""
    fitting = [pin for pin in pins if holds(pin.marker, target)]
    wanted = set(roots)
    missing = wanted - {pin.name for pin in fitting}
    if missing:
        raise BuildError(
            f"expected pins of {', '.join(sorted(missing))} in requirements/dev.txt, found none;"
            " run ./dev lock, or change the list in tests/compose/local_images/recipes.py"
        )
    grown = True
    while grown:
        more = {pin.name for pin in fitting if pin.needed_by & wanted} - wanted
        wanted |= more
        grown = bool(more)
    return [pin for pin in fitting if pin.name in wanted]


def requirements_text(pins: Iterable[Pin]) -> str:
    """A requirements file of these pins with their hashes and without markers."""
    return "".join(
        f"{pin.name}=={pin.version}" + "".join(f" --hash={h}" for h in pin.hashes) + "\n"
        for pin in pins
    )
