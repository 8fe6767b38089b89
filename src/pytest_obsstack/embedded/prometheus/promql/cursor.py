"""A place in the tokens of a query, and how Prometheus says what it did not expect there."""

from __future__ import annotations

from pytest_obsstack.embedded.prometheus.promql.errors import PromqlParseError
from pytest_obsstack.embedded.prometheus.promql.lexer import Token, TokenKind, tokenize


class Cursor:
    def __init__(self, query: str) -> None:
        self._query = query
        self._tokens = tokenize(query)
        self._index = 0
        # Within an aggregation, Prometheus adds "in aggregation" to what it did not expect.
        self.open_aggregations = 0

    @property
    def token(self) -> Token:
        return self._tokens[self._index]

    @property
    def following(self) -> Token:
        """The token after this one; the last where there is none."""
        return self._tokens[min(self._index + 1, len(self._tokens) - 1)]

    def take(self) -> Token:
        token = self.token
        self._index += 1
        return token

    def at(self, kind: TokenKind, *texts: str) -> bool:
        return self.token.kind == kind and (not texts or self.token.text.lower() in texts)

    def fail(self, position: int, text: str) -> PromqlParseError:
        return PromqlParseError(self._query, position, text)

    def unexpected(self, context: str = "", expected: str = "") -> PromqlParseError:
        token = self.token
        if token.kind == "error":
            return self.fail(token.position, token.text)
        if not context and self.open_aggregations:
            context = "aggregation"
        text = f"unexpected {token.describe()}"
        text += f" in {context}" if context else ""
        text += f", expected {expected}" if expected else ""
        return self.fail(token.position, text)

    def expect(self, symbol: str, context: str = "", expected: str = "") -> Token:
        if not self.at("symbol", symbol):
            raise self.unexpected(context, expected)
        return self.take()
