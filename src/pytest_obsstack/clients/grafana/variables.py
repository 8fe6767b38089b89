"""Template variables of a dashboard, and texts with their values in place of their names.

https://grafana.com/docs/grafana/latest/dashboards/variables/variable-syntax/. Grafana does this in
the browser, so a query that goes to its API must have it done. What begins with two underscores
(``$__rate_interval``, ``${__range}``) is left alone: Grafana's own server replaces it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw
from pytest_obsstack.errors import ObsstackError

Values = Mapping[str, str | Sequence[str]]
"""Of each variable its value, or its several values."""

_ALL = "$__all"
_REFERENCE = re.compile(
    r"\$(?P<plain>\w+)"
    r"|\$\{(?P<braced>\w+)(?:\.[^:^}]+)?(?::(?P<format>[^}]+))?\}"
    r"|\[\[(?P<bracketed>\w+)(?::(?P<bracketed_format>\w+))?\]\]"
)
_SPECIAL = re.compile(r"[\\^$.*+?()\[\]{}|]")


@dataclass(frozen=True)
class Variable:
    """One variable as the dashboard defines it, with what is selected."""

    name: str
    type: str
    """``query``, ``custom``, ``constant``, ``textbox``, ``interval``, ``datasource``."""
    values: tuple[str, ...]
    """None where only the browser finds them out, when it loads the dashboard."""
    several: bool
    """Whether more than one may be selected, so that queries must treat it as a pattern."""
    verbatim: bool = False
    """Whether the value is a pattern of its own: what the dashboard has for "All"."""
    raw: Raw = field(default_factory=dict, repr=False, compare=False)


def parse_variable(raw: Any) -> Variable:
    raw = fields.mapping(raw, "a template variable")
    kind = fields.text(raw, "type")
    own_all = fields.optional_text(raw, "allValue")
    is_all = _ALL in _current(raw)
    return Variable(
        name=fields.text(raw, "name"),
        type=kind,
        values=(own_all,) if is_all and own_all is not None else _selected(raw, kind),
        several=bool(fields.optional_bool(raw, "multi") or fields.optional_bool(raw, "includeAll")),
        verbatim=is_all and own_all is not None,
        raw=raw,
    )


def with_values(variables: Sequence[Variable], given: Values) -> dict[str, Variable]:
    """The variables by name, with the given values in place of those that are selected.

    ``ObsstackError`` for a given one that the dashboard has not.
    """
    known = {variable.name: variable for variable in variables}
    for name, value in given.items():
        if name not in known:
            names = ", ".join(map(repr, known))
            raise ObsstackError(
                f"The dashboard has no variable {name!r}.",
                expected=f"one of {names}" if names else "no value: it has no variables",
                found=f"variables={dict(given)!r}",
            )
        values = (value,) if isinstance(value, str) else tuple(value)
        known[name] = replace(known[name], values=values, verbatim=False)
    return known


def replaced(node: Any, variables: Mapping[str, Variable]) -> Any:
    """The JSON with every reference to a variable replaced in every text of it."""
    if isinstance(node, str):
        return _REFERENCE.sub(lambda match: _value(match, variables), node)
    if isinstance(node, list):
        return [replaced(item, variables) for item in node]
    if isinstance(node, Mapping):
        return {key: replaced(item, variables) for key, item in node.items()}
    return node


def _value(match: re.Match[str], variables: Mapping[str, Variable]) -> str:
    name = match["plain"] or match["braced"] or match["bracketed"]
    # Of another name it is no reference: `$1` in label_replace, `$__range`.
    if name not in variables:
        return match[0]
    variable = variables[name]
    if not variable.values:
        raise ObsstackError(
            f"The dashboard's variable {name!r} has no value.",
            expected="a value that is saved with the dashboard, or given",
            found="a variable whose values the browser asks for when it loads the dashboard",
            advice=f"give it: variables={{{name!r}: …}}",
        )
    if variable.verbatim:
        return variable.values[0]
    kind = match["format"] or match["bracketed_format"]
    if kind is None:
        return _in_query(variable.values) if variable.several else ",".join(variable.values)
    if kind not in _FORMATS:
        raise ObsstackError(
            f"The format of {match[0]} is not supported here.",
            expected=f"one of {', '.join(_FORMATS)}",
            found=repr(kind),
        )
    return _FORMATS[kind](variable.values)


def _current(raw: Raw) -> tuple[str, ...]:
    value = fields.optional_mapping(raw, "current").get("value")
    found = value if isinstance(value, list) else [value]
    return tuple(str(each) for each in found if each not in (None, ""))


def _selected(raw: Raw, kind: str) -> tuple[str, ...]:
    current = _current(raw)
    if _ALL in current:
        options = fields.optional_mappings(raw, "options", "an option")
        return tuple(
            str(each["value"]) for each in options if each.get("value") not in (None, _ALL)
        )
    query = raw.get("query")
    if current or not isinstance(query, str):
        return current
    # Nothing is saved: these kinds say themselves what they begin with.
    if kind in ("constant", "textbox"):
        return (query,)
    if kind in ("custom", "interval") and query:
        return (query.split(",")[0].strip(),)
    return ()


def _regex(values: Sequence[str]) -> str:
    escaped = [_SPECIAL.sub(lambda special: "\\" + special[0], value) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def _in_query(values: Sequence[str]) -> str:
    """As Prometheus' and Loki's plugins do it: the pattern stands in a quoted text.

    https://grafana.com/docs/grafana/latest/datasources/prometheus/template-variables/
    """
    return _regex(values).replace("\\", "\\\\")


_FORMATS: Mapping[str, Callable[[tuple[str, ...]], str]] = {
    "raw": ",".join,
    "csv": ",".join,
    "pipe": "|".join,
    "regex": _regex,
}
