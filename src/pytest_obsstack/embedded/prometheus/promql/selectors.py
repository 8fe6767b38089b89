"""Selectors, label matchers and lists of labels: the parts of the grammar without expressions."""

from __future__ import annotations

from pytest_obsstack.embedded.prometheus.model import METRIC_NAME
from pytest_obsstack.embedded.prometheus.promql.ast import Matcher, MatchOperator, VectorSelector
from pytest_obsstack.embedded.prometheus.promql.cursor import Cursor
from pytest_obsstack.embedded.prometheus.promql.literals import unquote
from pytest_obsstack.embedded.prometheus.promql.regex import RegexError

_NO_METRIC_NAMES = frozenset({"on", "ignoring", "group_left", "group_right", "bool", "atan2"})
_NO_LABEL_NAMES = frozenset({"without"})


def parse_selector(query: str) -> tuple[Matcher, ...]:
    """The matchers of an instant vector selector, as ``match[]`` takes it.

    Raises ``PromqlParseError``. That one of the matchers must not be empty is for the caller to
    check: the API words it in its own way.
    """
    return SelectorParser(query).whole_selector().matchers


class SelectorParser(Cursor):
    def whole_selector(self) -> VectorSelector:
        if not (self.names_metric() or self.at("symbol", "{")):
            raise self.unexpected()
        selector = self.selector()
        if not self.at("end"):
            raise self.unexpected()
        return selector

    def names_metric(self) -> bool:
        token = self.token
        if token.kind in ("identifier", "metric identifier", "aggregator", "preprocessor"):
            return True
        word = token.kind in ("keyword", "operator") and token.text[0].isalpha()
        return word and token.text.lower() not in _NO_METRIC_NAMES

    def selector(self) -> VectorSelector:
        position = self.token.position
        name = self.take().text if not self.at("symbol", "{") else ""
        matchers = self._matchers() if self.at("symbol", "{") else []
        if name:
            matchers.append(Matcher(METRIC_NAME, "=", name))
        return VectorSelector(name, tuple(matchers), position)

    def _matchers(self) -> list[Matcher]:
        self.take()
        matchers: list[Matcher] = []
        while not self.at("symbol", "}"):
            if matchers:
                self.expect(",", "label matching", '"," or "}"')
                if self.at("symbol", "}"):
                    break
            matchers.append(self._matcher())
        self.take()
        return matchers

    def _matcher(self) -> Matcher:
        if not (self.at("identifier") or self.at("string")):
            raise self.unexpected("label matching", 'identifier or "}"')
        label = self.take()
        name = unquote(label.text) if label.kind == "string" else label.text
        operator = self._match_operator()
        if operator is None:
            if label.kind == "string":
                return Matcher(METRIC_NAME, "=", name)
            raise self.unexpected("label matching", "label matching operator")
        if not self.at("string"):
            raise self.unexpected("label matching", "string")
        value = unquote(self.take().text)
        try:
            return Matcher(name, operator, value)
        except RegexError as error:
            raise self.fail(label.position, str(error)) from None

    def _match_operator(self) -> MatchOperator | None:
        operators: dict[str, MatchOperator] = {"=": "=", "!=": "!=", "=~": "=~", "!~": "!~"}
        if self.token.kind not in ("symbol", "operator") or self.token.text not in operators:
            return None
        return operators[self.take().text]

    def grouping(self) -> tuple[str, ...]:
        self.expect("(", "grouping opts", '"("')
        labels: list[str] = []
        while not self.at("symbol", ")"):
            if labels:
                self.expect(",", "grouping opts", '"," or ")"')
                if self.at("symbol", ")"):
                    break
            labels.append(self._grouping_label())
        self.take()
        return tuple(labels)

    def _grouping_label(self) -> str:
        token = self.token
        words = ("identifier", "metric identifier", "aggregator", "keyword", "preprocessor")
        named = token.kind in words or self.at("operator", "and", "or", "unless", "atan2")
        if token.kind != "string" and (not named or token.text.lower() in _NO_LABEL_NAMES):
            raise self.unexpected("grouping opts", "label")
        self.take()
        label = unquote(token.text) if token.kind == "string" else token.text
        if label == "":
            raise self.fail(token.position, 'invalid label name for grouping: ""')
        return label
