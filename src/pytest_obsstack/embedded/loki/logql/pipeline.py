"""The stages of a query as one function: line and labels in; line out, or None for dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pytest_obsstack.embedded.loki.logql.filters import LineTest, labels_test, line_test
from pytest_obsstack.embedded.loki.logql.json_parser import json_stage, unpack_stage
from pytest_obsstack.embedded.loki.logql.label_stages import (
    decolorize_stage,
    drop_stage,
    keep_stage,
    label_format_stage,
    line_format_stage,
)
from pytest_obsstack.embedded.loki.logql.labels import EntryLabels
from pytest_obsstack.embedded.loki.logql.logfmt_parser import logfmt_stage
from pytest_obsstack.embedded.loki.logql.pattern_parser import pattern_stage, regexp_stage
from pytest_obsstack.embedded.loki.logql.syntax import (
    BothFilters,
    Decolorize,
    DropLabels,
    JsonParser,
    KeepLabels,
    LabelFilter,
    LabelFormat,
    LineFilter,
    LineFormat,
    LogfmtParser,
    Matcher,
    PatternParser,
    RegexpParser,
    Stage,
    UnpackParser,
)
from pytest_obsstack.embedded.loki.store import TRACE_ID

StageFunction = Callable[[str, EntryLabels], str | None]


class Pipeline:
    """Compiled stages. Raises ``ParseError`` for one that cannot work."""

    def __init__(self, stages: tuple[Stage, ...]) -> None:
        leading = 0
        while leading < len(stages) and isinstance(stages[leading], LineFilter):
            leading += 1
        self.line_tests: tuple[LineTest, ...] = tuple(
            line_test(stage) for stage in stages[:leading] if isinstance(stage, LineFilter)
        )
        """The line filters at the beginning: cheap, and asked before any label is looked at."""
        self._stages = [_stage_function(stage) for stage in stages[leading:]]
        self.trace_id = _trace_id(stages[leading:])
        """The trace id that every line that passes has in its metadata or labels, if any."""

    def run(self, line: str, labels: EntryLabels) -> str | None:
        """The line after all stages but ``line_tests``; None where one dropped it."""
        for stage in self._stages:
            changed = stage(line, labels)
            if changed is None:
                return None
            line = changed
        return line


def filter_stage(stage: LabelFilter) -> StageFunction:
    test = labels_test(stage)
    return lambda line, labels: line if test(labels) else None


def _stage_function(stage: Stage) -> StageFunction:
    if isinstance(stage, LineFilter):
        passes = line_test(stage)
        return lambda line, _: line if passes(line) else None
    if isinstance(stage, JsonParser):
        return json_stage(stage)
    if isinstance(stage, LogfmtParser):
        return logfmt_stage(stage)
    if isinstance(stage, PatternParser):
        return pattern_stage(stage)
    if isinstance(stage, RegexpParser):
        return regexp_stage(stage)
    if isinstance(stage, UnpackParser):
        return unpack_stage()
    if isinstance(stage, Decolorize):
        return decolorize_stage()
    if isinstance(stage, LineFormat):
        return line_format_stage(stage)
    if isinstance(stage, LabelFormat):
        return label_format_stage(stage)
    if isinstance(stage, DropLabels):
        return drop_stage(stage)
    if isinstance(stage, KeepLabels):
        return keep_stage(stage)
    return filter_stage(stage)


def _trace_id(stages: Iterable[Stage]) -> str | None:
    """What ``| trace_id="…"`` asks for before any stage that may set or remove that label."""
    for stage in stages:
        if isinstance(stage, LineFilter):
            continue
        if not isinstance(stage, LabelFilter):
            return None
        found = _demanded(stage)
        if found:
            return found
    return None


def _demanded(stage: LabelFilter) -> str | None:
    if isinstance(stage, BothFilters):
        return _demanded(stage.left) or _demanded(stage.right)
    if isinstance(stage, Matcher) and stage.op == "=" and stage.name == TRACE_ID:
        return stage.value or None
    return None
