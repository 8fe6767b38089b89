"""What each kind of stack starts, and what may be chosen in its place: one table of legal pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import pytest

StackKind = Literal["embedded", "compose", "attach"]
Component = Literal["sentry", "collector", "prometheus", "loki", "tempo", "grafana", "app"]

COMPONENTS: tuple[str, ...] = get_args(Component)
GUIDE_PORTS: Mapping[str, int] = {
    "sentry": 9000,
    "app": 5000,
    "prometheus": 9090,
    "loki": 3100,
    "collector": 4318,
    "tempo": 3200,
    "grafana": 3000,
}
"""The ports of the guide, which a kept stack prefers."""

STARTED: Mapping[str, tuple[str, ...]] = {
    "embedded": ("sentry", "collector", "prometheus", "loki", "app"),
    "compose": COMPONENTS,
    "attach": (),
}
"""What each stack kind starts by itself."""

CHOICES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "embedded": {name: ("embedded",) for name in STARTED["embedded"] if name != "app"},
    "compose": {"sentry": ("glitchtip", "bugsink", "lite")},
    "attach": {},
}
"""The words that ``--obs-use COMPONENT=…`` takes, by stack kind, beside a URL."""

_ATTACH = "use --obs-stack=attach with a URL for each component"
_STARTS_APP = (
    f"starts the app itself; {_ATTACH}, or override the fixture obs_app_spec to return an AppSpec "
    "with that url"
)
_ALWAYS_OWN: Mapping[str, Mapping[str, str]] = {
    "embedded": {
        "sentry": f"the embedded stack cannot do without its own sentry; {_ATTACH}",
        "app": f"the embedded stack {_STARTS_APP}",
    },
    "compose": {
        "app": f"the stack of containers {_STARTS_APP}",
        **dict.fromkeys(
            ("collector", "prometheus", "loki", "tempo"),
            "the containers' pipeline ends in their own collector, prometheus, loki and tempo; "
            f"{_ATTACH}",
        ),
    },
}
"""Why a component of a stack cannot be at a URL."""


def is_url(choice: str) -> bool:
    """Whether a value of ``--obs-use`` is an address rather than a word."""
    return choice.startswith(("http://", "https://"))


def check_port(kind: StackKind, component: str, use: Mapping[str, str]) -> None:
    """Raise ``pytest.UsageError`` for a port of what a run of this kind does not start."""
    found = None
    if component not in STARTED[kind]:
        started = ", ".join(STARTED[kind]) or "nothing"
        found = f"--obs-stack={kind} starts {started}"
    elif is_url(use.get(component, "")):
        found = f"{component} is at {use[component]}"
    if found is not None:
        raise pytest.UsageError(
            f"--obs-port {component}=…: expected a component that this run starts; {found}"
        )


def check_choice(kind: str, component: str, choice: str) -> None:
    """Raise ``pytest.UsageError`` where the kind has no such choice, or cannot have a URL there."""
    if is_url(choice):
        always_own = _ALWAYS_OWN.get(kind, {})
        if component in always_own:
            raise pytest.UsageError(f"--obs-use {component}={choice}: {always_own[component]}")
        return
    legal = CHOICES[kind].get(component, ())
    if choice not in legal:
        words = ", ".join((*legal, "a URL (http://… or https://…)"))
        raise pytest.UsageError(
            f"--obs-use {component}={choice}: with --obs-stack={kind}, "
            f"{component} is one of: {words}"
        )
