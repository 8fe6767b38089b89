"""Templates carried out on the labels and the line of an entry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pytest_obsstack.embedded.go_quote import quote
from pytest_obsstack.embedded.loki.logql.template.functions import (
    FUNCTIONS,
    LINE,
    REFUSED,
    SHORT_CIRCUIT,
    FunctionError,
)
from pytest_obsstack.embedded.loki.logql.template.nodes import (
    Branch,
    Command,
    Constant,
    Dot,
    Function,
    Node,
    Operand,
    Pipe,
    TemplateError,
    Text,
    Variable,
    command_text,
    operand_text,
)
from pytest_obsstack.embedded.loki.logql.template.parse import parse_template
from pytest_obsstack.embedded.loki.logql.template.values import is_true, show, type_name

_KNOWN = frozenset(FUNCTIONS) | SHORT_CIRCUIT | {LINE}


class Template:
    """A parsed template. Raises ``TemplateSyntaxError``; ``name`` is what messages call it."""

    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self._name = name
        self._nodes = parse_template(text, name, _KNOWN, REFUSED)

    def render(self, labels: Mapping[str, str], line: str) -> str:
        """The text for an entry; raises ``TemplateError``."""
        return "".join(_Run(self._text, self._name, labels, line).nodes(self._nodes, labels))


class _Run:
    def __init__(self, text: str, name: str, labels: Mapping[str, str], line: str) -> None:
        self._text = text
        self._name = name
        self._labels = labels
        self._line = line
        self._variables: list[tuple[str, Any]] = [("$", labels)]

    def nodes(self, nodes: Iterable[Node], dot: Any) -> Iterator[str]:
        for node in nodes:
            if isinstance(node, Text):
                yield node.text
            elif isinstance(node, Branch):
                yield from self._branch(node, dot)
            else:
                value = self._pipe(node.pipe, dot)
                if not node.pipe.variables:
                    yield show(value)

    # Branches -------------------------------------------------------------------------------------

    def _branch(self, node: Branch, dot: Any) -> Iterator[str]:
        scope = len(self._variables)
        if node.kind == "range":
            yield from self._range(node, dot)
        else:
            value = self._pipe(node.pipe, dot)
            inner = value if node.kind == "with" else dot
            if is_true(value):
                yield from self.nodes(node.body, inner)
            else:
                yield from self.nodes(node.otherwise, dot)
        del self._variables[scope:]

    def _range(self, node: Branch, dot: Any) -> Iterator[str]:
        value = self._values_of(node.pipe, dot)
        pairs = self._pairs(node.pipe.commands[-1], value)
        if not pairs:
            yield from self.nodes(node.otherwise, dot)
        for key, item in pairs:
            scope = len(self._variables)
            names = node.pipe.variables
            values = (key, item) if len(names) == 2 else (item,)
            self._variables.extend(zip(names, values, strict=False))
            yield from self.nodes(node.body, item)
            del self._variables[scope:]

    def _pairs(self, command: Command, value: Any) -> list[tuple[Any, Any]]:
        if isinstance(value, Mapping):
            return [(key, value[key]) for key in sorted(value)]
        if isinstance(value, list):
            return list(enumerate(value))
        if isinstance(value, int) and not isinstance(value, bool):
            return [(number, number) for number in range(value)]
        if value is None:
            return []
        raise self._error(command, f"range can't iterate over {show(value)}")

    # Values ---------------------------------------------------------------------------------------

    def _pipe(self, pipe: Pipe, dot: Any) -> Any:
        value = self._values_of(pipe, dot)
        for name in pipe.variables:
            if pipe.declares:
                self._variables.append((name, value))
            else:
                self._assign(name, value)
        return value

    def _values_of(self, pipe: Pipe, dot: Any) -> Any:
        value: Any = None
        for index, command in enumerate(pipe.commands):
            value = self._command(command, dot, (value,) if index else ())
        return value

    def _assign(self, name: str, value: Any) -> None:
        for index in range(len(self._variables) - 1, -1, -1):
            if self._variables[index][0] == name:
                self._variables[index] = (name, value)
                return

    def _command(self, command: Command, dot: Any, piped: tuple[Any, ...]) -> Any:
        first, rest = command.operands[0], command.operands[1:]
        if not isinstance(first, Function):
            if rest or piped:
                reason = f"can't give argument to non-function {operand_text(first)}"
                raise self._error(command, reason)
            return self._operand(command, first, dot)
        if first.name in SHORT_CIRCUIT:
            return self._short_circuit(command, first.name, rest, dot, piped)
        arguments = [self._operand(command, operand, dot) for operand in rest]
        return self._call(command, first.name, (*arguments, *piped))

    def _short_circuit(
        self,
        command: Command,
        name: str,
        operands: tuple[Operand, ...],
        dot: Any,
        piped: tuple[Any, ...],
    ) -> Any:
        """``and`` gives the first false argument, ``or`` the first true one, else the last."""
        value: Any = None
        for operand in operands:
            value = self._operand(command, operand, dot)
            if is_true(value) == (name == "or"):
                return value
        return piped[0] if piped else value

    def _call(self, command: Command, name: str, arguments: tuple[Any, ...]) -> Any:
        if name == LINE:
            return self._line
        try:
            return FUNCTIONS[name](*arguments)
        except FunctionError as error:
            raise self._error(command, f"error calling {name}: {error}") from error
        except TypeError as error:
            count = len(arguments)
            raise self._error(command, f"wrong number of args for {name}: got {count}") from error

    def _operand(self, command: Command, operand: Operand, dot: Any) -> Any:
        if isinstance(operand, Constant):
            return operand.value
        if isinstance(operand, Function):
            return self._call(command, operand.name, ())
        if isinstance(operand, Dot):
            return self._fields(command, dot, operand.fields)
        if isinstance(operand, Variable):
            value = next(v for name, v in reversed(self._variables) if name == operand.name)
            return self._fields(command, value, operand.fields)
        return self._fields(command, self._pipe(operand.pipe, dot), operand.fields)

    def _fields(self, command: Command, value: Any, names: tuple[str, ...]) -> Any:
        for name in names:
            if value is self._labels:
                value = self._labels.get(name, "")  # a missing label is an empty text
            elif isinstance(value, Mapping):
                value = value.get(name)
            else:
                kind = type_name(value)
                raise self._error(command, f"can't evaluate field {name} in type {kind}")
        return value

    def _error(self, command: Command, reason: str) -> TemplateError:
        before = self._text[: command.at]
        line = before.count("\n") + 1
        column = len(before[before.rfind("\n") + 1 :].encode())
        return TemplateError(
            f"template: {self._name}:{line}:{column}: executing {quote(self._name)} "
            f"at <{command_text(command)}>: {reason}"
        )
