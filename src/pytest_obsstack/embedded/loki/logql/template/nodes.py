"""The syntax tree of a template. ``at`` is an offset in the template's text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


class TemplateSyntaxError(ValueError):
    """A text that is no template; ``str()`` is Go's message."""


class TemplateError(Exception):
    """A template that fails on a line; ``str()`` is Go's message."""


@dataclass(frozen=True)
class Dot:
    """``.`` and what is reached from it: ``.a.b``."""

    fields: tuple[str, ...]


@dataclass(frozen=True)
class Variable:
    """``$name``, ``$name.a``; the name includes the sign."""

    name: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Constant:
    """A text, a number, a boolean or nil; ``source`` is how it was written."""

    value: str | int | float | bool | None
    source: str


@dataclass(frozen=True)
class Function:
    name: str


@dataclass(frozen=True)
class Parenthesis:
    pipe: Pipe
    fields: tuple[str, ...]


Operand = Dot | Variable | Constant | Function | Parenthesis


@dataclass(frozen=True)
class Command:
    """A value, or a function and its arguments."""

    operands: tuple[Operand, ...]
    at: int


@dataclass(frozen=True)
class Pipe:
    """Commands of which each gets the value before it as its last argument."""

    commands: tuple[Command, ...]
    variables: tuple[str, ...] = ()
    declares: bool = False


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Action:
    pipe: Pipe


@dataclass(frozen=True)
class Branch:
    """``if``, ``with`` and ``range``."""

    kind: Literal["if", "with", "range"]
    pipe: Pipe
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


Node = Text | Action | Branch


def operand_text(operand: Operand) -> str:
    """The operand as Go prints it in messages."""
    if isinstance(operand, Dot):
        return "." + ".".join(operand.fields)
    if isinstance(operand, Variable):
        return ".".join((operand.name, *operand.fields))
    if isinstance(operand, Constant):
        return operand.source
    if isinstance(operand, Function):
        return operand.name
    return "".join((f"({pipe_text(operand.pipe)})", *(f".{name}" for name in operand.fields)))


def command_text(command: Command) -> str:
    return " ".join(map(operand_text, command.operands))


def pipe_text(pipe: Pipe) -> str:
    return " | ".join(map(command_text, pipe.commands))
