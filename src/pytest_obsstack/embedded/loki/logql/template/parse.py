"""Template text → nodes."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, cast

from pytest_obsstack.embedded.loki.logql.errors import NotSupported
from pytest_obsstack.embedded.loki.logql.template.nodes import (
    Action,
    Branch,
    Command,
    Constant,
    Dot,
    Function,
    Node,
    Operand,
    Parenthesis,
    Pipe,
    TemplateSyntaxError,
    Text,
    Variable,
)

_ACTION_BODY = re.compile(r'(?:"(?:[^"\\\n]|\\.)*"|`[^`]*`|(?!-?\}\})[^"`])*', re.DOTALL)
_COMMENT = re.compile(r"\{\{(-\s)?/\*.*?\*/(\s-)?\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
    |(?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))
    |(?P<field>\.[^\W\d]\w*)
    |(?P<variable>\$\w*)
    |(?P<word>[^\W\d]\w*)
    |(?P<sign>:=|[|(),.=])
    |(?P<bad>.)""",
    re.VERBOSE | re.DOTALL,
)
_CLOSE = "close"
_KEYWORDS = frozenset({"if", "else", "end", "range", "with"})
_NOT_SUPPORTED = frozenset({"define", "template", "block", "break", "continue"})
_ESCAPES = {**dict(zip('abfnrtv\\"', '\a\b\f\n\r\t\v\\"', strict=True)), "'": "'"}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|[0-7]{3}|.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def parse_template(
    text: str, name: str, functions: Collection[str], refused: Collection[str]
) -> tuple[Node, ...]:
    """The nodes of a template that may call ``functions``.

    Raises ``TemplateSyntaxError``, and ``NotSupported`` for a call of one of ``refused``.
    """
    return _Parser(text, name, functions, refused).parse()


