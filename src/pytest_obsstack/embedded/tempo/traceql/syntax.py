"""The tree of a query, and how Tempo prints it in its errors."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_obsstack.embedded.tempo.traceql.values import Duration, Keyword, Value


@dataclass(frozen=True)
class Static:
    """A literal."""

    value: Value

    def __str__(self) -> str:
        value = self.value
        if isinstance(value, str):
            return f"`{value}`"
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, Duration):
            return go_duration(value.ns)
        return value.word if isinstance(value, Keyword) else str(value)


@dataclass(frozen=True)
class Attribute:
    """``span.http.route``; ``scope`` is empty where it may be the span's or the resource's."""

    scope: str
    name: str

    def __str__(self) -> str:
        return f"{self.scope}.{self.name}"


@dataclass(frozen=True)
class Intrinsic:
    """What each span has: ``name``, ``status``, ``trace:id``, …; by Tempo's own name for it."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Binary:
    """A comparison, ``&&`` or ``||``."""

    operator: str
    left: Expression
    right: Expression

    def __str__(self) -> str:
        return f"{_operand(self.left)} {self.operator} {_operand(self.right)}"


@dataclass(frozen=True)
class Not:
    """``!x``."""

    operand: Expression

    def __str__(self) -> str:
        return f"!{_operand(self.operand)}"


@dataclass(frozen=True)
class Exists:
    """``x != nil``, or ``x = nil`` if ``present`` is false."""

    operand: Expression
    present: bool

    def __str__(self) -> str:
        return f"{_operand(self.operand)} {'!=' if self.present else '='} nil"


Expression = Static | Attribute | Intrinsic | Binary | Not | Exists


@dataclass(frozen=True)
class Filter:
    """``{ … }``: the spans of a trace that fit."""

    expression: Expression

    def __str__(self) -> str:
        return f"{{ {self.expression} }}"


@dataclass(frozen=True)
class Join:
    """``{ … } && { … }`` (both found spans) or ``||``: the spans of either."""

    operator: str
    left: Spanset
    right: Spanset


Spanset = Filter | Join


def _operand(expression: Expression) -> str:
    text = str(expression)
    return text if isinstance(expression, (Static, Attribute, Intrinsic)) else f"({text})"


def go_duration(duration_ns: int) -> str:
    """As Go prints a duration: ``1.5s``, ``2m0s``, ``250ms``."""
    if duration_ns == 0:
        return "0s"
    sign, rest = ("-", -duration_ns) if duration_ns < 0 else ("", duration_ns)
    for unit, size in (("ns", 1), ("µs", 10**3), ("ms", 10**6)):
        if rest < size * 1000:
            return f"{sign}{_decimal(rest, size)}{unit}"
    minutes, below = divmod(rest, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{text}{_decimal(below, 10**9)}s"


def _decimal(amount: int, size: int) -> str:
    whole, rest = divmod(amount, size)
    digits = f"{rest:0{len(str(size)) - 1}d}".rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)
