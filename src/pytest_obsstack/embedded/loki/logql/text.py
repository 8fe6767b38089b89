"""Queries as text, as Loki prints them in error messages and in ``format_query``."""

from __future__ import annotations

from pytest_obsstack.embedded.go_quote import quote
from pytest_obsstack.embedded.loki.go_text import format_duration, format_float
from pytest_obsstack.embedded.loki.logql.syntax import (
    BinaryOperation,
    BothFilters,
    Decolorize,
    DropLabels,
    DurationFilter,
    EitherFilter,
    Expr,
    Grouping,
    IpFilter,
    JsonParser,
    KeepLabels,
    LabelAssignment,
    LabelExtraction,
    LabelFormat,
    LabelReplace,
    LineFilter,
    LineFormat,
    LogfmtParser,
    LogQuery,
    LogRange,
    Matcher,
    Matching,
    NumberFilter,
    NumberLiteral,
    PatternParser,
    RangeAggregation,
    RegexpParser,
    SizeFilter,
    Stage,
    VectorAggregation,
    VectorLiteral,
)
from pytest_obsstack.embedded.loki.logql.units import format_size


def query_text(query: Expr) -> str:
    """The query on one line, in Loki's spacing."""
    if isinstance(query, LogQuery):
        return " ".join([selector_text(query.matchers), *map(stage_text, query.stages)])
    if isinstance(query, NumberLiteral):
        return format_float(query.value)
    if isinstance(query, VectorLiteral):
        return f"vector({query.value:f})"
    if isinstance(query, RangeAggregation):
        parameter = "" if query.parameter is None else f"{format_float(query.parameter)},"
        call = f"{query.op}({parameter}{range_text(query.log_range)})"
        return call + (f" {_grouping_text(query.grouping)}" if query.grouping else "")
    if isinstance(query, VectorAggregation):
        grouping = f" {_grouping_text(query.grouping)} " if query.grouping else ""
        parameter = "" if query.parameter is None else f"{query.parameter},"
        return f"{query.op}{grouping}({parameter}{query_text(query.inner)})"
    if isinstance(query, BinaryOperation):
        modifier = " bool" if query.returns_bool else ""
        modifier += _matching_text(query.matching)
        return f"({query_text(query.left)} {query.op}{modifier} {query_text(query.right)})"
    return _label_replace_text(query)


def _label_replace_text(query: LabelReplace) -> str:
    texts = (query.target, query.replacement, query.source, query.pattern)
    return f"label_replace({query_text(query.inner)},{','.join(map(quote, texts))})"


def range_text(log_range: LogRange) -> str:
    text = query_text(log_range.query)
    unwrap = log_range.unwrap
    if unwrap is not None:
        label = f"{unwrap.conversion}({unwrap.label})" if unwrap.conversion else unwrap.label
        text += f" | unwrap {label}" + "".join(f" {stage_text(one)}" for one in unwrap.filters)
    text += f"[{_short_duration(log_range.range_ns)}]"
    if log_range.offset_ns:
        text += f" offset {_short_duration(log_range.offset_ns)}"
    return text


def _short_duration(duration_ns: int) -> str:
    text = format_duration(duration_ns)
    text = text.removesuffix("0s") if text.endswith("m0s") else text
    return text.removesuffix("0m") if text.endswith("h0m") else text


def _grouping_text(grouping: Grouping) -> str:
    return f"{'without' if grouping.without else 'by'} ({','.join(grouping.labels)})"


def _matching_text(matching: Matching) -> str:
    text = ""
    if matching.on or matching.labels:
        text = f" {'on' if matching.on else 'ignoring'} ({','.join(matching.labels)})"
    if matching.group:
        text += f" group_{matching.group} ({','.join(matching.include)})"
    return text


def selector_text(matchers: tuple[Matcher, ...]) -> str:
    return "{" + ", ".join(matcher_text(matcher) for matcher in matchers) + "}"


def matcher_text(matcher: Matcher) -> str:
    return f"{matcher.name}{matcher.op}{quote(matcher.value)}"


def stage_text(stage: Stage) -> str:
    """A stage with the sign that begins it: ``| json``, ``|= "text"``."""
    if isinstance(stage, LineFilter):
        terms = (f"ip({quote(t.text)})" if t.is_ip else quote(t.text) for t in stage.terms)
        return f"{stage.op} " + " or ".join(terms)
    return f"| {_inner_text(stage)}"


def _inner_text(stage: Stage) -> str:
    if isinstance(stage, (JsonParser, LogfmtParser)):
        return _extracting_text(stage)
    if isinstance(stage, PatternParser):
        return f"pattern {quote(stage.pattern)}"
    if isinstance(stage, RegexpParser):
        return f"regexp {quote(stage.pattern)}"
    if isinstance(stage, Decolorize):
        return "decolorize"
    if isinstance(stage, LineFormat):
        return f"line_format {quote(stage.template)}"
    if isinstance(stage, LabelFormat):
        return "label_format " + ",".join(map(_assignment_text, stage.assignments))
    if isinstance(stage, (DropLabels, KeepLabels)):
        word = "drop" if isinstance(stage, DropLabels) else "keep"
        targets = (t if isinstance(t, str) else matcher_text(t) for t in stage.targets)
        return f"{word} {','.join(targets)}"
    return _filter_text(stage)


def _extracting_text(parser: JsonParser | LogfmtParser) -> str:
    words = ["json" if isinstance(parser, JsonParser) else "logfmt"]
    if isinstance(parser, LogfmtParser):
        words += ["--strict"] * parser.strict + ["--keep-empty"] * parser.keep_empty
    if parser.extractions:
        words.append(",".join(map(_extraction_text, parser.extractions)))
    return " ".join(words)


def _extraction_text(extraction: LabelExtraction) -> str:
    return f"{extraction.label}={quote(extraction.expression)}"


def _assignment_text(assignment: LabelAssignment) -> str:
    value = assignment.value if assignment.renames else quote(assignment.value)
    return f"{assignment.label}={value}"


def _filter_text(stage: Stage) -> str:
    if isinstance(stage, Matcher):
        return matcher_text(stage)
    if isinstance(stage, NumberFilter):
        return f"{stage.label}{stage.op}{format_float(stage.value)}"
    if isinstance(stage, DurationFilter):
        return f"{stage.label}{stage.op}{format_duration(stage.duration_ns)}"
    if isinstance(stage, SizeFilter):
        return f"{stage.label}{stage.op}{format_size(stage.size_bytes)}"
    if isinstance(stage, IpFilter):
        return f"{stage.label}{stage.op}ip({quote(stage.pattern)})"
    if isinstance(stage, BothFilters):
        return f"( {_filter_text(stage.left)} , {_filter_text(stage.right)} )"
    if isinstance(stage, EitherFilter):
        return f"( {_filter_text(stage.left)} or {_filter_text(stage.right)} )"
    return "unpack"