class _Parser:
    def __init__(
        self, text: str, name: str, functions: Collection[str], refused: Collection[str]
    ) -> None:
        self._text = text
        self._name = name
        self._functions = functions
        self._refused = refused
        self._at = 0
        self._tokens: list[_Token] = []
        self._index = 0
        self._variables = ["$"]

    def parse(self) -> tuple[Node, ...]:
        nodes, ending = self._nodes()
        if ending:
            raise self._fault(f"unexpected {{{{{ending}}}}}")
        return nodes

    # Text and actions -----------------------------------------------------------------------------

    def _nodes(self) -> tuple[tuple[Node, ...], str]:
        """Nodes up to ``else`` or ``end`` (which is told) or the end of the text (empty)."""
        nodes: list[Node] = []
        scope = len(self._variables)
        while True:
            start = self._text.find("{{", self._at)
            text = self._text[self._at : start if start >= 0 else None]
            trims_right = start >= 0 and re.match(r"\{\{-\s", self._text[start:]) is not None
            text = _trimmed(text, left=self._trims_left(), right=trims_right)
            if text:
                nodes.append(Text(text))
            if start < 0:
                self._at = len(self._text)
                del self._variables[scope:]
                return tuple(nodes), ""
            self._at = start
            if comment := _COMMENT.match(self._text, start):
                self._at = comment.end()
                continue
            self._read_action(start + (3 if trims_right else 2))
            word = self._peek()
            if word.kind == "word" and word.text in ("else", "end"):
                del self._variables[scope:]
                return tuple(nodes), word.text
            nodes.append(self._action())

    def _trims_left(self) -> bool:
        return self._at > 0 and re.search(r"\s-\}\}$", self._text[: self._at]) is not None

    def _read_action(self, begin: int) -> None:
        """Read the tokens of the action whose first is at ``begin``, and go behind it."""
        body = _ACTION_BODY.match(self._text, begin)
        end = body.end() if body else begin
        close = re.compile(r"-?\}\}").match(self._text, end)
        if close is None:
            unclosed = self._text[end : end + 1] in ('"', "`")
            raise self._fault("unterminated quoted string" if unclosed else "unclosed action")
        self._tokens = [
            _Token(token.lastgroup or "", token[0], token.start())
            for token in _TOKEN.finditer(self._text, begin, end)
        ]
        self._check_parentheses()
        self._tokens.append(_Token(_CLOSE, "}}", end))
        self._index = 0
        self._at = close.end()

    def _check_parentheses(self) -> None:
        depth = 0
        for token in self._tokens:
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if depth < 0:
                raise self._fault("unexpected right paren")
        if depth:
            raise self._fault("unclosed left paren")

    def _action(self) -> Node:
        word = self._peek()
        if word.kind == "word" and word.text in ("if", "with", "range"):
            self._next()
            return self._branch(cast('Literal["if", "with", "range"]', word.text))
        if word.kind == "word" and word.text in _NOT_SUPPORTED:
            raise NotSupported(f"{{{{{word.text}}}}} in a template")
        return Action(self._pipe("command", _CLOSE))

    def _branch(self, kind: Literal["if", "with", "range"]) -> Branch:
        scope = len(self._variables)
        pipe = self._pipe(kind, _CLOSE)
        body, ending = self._nodes()
        otherwise: tuple[Node, ...] = ()
        if ending == "else":
            self._next()
            word = self._peek()
            if word.kind == "word" and word.text == kind and kind != "range":
                # "else if" is a branch within the alternative that shares its end.
                self._next()
                otherwise = (self._branch(kind),)
                ending = "end"
            else:
                self._expect_end("else")
                otherwise, ending = self._nodes()
                if ending == "end":
                    self._next()
                    self._expect_end("end")
        elif ending == "end":
            self._next()
            self._expect_end("end")
        if ending != "end":
            raise self._fault("unexpected EOF" if not ending else "expected end; found {{else}}")
        del self._variables[scope:]
        return Branch(kind, pipe, body, otherwise)

    def _expect_end(self, context: str) -> None:
        token = self._next()
        if token.kind != _CLOSE:
            raise self._unexpected(token, context)

    # Pipelines ------------------------------------------------------------------------------------

    def _pipe(self, context: str, closing: str) -> Pipe:
        variables, declares = self._assignment(context)
        commands: list[Command] = []
        while True:
            token = self._peek()
            if closing in (token.kind, token.text):
                if not commands:
                    raise self._fault(f"missing value for {context}")
                self._next()
                break
            commands.append(self._command())
            if self._peek().text == "|" and self._peek().kind == "sign":
                self._next()
                if closing in (self._peek().kind, self._peek().text):
                    raise self._fault(f"missing value for {context}")
        if declares:
            self._variables.extend(variables)
        return Pipe(tuple(commands), tuple(variables), declares)

    def _assignment(self, context: str) -> tuple[list[str], bool]:
        """The variables that a pipeline is given to, and whether it declares them."""
        shown = [token for token in self._tokens[self._index :] if token.kind != "space"]
        texts = [token.text for token in shown[:4]]
        if not shown or shown[0].kind != "variable":
            return [], False
        if len(texts) > 1 and texts[1] in (":=", "="):
            count, sign = 1, texts[1]
        elif context == "range" and len(texts) > 3 and texts[1] == "," and texts[3] == ":=":
            count, sign = 2, ":="
        else:
            return [], False
        for _ in range(2 * count):
            self._next()
        names = [shown[0].text] if count == 1 else [shown[0].text, shown[2].text]
        if sign == "=" and names[0] not in self._variables:
            raise self._fault(f"undefined variable {_quoted(names[0])}")
        return names, sign == ":="

    def _command(self) -> Command:
        at = self._peek().at
        operands: list[Operand] = []
        while True:
            token = self._peek()
            if token.kind == _CLOSE or (token.kind == "sign" and token.text in ("|", ")")):
                if not operands:
                    raise self._unexpected(token, "command")
                return Command(tuple(operands), at)
            operands.append(self._operand())

    def _operand(self) -> Operand:
        token = self._next()
        if token.kind == "string":
            return Constant(_unquoted(token.text), token.text)
        if token.kind == "number":
            return Constant(_number(token.text), token.text)
        if token.kind == "field":
            return Dot((token.text[1:], *self._fields()))
        if token.kind == "variable":
            if token.text not in self._variables:
                raise self._fault(f"undefined variable {_quoted(token.text)}")
            return Variable(token.text, self._fields())
        if token.kind == "word":
            return self._word(token)
        if token.text == "." and token.kind == "sign":
            return Dot(())
        if token.text == "(" and token.kind == "sign":
            pipe = self._pipe("parenthesized pipeline", ")")
            return Parenthesis(pipe, self._fields())
        raise self._unexpected(token, "operand")

    def _word(self, token: _Token) -> Operand:
        if token.text in ("true", "false"):
            return Constant(token.text == "true", token.text)
        if token.text == "nil":
            return Constant(None, "nil")
        if token.text in self._refused:
            raise NotSupported(f"the template function {token.text}")
        if token.text in _KEYWORDS:
            raise self._unexpected(token, "operand")
        if token.text not in self._functions:
            raise self._fault(f"function {_quoted(token.text)} not defined")
        return Function(token.text)

    def _fields(self) -> tuple[str, ...]:
        """Fields that follow without a space: they belong to what is before them."""
        names = []
        while self._tokens[self._index].kind == "field":
            names.append(self._tokens[self._index].text[1:])
            self._index += 1
        return tuple(names)

    # Tokens ---------------------------------------------------------------------------------------

    def _peek(self) -> _Token:
        while self._tokens[self._index].kind == "space":
            self._index += 1
        return self._tokens[self._index]

    def _next(self) -> _Token:
        token = self._peek()
        if token.kind != _CLOSE:
            self._index += 1
        return token

    def _unexpected(self, token: _Token, context: str) -> TemplateSyntaxError:
        if token.kind == "bad":
            return self._fault(f"bad character U+{ord(token.text):04X} '{token.text}'")
        shown = f"<{token.text}>" if token.kind == "word" else _quoted(token.text)
        return self._fault(f"unexpected {shown} in {context}")

    def _fault(self, reason: str) -> TemplateSyntaxError:
        line = self._text[: self._at].count("\n") + 1
        return TemplateSyntaxError(f"template: {self._name}:{line}: {reason}")


def _trimmed(text: str, *, left: bool, right: bool) -> str:
    text = text.lstrip() if left else text
    return text.rstrip() if right else text


def _quoted(text: str) -> str:
    return f'"{text}"'


def _unquoted(source: str) -> str:
    if source.startswith("`"):
        return source[1:-1]

    def resolve(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] in "uUx" and len(code) > 1:
            return chr(int(code[1:], 16))
        return chr(int(code, 8)) if len(code) == 3 else _ESCAPES.get(code, code)

    return _ESCAPE.sub(resolve, source[1:-1])


def _number(source: str) -> int | float:
    try:
        return int(source, 0)
    except ValueError:
        return float(source)
