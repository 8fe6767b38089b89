from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.context import Context
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from sentry_sdk.tracing_utils import Baggage, extract_sentrytrace_data

from pytest_obsstack.wire.trace_context import (
    TraceContext,
    parse_baggage,
    parse_sentry_trace,
    parse_traceparent,
)

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def test_new_context_takes_its_ids_from_the_given_randomness() -> None:
    context = TraceContext.new(random_bytes=lambda size: bytes(range(1, size + 1)))
    assert context == TraceContext(
        "0102030405060708090a0b0c0d0e0f10", "0102030405060708", sampled=True
    )


def test_all_zero_ids_are_drawn_again() -> None:
    draws: Iterator[bytes] = iter([bytes(16), b"\x01" * 16, bytes(8), b"\x02" * 8])
    context = TraceContext.new(random_bytes=lambda _: next(draws))
    assert (context.trace_id, context.span_id) == ("01" * 16, "02" * 8)


def test_two_new_contexts_differ() -> None:
    assert TraceContext.new().trace_id != TraceContext.new().trace_id


@pytest.mark.parametrize(
    ("trace_id", "span_id", "message"),
    [
        ("4BF9" + TRACE[4:], SPAN, "trace id: expected 32 lower-case hex digits"),
        ("0" * 32, SPAN, "trace id: expected 32 lower-case hex digits, not all zero"),
        (TRACE, SPAN[1:], "span id: expected 16 lower-case hex digits"),
        (TRACE, "0" * 16, "span id: expected 16 lower-case hex digits, not all zero"),
    ],
)
def test_malformed_ids_are_refused(trace_id: str, span_id: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TraceContext(trace_id, span_id, sampled=True)


def test_decided_context_sends_three_headers() -> None:
    assert TraceContext(TRACE, SPAN, sampled=True).headers() == {
        "traceparent": f"00-{TRACE}-{SPAN}-01",
        "sentry-trace": f"{TRACE}-{SPAN}-1",
        "baggage": (
            f"sentry-trace_id={TRACE},sentry-sample_rate=1.0,"
            "sentry-sample_rand=0.000000,sentry-sampled=true"
        ),
    }


def test_negative_decision_is_told_in_all_three_headers() -> None:
    headers = TraceContext(TRACE, SPAN, sampled=False).headers()
    assert headers["traceparent"].endswith("-00")
    assert headers["sentry-trace"].endswith("-0")
    assert headers["baggage"].endswith("sentry-sampled=false")
    assert "sentry-sample_rate=0.0," in headers["baggage"]


def test_undecided_context_sends_sentry_trace_without_flag_and_nothing_else() -> None:
    context = TraceContext(TRACE, SPAN, sampled=None)
    assert context.headers() == {"sentry-trace": f"{TRACE}-{SPAN}"}
    with pytest.raises(ValueError, match="undecided trace context has no traceparent"):
        _ = context.traceparent
    with pytest.raises(ValueError, match="undecided trace context has no baggage"):
        _ = context.baggage


@pytest.mark.parametrize(
    ("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)]
)
def test_traceparent_sampled_is_a_bit_not_a_value(flags: str, sampled: bool) -> None:
    assert parse_traceparent(f"00-{TRACE}-{SPAN}-{flags}") == TraceContext(
        TRACE, SPAN, sampled=sampled
    )


def test_traceparent_of_a_later_version_is_read_by_the_fields_of_00() -> None:
    assert parse_traceparent(f"cc-{TRACE}-{SPAN}-01-what-the-future-brings") == TraceContext(
        TRACE, SPAN, sampled=True
    )


@pytest.mark.parametrize(
    "header",
    [
        "",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-extra",
        f"cc-{TRACE}-{SPAN}-01.extra",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}0-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
    ],
)
def test_malformed_traceparent_is_ignored(header: str) -> None:
    assert parse_traceparent(header) is None


@pytest.mark.parametrize(("suffix", "sampled"), [("-1", True), ("-0", False), ("", None)])
def test_sentry_trace_has_three_forms(suffix: str, sampled: bool | None) -> None:
    context = parse_sentry_trace(f" {TRACE}-{SPAN}{suffix} ")
    assert context == TraceContext(TRACE, SPAN, sampled=sampled)
    assert context is not None
    assert context.sentry_trace == f"{TRACE}-{SPAN}{suffix}"


@pytest.mark.parametrize(
    "header", ["", TRACE, f"{TRACE}-{SPAN}-2", f"{TRACE}-{SPAN}-", f"{'0' * 32}-{SPAN}-1"]
)
def test_malformed_sentry_trace_is_ignored(header: str) -> None:
    assert parse_sentry_trace(header) is None


def test_baggage_is_read_with_percent_encoding_properties_and_white_space() -> None:
    header = "a=1;prop=x , sentry-release=app%401.0%2C2,b = two ,malformed,=x,c@d=1,a=2"
    assert parse_baggage(header) == {"a": "2", "sentry-release": "app@1.0,2", "b": "two"}


def test_baggage_of_a_decided_context_reads_back() -> None:
    assert parse_baggage(TraceContext(TRACE, SPAN, sampled=True).baggage) == {
        "sentry-trace_id": TRACE,
        "sentry-sample_rate": "1.0",
        "sentry-sample_rand": "0.000000",
        "sentry-sampled": "true",
    }


def test_opentelemetry_reads_the_traceparent() -> None:
    headers = TraceContext(TRACE, SPAN, sampled=True).headers()
    context = TraceContextTextMapPropagator().extract(headers, Context())
    span_context = get_current_span(context).get_span_context()
    assert f"{span_context.trace_id:032x}" == TRACE
    assert f"{span_context.span_id:016x}" == SPAN
    assert span_context.trace_flags.sampled


@pytest.mark.parametrize("sampled", [True, False, None])
def test_sentry_sdk_reads_the_sentry_trace(sampled: bool | None) -> None:
    headers = TraceContext(TRACE, SPAN, sampled=sampled).headers()
    data = extract_sentrytrace_data(headers["sentry-trace"])
    assert data == {"trace_id": TRACE, "parent_span_id": SPAN, "parent_sampled": sampled}


def test_sentry_sdk_reads_the_baggage() -> None:
    headers = TraceContext(TRACE, SPAN, sampled=True).headers()
    assert Baggage.from_incoming_header(headers["baggage"]).dynamic_sampling_context() == {
        "trace_id": TRACE,
        "sample_rate": "1.0",
        "sample_rand": "0.000000",
        "sampled": "true",
    }
