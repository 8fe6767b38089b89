"""The syntax tree of LogQL. Times are nanoseconds, sizes bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MatchOp = Literal["=", "!=", "=~", "!~"]
CompareOp = Literal["=", "==", "!=", ">", ">=", "<", "<="]
LineFilterOp = Literal["|=", "!=", "|~", "!~", "|>", "!>"]


@dataclass(frozen=True)
class Matcher:
    """A label compared with a text or an anchored regular expression."""

    name: str
    op: MatchOp
    value: str


# Stages of a pipeline -----------------------------------------------------------------------------


@dataclass(frozen=True)
class LineFilterTerm:
    text: str
    is_ip: bool = False


@dataclass(frozen=True)
class LineFilter:
    """Terms joined by ``or``; a negated filter takes a line that none of them matches."""

    op: LineFilterOp
    terms: tuple[LineFilterTerm, ...]


@dataclass(frozen=True)
class LabelExtraction:
    """``label="expression"`` of ``json`` and ``logfmt``."""

    label: str
    expression: str


@dataclass(frozen=True)
class JsonParser:
    extractions: tuple[LabelExtraction, ...] = ()


@dataclass(frozen=True)
class LogfmtParser:
    extractions: tuple[LabelExtraction, ...] = ()
    strict: bool = False
    keep_empty: bool = False


@dataclass(frozen=True)
class PatternParser:
    pattern: str


@dataclass(frozen=True)
class RegexpParser:
    pattern: str


@dataclass(frozen=True)
class UnpackParser:
    pass


@dataclass(frozen=True)
class Decolorize:
    pass


@dataclass(frozen=True)
class NumberFilter:
    label: str
    op: CompareOp
    value: float


@dataclass(frozen=True)
class DurationFilter:
    label: str
    op: CompareOp
    duration_ns: int


@dataclass(frozen=True)
class SizeFilter:
    label: str
    op: CompareOp
    size_bytes: int


@dataclass(frozen=True)
class IpFilter:
    label: str
    op: Literal["=", "!="]
    pattern: str


@dataclass(frozen=True)
class BothFilters:
    left: LabelFilter
    right: LabelFilter


@dataclass(frozen=True)
class EitherFilter:
    left: LabelFilter
    right: LabelFilter


LabelFilter = (
    Matcher | NumberFilter | DurationFilter | SizeFilter | IpFilter | BothFilters | EitherFilter
)


@dataclass(frozen=True)
class LineFormat:
    template: str


@dataclass(frozen=True)
class LabelAssignment:
    """``label="template"``, or ``label=other`` (a renaming)."""

    label: str
    value: str
    renames: bool


@dataclass(frozen=True)
class LabelFormat:
    assignments: tuple[LabelAssignment, ...]


@dataclass(frozen=True)
class DropLabels:
    """Names, or matchers that say at which value."""

    targets: tuple[str | Matcher, ...]


@dataclass(frozen=True)
class KeepLabels:
    targets: tuple[str | Matcher, ...]


Stage = (
    LineFilter
    | JsonParser
    | LogfmtParser
    | PatternParser
    | RegexpParser
    | UnpackParser
    | Decolorize
    | LabelFilter
    | LineFormat
    | LabelFormat
    | DropLabels
    | KeepLabels
)


# Queries ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LogQuery:
    matchers: tuple[Matcher, ...]
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True)
class Unwrap:
    """The label whose value is the sample; ``filters`` come after the conversion."""

    label: str
    conversion: Literal["", "bytes", "duration", "duration_seconds"] = ""
    filters: tuple[LabelFilter, ...] = ()


@dataclass(frozen=True)
class LogRange:
    query: LogQuery
    range_ns: int
    offset_ns: int = 0
    unwrap: Unwrap | None = None


@dataclass(frozen=True)
class Grouping:
    labels: tuple[str, ...]
    without: bool = False


@dataclass(frozen=True)
class RangeAggregation:
    op: str
    log_range: LogRange
    grouping: Grouping | None = None
    parameter: float | None = None


@dataclass(frozen=True)
class VectorAggregation:
    op: str
    inner: MetricExpr
    grouping: Grouping | None = None
    parameter: int | None = None


@dataclass(frozen=True)
class Matching:
    """How the series of two vectors are paired. ``group`` names the side with several."""

    on: bool = False
    labels: tuple[str, ...] = ()
    group: Literal["", "left", "right"] = ""
    include: tuple[str, ...] = ()


@dataclass(frozen=True)
class BinaryOperation:
    op: str
    left: MetricExpr
    right: MetricExpr
    matching: Matching = Matching()
    returns_bool: bool = False


@dataclass(frozen=True)
class NumberLiteral:
    value: float


@dataclass(frozen=True)
class VectorLiteral:
    value: float


@dataclass(frozen=True)
class LabelReplace:
    inner: MetricExpr
    target: str
    replacement: str
    source: str
    pattern: str


MetricExpr = (
    RangeAggregation
    | VectorAggregation
    | BinaryOperation
    | NumberLiteral
    | VectorLiteral
    | LabelReplace
)
Expr = LogQuery | MetricExpr
