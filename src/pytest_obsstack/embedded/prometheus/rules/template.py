"""Texts of labels and annotations with the plain part of Go's templates.

Understood are labels, the value and the external labels, printed as they are or through one of the
functions that make numbers readable; everything else is refused when the rules are loaded, so that
no alert carries a text that the real Prometheus would have written otherwise.
https://prometheus.io/docs/prometheus/latest/configuration/template_reference/
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pytest_obsstack.embedded.go_quote import quote
from pytest_obsstack.embedded.prometheus.format import general_float, parse_float
from pytest_obsstack.embedded.prometheus.refusal import unsupported_text

_ACTION = re.compile(r"\{\{(?P<trim_left>- )?(?P<code>.*?)(?P<trim_right> -)?\}\}", re.DOTALL)
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_LABEL = re.compile(rf"(?:\$labels|\.Labels)\.(?P<name>{_NAME})")
_EXTERNAL_LABEL = re.compile(rf"(?:\$externalLabels|\.ExternalLabels)\.(?P<name>{_NAME})")
_VALUES = ("$value", ".Value")
_URLS = ("$externalURL", ".ExternalURL")
_VARIABLE = re.compile(rf"\$(?P<name>{_NAME})")
_KNOWN_VARIABLES = frozenset({"labels", "value", "externalLabels", "externalURL"})
_UP = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_DOWN = ("m", "u", "n", "p", "f", "a", "z", "y")


_PREFIX = (
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}"
    "{{$externalURL := .ExternalURL}}{{$value := .Value}}"
)
"""What Prometheus puts before each text; the places in its messages count it."""


class TemplateError(Exception):
    """A text that is no template, or one that this server does not understand."""


class ExpansionError(Exception):
    """A function that failed on its value, at a place of the text."""

    def __init__(self, function: str, place: str, reason: str) -> None:
        super().__init__(reason)
        self.function = function
        self.place = place

    def text(self, alert: str) -> str:
        """What Prometheus puts into the alert, in the place of the text."""
        name = f"__alert_{alert}"
        return (
            f"<error expanding template: error executing template {name}: "
            f"template: {name}:{self.place}: executing {quote(name)} at <{self.function}>: "
            f"error calling {self.function}: {self}>"
        )


@dataclass(frozen=True)
class AlertData:
    """What a template can name."""

    labels: Mapping[str, str]
    value: float
    external_labels: Mapping[str, str]
    external_url: str


_Part = Callable[[AlertData], str]


@dataclass(frozen=True)
class Template:
    """A text, parsed once; two are equal where their sources are."""

    source: str

    def __post_init__(self) -> None:
        self._parts()

    def expand(self, data: AlertData) -> str:
        """The text for one alert; raises ``ExpansionError``."""
        return "".join(part(data) for part in self._parts())

    def _parts(self) -> list[_Part]:
        parts: list[_Part] = []
        position, trim = 0, False
        for match in _ACTION.finditer(self.source):
            text = self.source[position : match.start()]
            text = text.lstrip() if trim else text
            parts.append(_literal(text.rstrip() if match["trim_left"] else text))
            parts.append(_action(match["code"].strip(), self.source, match.start("code")))
            position, trim = match.end(), match["trim_right"] is not None
        rest = self.source[position:]
        if "{{" in rest:
            raise TemplateError("unclosed action")
        parts.append(_literal(rest.lstrip() if trim else rest))
        return parts


def _literal(text: str) -> _Part:
    return lambda _: text


def _action(code: str, source: str, start: int) -> _Part:
    operand, *functions = (part.strip() for part in code.split("|"))
    if not all(name in _FUNCTIONS for name in functions):
        raise _refused(code)
    value = _operand(operand, code)

    def part(data: AlertData) -> str:
        result = value(data)
        for name in functions:
            try:
                number = _number(result)
            except ValueError as error:
                place = _place(source, source.index(name, start + code.index("|")))
                raise ExpansionError(name, place, str(error)) from None
            result = _FUNCTIONS[name](number)
        return general_float(result) if isinstance(result, float) else result

    return part


def _operand(operand: str, code: str) -> Callable[[AlertData], str | float]:
    label, external = _LABEL.fullmatch(operand), _EXTERNAL_LABEL.fullmatch(operand)
    # A label that is not there is the empty text (`missingkey=zero`).
    if label is not None:
        name = label["name"]
        return lambda data: data.labels.get(name, "")
    if external is not None:
        external_name = external["name"]
        return lambda data: data.external_labels.get(external_name, "")
    if operand in _VALUES:
        return lambda data: data.value
    if operand in _URLS:
        return lambda data: data.external_url
    for variable in _VARIABLE.finditer(operand):
        if variable["name"] not in _KNOWN_VARIABLES:
            raise TemplateError(f"undefined variable {quote(variable[0])}")
    raise _refused(code)


def _refused(code: str) -> TemplateError:
    return TemplateError(unsupported_text(f"the template action {{{{ {code} }}}}"))


def _number(value: str | float) -> float:
    if isinstance(value, float):
        return value
    try:
        return parse_float(value)
    except ValueError:
        raise ValueError(f"strconv.ParseFloat: parsing {quote(value)}: invalid syntax") from None


def _place(source: str, position: int) -> str:
    """Line and column (from 0) as Go's templates count them."""
    text = _PREFIX + source[:position]
    line, column = text.count("\n") + 1, len(text) - (text.rfind("\n") + 1)
    return f"{line}:{column}"


def _four_digits(value: float) -> str:
    """The verb ``%.4g``."""
    if math.isfinite(value):
        return f"{value:.4g}"
    return general_float(value)


def _humanize(value: float) -> str:
    if value == 0 or not math.isfinite(value):
        return _four_digits(value)
    if abs(value) >= 1:
        prefix = ""
        for larger in _UP:
            if abs(value) < 1000:
                break
            prefix, value = larger, value / 1000
        return _four_digits(value) + prefix
    return _small(value)


def _small(value: float) -> str:
    prefix = ""
    for smaller in _DOWN:
        if abs(value) >= 1:
            break
        prefix, value = smaller, value * 1000
    return _four_digits(value) + prefix


def _humanize_percentage(value: float) -> str:
    return f"{_four_digits(value * 100)}%"


def _humanize_duration(value: float) -> str:
    if not math.isfinite(value):
        return _four_digits(value)
    if value == 0:
        return "0s"
    if abs(value) < 1:
        return _small(value) + "s"
    sign, value = ("-", -value) if value < 0 else ("", value)
    minutes, seconds = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    if minutes:
        return f"{sign}{minutes}m {seconds}s"
    return f"{sign}{_four_digits(value)}s"


_FUNCTIONS: Mapping[str, Callable[[float], str]] = {
    "humanize": _humanize,
    "humanizePercentage": _humanize_percentage,
    "humanizeDuration": _humanize_duration,
}
