"""Line filters and label filters as functions of a line and its labels."""

from __future__ import annotations

import operator
from collections.abc import Callable

from pytest_obsstack.embedded.loki.go_text import GoNumberError, parse_float
from pytest_obsstack.embedded.loki.logql.addresses import (
    AddressError,
    address_test,
    line_address_test,
)
from pytest_obsstack.embedded.loki.logql.errors import StageError
from pytest_obsstack.embedded.loki.logql.labels import EntryLabels
from pytest_obsstack.embedded.loki.logql.matchers import matcher_test
from pytest_obsstack.embedded.loki.logql.pattern_parser import PatternError, pattern_test
from pytest_obsstack.embedded.loki.logql.regexps import RegexpError, compile_search
from pytest_obsstack.embedded.loki.logql.syntax import (
    BothFilters,
    DurationFilter,
    EitherFilter,
    IpFilter,
    LabelFilter,
    LineFilter,
    LineFilterTerm,
    Matcher,
    NumberFilter,
    SizeFilter,
)
from pytest_obsstack.embedded.loki.logql.text import stage_text
from pytest_obsstack.embedded.loki.logql.units import UnitError, parse_go_duration, parse_size

LineTest = Callable[[str], bool]
LabelsTest = Callable[[EntryLabels], bool]

FILTER_ERROR = "LabelFilterErr"

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def line_test(stage: LineFilter) -> LineTest:
    """Whether a line passes; raises ``StageError``."""
    tests = [_term_test(stage, term) for term in stage.terms]
    if stage.op.startswith("!"):
        return lambda line: not any(test(line) for test in tests)
    return tests[0] if len(tests) == 1 else lambda line: any(test(line) for test in tests)


def _term_test(stage: LineFilter, term: LineFilterTerm) -> LineTest:
    """Whether a line has what the term says, negation aside."""
    text = term.text
    try:
        if term.is_ip:
            return line_address_test(text)
        if stage.op in ("|=", "!="):
            return lambda line: text in line
        if stage.op in ("|~", "!~"):
            search = compile_search(text).search
            return lambda line: search(line) is not None
        return pattern_test(text)
    except (AddressError, PatternError, RegexpError) as error:
        raise StageError(stage_text(stage), str(error)) from error


def labels_test(stage: LabelFilter) -> LabelsTest:
    """Whether labels pass; what cannot be converted passes with an error. Raises ``ParseError``."""
    if isinstance(stage, Matcher):
        name, test = stage.name, matcher_test(stage)
        return lambda labels: test(labels.get(name))
    if isinstance(stage, BothFilters):
        left, right = labels_test(stage.left), labels_test(stage.right)
        return lambda labels: left(labels) and right(labels)
    if isinstance(stage, EitherFilter):
        left, right = labels_test(stage.left), labels_test(stage.right)
        return lambda labels: left(labels) or right(labels)
    if isinstance(stage, IpFilter):
        return _ip_labels_test(stage)
    if isinstance(stage, NumberFilter):
        return _compared(stage.label, stage.op, stage.value, parse_float)
    if isinstance(stage, DurationFilter):
        return _compared(stage.label, stage.op, stage.duration_ns, parse_go_duration)
    return _size_test(stage)


def _size_test(stage: SizeFilter) -> LabelsTest:
    return _compared(stage.label, stage.op, stage.size_bytes, parse_size)


def _compared(label: str, op: str, amount: float, convert: Callable[[str], float]) -> LabelsTest:
    compare = _COMPARE[op]

    def test(labels: EntryLabels) -> bool:
        # Once a line has an error, only filters of text can remove it.
        if labels.error:
            return True
        if not labels.has(label):
            return False
        try:
            value = convert(labels.get(label))
        except (GoNumberError, UnitError) as error:
            labels.set_error(FILTER_ERROR, str(error))
            return True
        return compare(value, amount)

    return test


def _ip_labels_test(stage: IpFilter) -> LabelsTest:
    try:
        is_named = address_test(stage.pattern)
    except AddressError as error:
        raise StageError(stage_text(stage), str(error)) from error
    negated = stage.op == "!="

    def test(labels: EntryLabels) -> bool:
        if labels.error:
            return True
        return labels.has(stage.label) and is_named(labels.get(stage.label)) != negated

    return test
