"""Selectors and pipelines: the part of the grammar between ``{`` and the end of the last stage.

Every list of what could have come next is the one that Loki's parser tells in that place.
"""

from __future__ import annotations

from typing import cast

from pytest_obsstack.embedded.loki.go_text import parse_float
from pytest_obsstack.embedded.loki.logql.errors import ParseError
from pytest_obsstack.embedded.loki.logql.lexer import (
    BYTES,
    DURATION,
    IDENTIFIER,
    NUMBER,
    PARSER_FLAG,
    STRING,
    TokenStream,
)
from pytest_obsstack.embedded.loki.logql.matchers import matcher_test
from pytest_obsstack.embedded.loki.logql.syntax import (
    BothFilters,
    CompareOp,
    Decolorize,
    DropLabels,
    DurationFilter,
    EitherFilter,
    IpFilter,
    JsonParser,
    KeepLabels,
    LabelAssignment,
    LabelExtraction,
    LabelFilter,
    LabelFormat,
    LineFilter,
    LineFilterOp,
    LineFilterTerm,
    LineFormat,
    LogfmtParser,
    Matcher,
    MatchOp,
    NumberFilter,
    PatternParser,
    RegexpParser,
    SizeFilter,
    Stage,
    UnpackParser,
    Unwrap,
)
from pytest_obsstack.embedded.loki.logql.units import format_size, parse_size

_MATCH_OPS = ("=", "=~", "!~", "!=")
_LINE_FILTER_OPS = ("|=", "|~", "|>", "!=", "!~", "!>")
_COMPARE_OPS = ("==", ">", ">=", "<", "<=")
_CONVERSION_TOKENS = {
    "BYTES_CONV": "bytes",
    "DURATION_CONV": "duration",
    "DURATION_SECONDS_CONV": "duration_seconds",
}
_EMPTY_SELECTOR = (
    "queries require at least one regexp or equality matcher that does not have an "
    'empty-compatible value. For instance, app=~".*" does not meet this requirement, but app=~".+" '
    "will"
)


def parse_selector(tokens: TokenStream) -> tuple[Matcher, ...]:
    """``{a="b", c=~"d"}``; the braces may be empty."""
    tokens.expect("{")
    if tokens.take("}"):
        return ()
    matchers = [_matcher(tokens, IDENTIFIER, "}")]
    while not tokens.take("}"):
        if not tokens.take(","):
            raise tokens.unexpected("}", ",")
        matchers.append(_matcher(tokens, IDENTIFIER))
    return tuple(matchers)


def check_selective(matchers: tuple[Matcher, ...]) -> None:
    """Raise ``ParseError`` where every stream could match, as Loki does before it reads any."""
    if all(matcher_test(matcher)("") for matcher in matchers):
        raise ParseError(_EMPTY_SELECTOR)


def _matcher(tokens: TokenStream, *expected: str) -> Matcher:
    if tokens.peek.kind != IDENTIFIER:
        raise tokens.unexpected(*expected)
    name = tokens.advance().text
    op = tokens.take(*_MATCH_OPS)
    if op is None:
        raise tokens.unexpected(*_MATCH_OPS)
    return Matcher(name, cast("MatchOp", op.kind), tokens.expect(STRING).text)


def parse_pipeline(
    tokens: TokenStream, *, unwraps: bool = False
) -> tuple[tuple[Stage, ...], Unwrap | None]:
    """The stages that follow, and the ``unwrap`` that ends them where one is allowed."""
    stages: list[Stage] = []
    while True:
        if tokens.peek.kind in _LINE_FILTER_OPS:
            stages.append(_line_filter(tokens))
        elif tokens.take("|"):
            if tokens.peek.kind == "unwrap" and unwraps:
                return tuple(stages), _unwrap(tokens)
            stages.append(_stage(tokens))
        else:
            return tuple(stages), None


def _line_filter(tokens: TokenStream) -> LineFilter:
    op = cast("LineFilterOp", tokens.advance().kind)
    terms = [_line_filter_term(tokens)]
    while tokens.take("or"):
        terms.append(_line_filter_term(tokens))
    return LineFilter(op, tuple(terms))


def _line_filter_term(tokens: TokenStream) -> LineFilterTerm:
    if tokens.peek.kind == "ip":
        return LineFilterTerm(_ip_call(tokens), is_ip=True)
    return LineFilterTerm(tokens.expect(STRING, "ip").text)


def _ip_call(tokens: TokenStream) -> str:
    tokens.expect("ip")
    tokens.expect("(")
    text = tokens.expect(STRING).text
    tokens.expect(")")
    return text


def _stage(tokens: TokenStream) -> Stage:
    kind = tokens.peek.kind
    if kind in (IDENTIFIER, "("):
        return parse_label_filter(tokens)
    if kind == "json":
        tokens.advance()
        return JsonParser(_extractions(tokens))
    if kind == "logfmt":
        tokens.advance()
        return _logfmt(tokens)
    if kind in ("pattern", "regexp"):
        tokens.advance()
        text = tokens.expect(STRING).text
        return PatternParser(text) if kind == "pattern" else RegexpParser(text)
    if kind in ("unpack", "decolorize"):
        tokens.advance()
        return UnpackParser() if kind == "unpack" else Decolorize()
    if kind == "line_format":
        tokens.advance()
        return LineFormat(tokens.expect(STRING).text)
    if kind == "label_format":
        tokens.advance()
        return LabelFormat(_assignments(tokens))
    if kind in ("drop", "keep"):
        tokens.advance()
        targets = _targets(tokens)
        return DropLabels(targets) if kind == "drop" else KeepLabels(targets)
    raise tokens.unexpected()


