"""Functions that change labels, and the labels that ``absent`` answers with."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pytest_obsstack.embedded.prometheus.engine.values import QueryError, Sample, Vector
from pytest_obsstack.embedded.prometheus.model import (
    METRIC_NAME,
    Labels,
    label_value,
    labels_of,
    with_labels,
)
from pytest_obsstack.embedded.prometheus.promql.ast import (
    Expr,
    Matcher,
    MatrixSelector,
    VectorSelector,
)
from pytest_obsstack.embedded.prometheus.promql.regex import RegexError, compile_pattern

_REFERENCE = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))", re.ASCII)


def label_replace(
    vector: Vector, target: str, template: str, source: str, pattern_text: str
) -> list[tuple[Sample, Labels]]:
    """Each sample with the labels that it had before."""
    try:
        pattern = compile_pattern(pattern_text)
    except RegexError:
        raise QueryError(f"invalid regular expression in label_replace(): {pattern_text}") from None
    if not target:
        raise QueryError(f"invalid destination label name in label_replace(): {target}")
    result: list[tuple[Sample, Labels]] = []
    for labels, value in vector:
        match = pattern.fullmatch(label_value(labels, source))
        changed = labels
        if match is not None:
            changed = with_labels(labels, {target: _expanded(template, pattern.groups, match)})
        result.append(((changed, value), labels))
    return result


def _expanded(template: str, groups: tuple[str, ...], match: re.Match[str]) -> str:
    """``$1``, ``${1}``, ``$name``, ``${name}``, ``$$``; a reference to nothing is empty."""

    def value_of(reference: re.Match[str]) -> str:
        name = reference[1] or reference[2]
        if name is None:
            return "$"
        if name.isdigit():
            return match[int(name)] or "" if int(name) < len(groups) else ""
        found = (match[index] for index, group in enumerate(groups) if group == name)
        return next((text for text in found if text is not None), "")

    return _REFERENCE.sub(value_of, template)


def label_join(
    vector: Vector, target: str, separator: str, sources: Iterable[str]
) -> list[tuple[Sample, Labels]]:
    """Each sample with the labels that it had before."""
    names = list(sources)
    for name in names:
        if not name:
            raise QueryError(f"invalid source label name in label_join(): {name}")
    if not target:
        raise QueryError(f"invalid destination label name in label_join(): {target}")
    result: list[tuple[Sample, Labels]] = []
    for labels, value in vector:
        joined = separator.join(label_value(labels, name) for name in names)
        result.append(((with_labels(labels, {target: joined}), value), labels))
    return result


def absent_labels(expr: Expr) -> Labels:
    """Of a selector the labels that are matched by equality once, of anything else none."""
    if isinstance(expr, MatrixSelector):
        matchers: tuple[Matcher, ...] = expr.selector.matchers
    elif isinstance(expr, VectorSelector):
        matchers = expr.matchers
    else:
        return ()
    labels: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in matchers:
        if matcher.name == METRIC_NAME:
            continue
        if matcher.operator == "=" and matcher.name not in seen:
            labels[matcher.name] = matcher.value
            seen.add(matcher.name)
        else:
            labels.pop(matcher.name, None)
    return labels_of(labels)
