"""An expression written as Prometheus formats it (``/api/v1/format_query``)."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_obsstack.embedded.go_quote import quote
from pytest_obsstack.embedded.prometheus.format import duration_text, plain_float
from pytest_obsstack.embedded.prometheus.model import METRIC_NAME, is_legacy_name
from pytest_obsstack.embedded.prometheus.promql.ast import (
    Aggregation,
    Binary,
    Call,
    Expr,
    Matcher,
    MatrixSelector,
    NumberLiteral,
    Paren,
    StringLiteral,
    Subquery,
    Unary,
    VectorSelector,
)

_MAX_LINE = 100
_INDENT = "  "


def pretty(expr: Expr, level: int = 0) -> str:
    """The expression on lines of at most 100 characters, where it can be broken."""
    indent = _INDENT * level
    fits = len(text(expr).encode()) <= _MAX_LINE
    if isinstance(expr, Unary):
        return f"{indent}{expr.operator}{pretty(expr.expr, level).strip()}"
    if isinstance(expr, Subquery):
        # Prometheus leaves out the indent of a subquery that fits.
        return text(expr) if fits else pretty(expr.expr, level) + _subquery_suffix(expr)
    if fits or isinstance(expr, (VectorSelector, MatrixSelector, NumberLiteral, StringLiteral)):
        return indent + text(expr)
    if isinstance(expr, Aggregation):
        parameter = "" if expr.parameter is None else pretty(expr.parameter, level + 1) + ",\n"
        inner = pretty(expr.expr, level + 1)
        return f"{indent}{_aggregation_head(expr)}(\n{parameter}{inner}\n{indent})"
    if isinstance(expr, Call):
        inner = ",\n".join(pretty(arg, level + 1) for arg in expr.args)
        return f"{indent}{expr.function.name}(\n{inner}\n{indent})"
    if isinstance(expr, Paren):
        return f"{indent}(\n{pretty(expr.expr, level + 1)}\n{indent})"
    left, right = pretty(expr.left, level + 1), pretty(expr.right, level + 1)
    return f"{left}\n{indent}{_operator(expr)}\n{right}"


def text(expr: Expr) -> str:
    """The expression on one line."""
    if isinstance(expr, NumberLiteral):
        return _number(expr)
    if isinstance(expr, StringLiteral):
        return quote(expr.value)
    if isinstance(expr, VectorSelector):
        return _selector(expr) + _modifiers(expr)
    if isinstance(expr, MatrixSelector):
        duration = duration_text(expr.range_ms)
        return f"{_selector(expr.selector)}[{duration}]{_modifiers(expr.selector)}"
    if isinstance(expr, Subquery):
        return text(expr.expr) + _subquery_suffix(expr)
    if isinstance(expr, Call):
        return f"{expr.function.name}({', '.join(map(text, expr.args))})"
    if isinstance(expr, Aggregation):
        parameter = "" if expr.parameter is None else f"{text(expr.parameter)}, "
        return f"{_aggregation_head(expr)}({parameter}{text(expr.expr)})"
    if isinstance(expr, Binary):
        return f"{text(expr.left)} {_operator(expr)} {text(expr.right)}"
    if isinstance(expr, Unary):
        return f"{expr.operator}{text(expr.expr)}"
    return f"({text(expr.expr)})"


def _number(literal: NumberLiteral) -> str:
    if not literal.is_duration:
        return plain_float(literal.value)
    sign = "-" if literal.value < 0 else ""
    return sign + duration_text(round(abs(literal.value) * 1000))


def _selector(selector: VectorSelector) -> str:
    shown = sorted(_matcher(m) for m in selector.matchers if not _is_the_name(m, selector))
    return selector.name + ("{" + ",".join(shown) + "}" if shown else "")


def _is_the_name(matcher: Matcher, selector: VectorSelector) -> bool:
    named = matcher.name == METRIC_NAME and matcher.operator == "="
    return named and matcher.value == selector.name != ""


def _matcher(matcher: Matcher) -> str:
    name = matcher.name if is_legacy_name(matcher.name) else quote(matcher.name)
    return f"{name}{matcher.operator}{quote(matcher.value)}"


def _modifiers(expr: VectorSelector | Subquery) -> str:
    at = ""
    if expr.at is not None:
        kind = expr.at.kind
        at = f" @ {expr.at.timestamp_ms / 1000:.3f}" if kind == "time" else f" @ {kind}()"
    if expr.offset_ms == 0:
        return at
    sign = "-" if expr.offset_ms < 0 else ""
    return f"{at} offset {sign}{duration_text(abs(expr.offset_ms))}"


def _subquery_suffix(expr: Subquery) -> str:
    step = "" if expr.step_ms is None else duration_text(expr.step_ms)
    return f"[{duration_text(expr.range_ms)}:{step}]{_modifiers(expr)}"


def _label_list(labels: Iterable[str]) -> str:
    return ", ".join(label if _needs_no_quotes(label) else quote(label) for label in labels)


def _needs_no_quotes(label: str) -> bool:
    return is_legacy_name(label.replace(":", "_"))


def _aggregation_head(expr: Aggregation) -> str:
    if expr.without:
        return f"{expr.operator} without ({_label_list(expr.grouping)}) "
    return f"{expr.operator} by ({_label_list(expr.grouping)}) " if expr.grouping else expr.operator


def _operator(expr: Binary) -> str:
    operator = expr.operator + (" bool" if expr.return_bool else "")
    matching = expr.matching
    if "scalar" in (expr.left.type, expr.right.type) or not (matching.labels or matching.on):
        return operator
    operator += f" {'on' if matching.on else 'ignoring'} ({', '.join(matching.labels)})"
    if matching.cardinality in ("many-to-one", "one-to-many"):
        side = "left" if matching.cardinality == "many-to-one" else "right"
        operator += f" group_{side} ({', '.join(matching.include)})"
    return operator
