"""An exception of an event, with its stack trace.

https://develop.sentry.dev/sdk/foundations/data-model/event-payloads/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_obsstack.clients import fields
from pytest_obsstack.clients.fields import Raw


@dataclass(frozen=True)
class Frame:
    """One stack frame."""

    filename: str | None
    abs_path: str | None
    function: str | None
    module: str | None
    lineno: int | None
    in_app: bool | None
    context_line: str | None
    """The source line itself."""
    pre_context: tuple[str, ...]
    post_context: tuple[str, ...]
    vars: Mapping[str, Any]
    """Local variables by name, each as the SDK described it (``repr`` for plain values)."""
    raw: Raw = field(repr=False, compare=False)


@dataclass(frozen=True)
class ExceptionValue:
    """One exception of a chain."""

    type: str | None
    value: str | None
    module: str | None
    handled: bool | None
    """Whether the app caught it: the mechanism's ``handled``."""
    mechanism: str | None
    """What reported it, for example ``flask``, ``logging`` or ``generic``."""
    frames: tuple[Frame, ...]
    """Oldest call first: the frame that raised is the last one."""
    raw: Raw = field(repr=False, compare=False)


def parse_exception(raw: Any) -> ExceptionValue:
    raw = fields.mapping(raw, "an exception")
    mechanism = fields.optional_mapping(raw, "mechanism")
    stacktrace = fields.optional_mapping(raw, "stacktrace")
    return ExceptionValue(
        type=fields.optional_text(raw, "type"),
        value=fields.optional_text(raw, "value"),
        module=fields.optional_text(raw, "module"),
        handled=fields.optional_bool(mechanism, "handled"),
        mechanism=fields.optional_text(mechanism, "type"),
        frames=tuple(_frame(item) for item in fields.optional_items(stacktrace, "frames")),
        raw=raw,
    )


def _frame(raw: Any) -> Frame:
    raw = fields.mapping(raw, "a frame")
    lineno = fields.optional_integer(raw, "lineNo")
    # `context` is a list of [line number, source line] around the frame's own line.
    lines = [(pair[0], str(pair[1])) for pair in fields.optional_items(raw, "context")]
    own = next((line for number, line in lines if number == lineno), None)
    return Frame(
        filename=fields.optional_text(raw, "filename"),
        abs_path=fields.optional_text(raw, "absPath"),
        function=fields.optional_text(raw, "function"),
        module=fields.optional_text(raw, "module"),
        lineno=lineno,
        in_app=fields.optional_bool(raw, "inApp"),
        context_line=own,
        pre_context=tuple(line for number, line in lines if lineno is None or number < lineno),
        post_context=tuple(
            line for number, line in lines if lineno is not None and number > lineno
        ),
        vars=dict(fields.optional_mapping(raw, "vars")),
        raw=raw,
    )
