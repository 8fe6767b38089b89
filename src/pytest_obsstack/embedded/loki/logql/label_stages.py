"""The stages that change labels or the line: drop, keep, label_format, line_format, decolorize."""

from __future__ import annotations

import re
from collections.abc import Callable

from pytest_obsstack.embedded.loki.logql.errors import StageError
from pytest_obsstack.embedded.loki.logql.labels import EntryLabels
from pytest_obsstack.embedded.loki.logql.matchers import TextTest, matcher_test
from pytest_obsstack.embedded.loki.logql.syntax import (
    DropLabels,
    KeepLabels,
    LabelFormat,
    LineFormat,
    Matcher,
)
from pytest_obsstack.embedded.loki.logql.template import (
    Template,
    TemplateError,
    TemplateSyntaxError,
)
from pytest_obsstack.embedded.loki.logql.text import stage_text

StageFunction = Callable[[str, EntryLabels], str | None]

TEMPLATE_ERROR = "TemplateFormatErr"
_COLOR = re.compile(r"\x1b\[[0-9;]*[a-zA-Z]")


def decolorize_stage() -> StageFunction:
    """The line without ANSI colour sequences."""
    return lambda line, _: _COLOR.sub("", line)


def drop_stage(stage: DropLabels) -> StageFunction:
    targets = _targets(stage.targets)

    def drop(line: str, labels: EntryLabels) -> str:
        for name, test in targets:
            if test is None or test(labels.get(name)):
                labels.delete(name)
        return line

    return drop


def keep_stage(stage: KeepLabels) -> StageFunction:
    """Labels of an error always stay."""
    targets = _targets(stage.targets)

    def keep(line: str, labels: EntryLabels) -> str:
        kept = {name for name, test in targets if test is None or test(labels.get(name))}
        for name in [name for name in labels.names() if name not in kept]:
            labels.delete(name)
        return line

    return keep


def _targets(targets: tuple[str | Matcher, ...]) -> list[tuple[str, TextTest | None]]:
    return [
        (target, None) if isinstance(target, str) else (target.name, matcher_test(target))
        for target in targets
    ]


def line_format_stage(stage: LineFormat) -> StageFunction:
    """The line that a template makes. Raises ``StageError``."""
    try:
        template = Template(stage.template, "line")
    except TemplateSyntaxError as error:
        raise StageError(stage_text(stage), f"invalid line template: {error}") from error

    def line_format(line: str, labels: EntryLabels) -> str:
        try:
            return template.render(labels.all(), line)
        except TemplateError as error:
            labels.set_error(TEMPLATE_ERROR, str(error))
            return line

    return line_format


def label_format_stage(stage: LabelFormat) -> StageFunction:
    """Labels from templates or other labels, all seen as they were before. ``StageError``."""
    rules: list[tuple[str, str | Template]] = []
    for rule in stage.assignments:
        if any(rule.label == name for name, _ in rules):
            reason = f"multiple label name '{rule.label}' not allowed in a single format operation"
            raise StageError(stage_text(stage), reason)
        try:
            source = rule.value if rule.renames else Template(rule.value, rule.label)
        except TemplateSyntaxError as error:
            reason = f"invalid template for label '{rule.label}': {error}"
            raise StageError(stage_text(stage), reason) from error
        rules.append((rule.label, source))

    def label_format(line: str, labels: EntryLabels) -> str:
        before = labels.all()
        for label, source in rules:
            if isinstance(source, str):
                if source in before:
                    labels.set(label, before[source])
                    labels.delete(source)
                continue
            try:
                labels.set(label, source.render(before, line))
            except TemplateError as error:
                labels.set_error(TEMPLATE_ERROR, str(error))
        return line

    return label_format
