"""Variables in provisioning files, expanded as Grafana does.

Source: pkg/services/provisioning/values and Go's ``os.Expand``: ``$NAME`` and ``${NAME}`` are
variables of the environment, unknown ones are empty, ``$$`` is one ``$``; ``$__env{NAME}`` and
``$__file{path}`` come first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_EXPANDER = re.compile(r"\$__(\w+)\{([^}]+)\}")
# A name in braces, a name, or one of the shell's special parameters; "${}" is eaten whole.
_VARIABLE = re.compile(
    r"\$(?:\{(?P<braced>[^}]*)\}|(?P<name>[A-Za-z_]\w*)|(?P<special>[*#$@!?\-0-9]))"
)


class BadExpansion(ValueError):
    """An expander that there is not, or one that failed."""


def expanded(value: Any, environment: Mapping[str, str]) -> Any:
    """A copy of the value with all texts below it expanded; keys stay as they are."""
    if isinstance(value, str):
        return expanded_text(value, environment)
    if isinstance(value, list):
        return [expanded(each, environment) for each in value]
    if isinstance(value, dict):
        return {key: expanded(each, environment) for key, each in value.items()}
    return value


def expanded_text(text: str, environment: Mapping[str, str]) -> str:
    def expander(match: re.Match[str]) -> str:
        kind, argument = match.groups()
        if kind == "env":
            return environment.get(argument, "")
        if kind == "file":
            try:
                return Path(argument).read_text().strip()
            except OSError as error:
                raise BadExpansion(f"failed to interpolate value {text!r}: {error}") from error
        raise BadExpansion(f"failed to interpolate value {text!r}: no expander {kind!r}")

    def variable(match: re.Match[str]) -> str:
        return environment.get(match["braced"] or match["name"] or "", "")

    parts = text.split("$$")
    return "$".join(_VARIABLE.sub(variable, _EXPANDER.sub(expander, part)) for part in parts)
