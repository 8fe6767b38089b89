"""Templates: what they print, as Go and Prometheus' own functions do."""

from __future__ import annotations

import math

import pytest

from pytest_obsstack.embedded.prometheus.rules.template import (
    AlertData,
    ExpansionError,
    Template,
    TemplateError,
)


def expanded(source: str, value: float = 0.0) -> str:
    data = AlertData({"job": "shop", "n": "12"}, value, {"cluster": "eu"}, "http://p:9090")
    return Template(source).expand(data)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain", "plain"),
        ("{{ $labels.job }} and {{$labels.job}}", "shop and shop"),
        ("{{ .Labels.job }}", "shop"),
        ("[{{ $labels.none }}]", "[]"),
        ("{{ $externalLabels.cluster }} {{ .ExternalLabels.none }}", "eu "),
        ("{{ $externalURL }}", "http://p:9090"),
        ("a  {{- $labels.job -}}  b", "ashopb"),
        ("{{ $labels.n | humanize }}", "12"),
        ("} }} {", "} }} {"),
    ],
)
def test_labels_and_urls_are_printed(source: str, text: str) -> None:
    assert expanded(source) == text


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        ("", 0.5, "0.5"),
        ("", 1234567.0, "1.234567e+06"),
        ("", 3.0, "3"),
        ("", math.inf, "+Inf"),
        ("", math.nan, "NaN"),
        ("humanize", 0.0, "0"),
        ("humanize", 1234567.0, "1.235M"),
        ("humanize", 999.0, "999"),
        ("humanize", 0.00123, "1.23m"),
        ("humanize", math.nan, "NaN"),
        ("humanizePercentage", 0.25, "25%"),
        ("humanizePercentage", 0.123456, "12.35%"),
        ("humanizeDuration", 0.0, "0s"),
        ("humanizeDuration", 0.0015, "1.5ms"),
        ("humanizeDuration", 59.9, "59.9s"),
        ("humanizeDuration", 61.0, "1m 1s"),
        ("humanizeDuration", -3661.0, "-1h 1m 1s"),
        ("humanizeDuration", 90061.0, "1d 1h 1m 1s"),
        ("humanizeDuration", math.inf, "+Inf"),
    ],
)
def test_values_are_printed_as_the_function_says(function: str, value: float, text: str) -> None:
    assert expanded(f"{{{{ $value{' | ' if function else ''}{function} }}}}", value) == text


@pytest.mark.parametrize(
    "code",
    [
        'printf "%.2f" $value',
        "range query",
        "$labels",
        "$value | title",
        "if $value",
        "/* comment */",
        '$labels.job | reReplaceAll "a" "b"',
    ],
)
def test_what_is_more_is_refused_by_name(code: str) -> None:
    with pytest.raises(TemplateError) as raised:
        Template(f"{{{{ {code} }}}}")
    assert str(raised.value) == (
        f"not supported by the embedded Prometheus: the template action {{{{ {code} }}}}; "
        "use --obs-stack=compose, or --obs-use prometheus=URL"
    )


def test_a_label_that_is_no_number_cannot_be_made_readable() -> None:
    with pytest.raises(ExpansionError) as raised:
        expanded("{{ $labels.job | humanize }}")
    assert raised.value.text("Busy") == (
        "<error expanding template: error executing template __alert_Busy: template: "
        '__alert_Busy:1:129: executing "__alert_Busy" at <humanize>: error calling humanize: '
        'strconv.ParseFloat: parsing "shop": invalid syntax>'
    )
    with pytest.raises(ExpansionError) as raised:
        expanded("two\nlines {{ $labels.job | humanize }}")
    assert raised.value.place == "2:23"