def _logfmt(tokens: TokenStream) -> LogfmtParser:
    flags = set()
    while flag := tokens.take(PARSER_FLAG):
        flags.add(flag.text)
    return LogfmtParser(_extractions(tokens), "--strict" in flags, "--keep-empty" in flags)


def _extractions(tokens: TokenStream) -> tuple[LabelExtraction, ...]:
    found: list[LabelExtraction] = []
    if tokens.peek.kind != IDENTIFIER:
        return ()
    while True:
        label = tokens.expect(IDENTIFIER).text
        # A label alone stands for the field of its name.
        expression = tokens.expect(STRING).text if tokens.take("=") else label
        found.append(LabelExtraction(label, expression))
        if not tokens.take(","):
            return tuple(found)


def _assignments(tokens: TokenStream) -> tuple[LabelAssignment, ...]:
    found: list[LabelAssignment] = []
    while True:
        label = tokens.expect(IDENTIFIER).text
        tokens.expect("=")
        value = tokens.take(IDENTIFIER, STRING)
        if value is None:
            raise tokens.unexpected(IDENTIFIER, STRING)
        found.append(LabelAssignment(label, value.text, value.kind == IDENTIFIER))
        if not tokens.take(","):
            return tuple(found)


def _targets(tokens: TokenStream) -> tuple[str | Matcher, ...]:
    found: list[str | Matcher] = []
    while True:
        name = tokens.expect(IDENTIFIER).text
        op = tokens.take(*_MATCH_OPS)
        value = tokens.expect(STRING).text if op else ""
        found.append(Matcher(name, cast("MatchOp", op.kind), value) if op else name)
        if not tokens.take(","):
            return tuple(found)


def parse_label_filter(tokens: TokenStream) -> LabelFilter:
    """Filters joined by ``or``, which binds least."""
    left = _joined_filters(tokens)
    while tokens.take("or"):
        left = EitherFilter(left, _joined_filters(tokens))
    return left


def _joined_filters(tokens: TokenStream) -> LabelFilter:
    """Filters joined by ``and``, a comma, or by nothing at all."""
    left = _single_filter(tokens)
    while tokens.take("and", ",") or tokens.peek.kind in (IDENTIFIER, "("):
        left = BothFilters(left, _single_filter(tokens))
    return left


def _single_filter(tokens: TokenStream) -> LabelFilter:
    if tokens.take("("):
        inner = parse_label_filter(tokens)
        if not tokens.take(")"):
            raise tokens.unexpected()
        return inner
    if tokens.peek.kind != IDENTIFIER:
        raise tokens.unexpected(IDENTIFIER, "(")
    label = tokens.advance().text
    op = tokens.take(*_MATCH_OPS, *_COMPARE_OPS)
    if op is None:
        raise tokens.unexpected()
    if op.kind in ("=~", "!~"):
        return Matcher(label, cast("MatchOp", op.kind), tokens.expect(STRING).text)
    if op.kind in ("=", "!="):
        if text := tokens.take(STRING):
            return Matcher(label, "=" if op.kind == "=" else "!=", text.text)
        if tokens.peek.kind == "ip":
            return IpFilter(label, "=" if op.kind == "=" else "!=", _ip_call(tokens))
    return _measured_filter(tokens, label, cast("CompareOp", op.kind))


def _measured_filter(tokens: TokenStream, label: str, op: CompareOp) -> LabelFilter:
    if duration := tokens.take(DURATION):
        return DurationFilter(label, op, duration.amount)
    if size := tokens.take(BYTES):
        # Loki's frontend hands the query on as text, in which a size has only two digits left.
        return SizeFilter(label, op, parse_size(format_size(size.amount)))
    if tokens.peek.kind not in (NUMBER, "+", "-"):
        raise tokens.unexpected()
    return NumberFilter(label, op, parse_number(tokens))


def parse_number(tokens: TokenStream) -> float:
    """A number with or without a sign."""
    sign = tokens.take("+", "-")
    number = tokens.expect(NUMBER).text
    value = float(int(number, 16)) if number[:2].lower() == "0x" else parse_float(number)
    return -value if sign is not None and sign.kind == "-" else value


def _unwrap(tokens: TokenStream) -> Unwrap:
    tokens.expect("unwrap")
    conversion = tokens.take(*_CONVERSION_TOKENS)
    if conversion is None:
        label = tokens.expect(IDENTIFIER, *_CONVERSION_TOKENS).text
        return _with_filters(tokens, label, "")
    tokens.expect("(")
    label = tokens.expect(IDENTIFIER).text
    tokens.expect(")")
    return _with_filters(tokens, label, _CONVERSION_TOKENS[conversion.kind])


def _with_filters(tokens: TokenStream, label: str, conversion: str) -> Unwrap:
    filters = []
    while tokens.take("|"):
        filters.append(parse_label_filter(tokens))
    return Unwrap(label, conversion, tuple(filters))  # type: ignore[arg-type]
