"""Label matchers as tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pytest_obsstack.embedded.loki.logql.errors import ParseError
from pytest_obsstack.embedded.loki.logql.regexps import RegexpError, compile_anchored
from pytest_obsstack.embedded.loki.logql.syntax import Matcher

TextTest = Callable[[str], bool]


def matcher_test(matcher: Matcher) -> TextTest:
    """Whether a label's value (empty: no such label) matches. Raises ``ParseError``."""
    value = matcher.value
    if matcher.op == "=":
        return lambda text: text == value
    if matcher.op == "!=":
        return lambda text: text != value
    try:
        pattern = compile_anchored(value)
    except RegexpError as error:
        raise ParseError(str(error)) from error
    if matcher.op == "=~":
        return lambda text: pattern.fullmatch(text) is not None
    return lambda text: pattern.fullmatch(text) is None


def labels_test(matchers: Iterable[Matcher]) -> Callable[[Mapping[str, str]], bool]:
    """Whether a stream's labels satisfy all matchers. Raises ``ParseError``."""
    tests = [(matcher.name, matcher_test(matcher)) for matcher in matchers]
    return lambda labels: all(test(labels.get(name, "")) for name, test in tests)
