"""Whether a test's spans have the expected shapes, and both trees drawn where they have not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from pytest_obsstack.expect.matching import Candidate
from pytest_obsstack.expect.mismatch import plural
from pytest_obsstack.expect.question import Shortfall
from pytest_obsstack.expect.shape import Fit, Fitting, SpanShape
from pytest_obsstack.expect.shape_tree import SpanTree, drawn
from pytest_obsstack.expect.span_fields import span_title, status_of

if TYPE_CHECKING:
    from pytest_obsstack.clients.spans import Span

_LINES_SHOWN = 40
_DIFFERS, _MISSING, _EXTRA, _LOST = "differs", "missing", "not expected", "parent lost"


def fit_of(
    shapes: Sequence[SpanShape], spans: Sequence[Span], callers: Collection[str], *, exactly: bool
) -> tuple[list[Fit], SpanTree]:
    """The best fit of each shape on the tree of these spans."""
    tree = SpanTree(spans, callers)
    return Fitting(tree, exactly).fits(shapes), tree


def shortfall_of(
    fits: Sequence[Fit], tree: SpanTree, trace: str, *, exactly: bool
) -> Shortfall | None:
    """What is said where the spans have not the shapes; ``None`` where they have."""
    every = [each for fit in fits for each in fit.walk()]
    taken = {each.span.span_id: each for each in every if each.span is not None}
    extra = [span for span in tree.spans if span.span_id not in taken] if exactly else []
    if not any(fit.cost for fit in fits) and not extra:
        return None
    wrong = next((each for each in every if each.span is None or each.differences), None)
    return Shortfall(
        expected="\n".join(_shortened(drawn(fits, lambda fit: fit.children, _wanted))),
        found="\n".join(
            [
                f"{plural(len(tree.spans), 'span')} of trace {trace}",
                *_shortened(tree.draw(lambda span: _label(span, taken, tree, exactly=exactly))),
            ]
        ),
        nearest=None
        if wrong is None or wrong.span is None
        else Candidate(span_title(wrong.span), wrong.differences),
        others=tuple(tree.notes()),
        final=exactly and len(tree.spans) > len(every),
    )


def _wanted(fit: Fit) -> str:
    if fit.span is None:
        return f"{fit.shape.describe()}   ← {_MISSING}"
    return fit.shape.describe() + (f"   ← {_DIFFERS}" if fit.differences else "")


def _label(span: Span, taken: dict[str, Fit], tree: SpanTree, *, exactly: bool) -> str:
    marks = []
    fit = taken.get(span.span_id)
    if fit is None and exactly:
        marks.append(_EXTRA)
    elif fit is not None and fit.differences:
        marks.append(_DIFFERS)
    if span in tree.orphans:
        marks.append(_LOST)
    shown = f"{span.name} ({span.service}, {span.kind}, {status_of(span)})"
    return shown + (f"   ← {', '.join(marks)}" if marks else "")


def _shortened(lines: list[str]) -> list[str]:
    hidden = len(lines) - _LINES_SHOWN
    return lines if hidden <= 0 else [*lines[:_LINES_SHOWN], f"… and {plural(hidden, 'more line')}"]
