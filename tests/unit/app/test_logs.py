from __future__ import annotations

import io
import json
import logging
import sys
from typing import Any

import pytest
from opentelemetry import trace

from telemetry.logs import JsonFormatter, configure_logging
from tests.unit.app.in_process import InProcess


def record(message: str, *args: object, level: int = logging.INFO, **extra: Any) -> Any:
    made = logging.makeLogRecord(
        {"name": "a.logger", "msg": message, "args": args, "levelno": level,
         "levelname": logging.getLevelName(level), "created": 1_800_000_000.25, **extra}
    )  # fmt: skip
    return json.loads(JsonFormatter("simple-app").format(made))


def test_a_line_has_time_level_service_logger_and_message() -> None:
    assert record("%d of %s", 2, "3", level=logging.WARNING) == {
        "timestamp": "2027-01-15T08:00:00.250000Z",
        "level": "WARNING",
        "service": "simple-app",
        "logger": "a.logger",
        "message": "2 of 3",
    }


def test_a_line_carries_what_was_given_as_extra_but_keeps_its_own_fields() -> None:
    line = record("m", status=500, service="another", items=[1])
    assert (line["status"], line["service"], line["items"]) == (500, "simple-app", "[1]")


def test_a_line_within_a_span_has_its_ids() -> None:
    context = trace.SpanContext(0xABC, 0xDEF, is_remote=False)
    with trace.use_span(trace.NonRecordingSpan(context)):
        line = record("m")
    assert (line["trace_id"], line["span_id"]) == (f"{0xABC:032x}", f"{0xDEF:016x}")


def test_a_line_of_an_exception_has_its_traceback_and_stays_one_line() -> None:
    line: dict[str, Any] = {}
    try:
        int("two\nlines")
    except ValueError:
        line = record("failed", exc_info=sys.exc_info())
    assert line["message"] == "failed"
    assert line["exception"].endswith(r"invalid literal for int() with base 10: 'two\nlines'")


def test_the_root_logger_writes_json_lines_to_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    quiet = {name: logging.getLogger(name).level for name in ("httpx", "httpcore")}
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    # Taken off first, so that configure_logging does not close the handlers of pytest.
    root.handlers[:] = []
    try:
        configure_logging("simple-app", logging.INFO)
        logging.getLogger("some").debug("not this")
        logging.getLogger("some").info("this")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        for name, old in quiet.items():
            logging.getLogger(name).setLevel(old)
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["message"] == "this"


@pytest.mark.parametrize(
    ("level", "severity", "number"),
    [
        ("info", "INFO", 9),
        ("warning", "WARN", 13),
        ("error", "ERROR", 17),
        ("critical", "FATAL", 21),
    ],
)
def test_log_emits_through_otlp_with_severity(
    reporting: InProcess, level: str, severity: str, number: int
) -> None:
    seen = reporting.request(f"/log?level={level}&message=told")
    entry = seen.logs[0].log_record
    assert seen.log_lines[0] == ("app.log", severity, "told")
    assert entry.severity_number is not None
    assert entry.severity_number.value == number


def test_debug_is_below_the_default_level(simple_app: InProcess) -> None:
    with simple_app.reporting():
        quiet = simple_app.request("/log?level=debug&message=told")
    with simple_app.reporting(log_level=logging.DEBUG):
        loud = simple_app.request("/log?level=debug&message=told")
    assert ("app.log", "DEBUG", "told") not in quiet.log_lines
    assert ("app.log", "DEBUG", "told") in loud.log_lines


@pytest.mark.parametrize(
    ("level", "event_levels"),
    [
        ("debug", []),
        ("info", []),
        ("warning", []),
        ("error", ["error"]),
        ("critical", ["fatal"]),
    ],
)
def test_records_from_error_upwards_are_events(
    reporting: InProcess, level: str, event_levels: list[str]
) -> None:
    seen = reporting.request(f"/log?level={level}&message=told")
    assert [event["level"] for event in seen.events] == event_levels
    assert [event["logentry"]["formatted"] for event in seen.events] == ["told"] * len(seen.events)


def test_records_from_info_upwards_are_breadcrumbs_of_the_next_event(reporting: InProcess) -> None:
    seen = reporting.request(
        "/log?level=debug&message=a&level=info&message=b&level=warning&message=c"
        "&level=error&message=d"
    )
    assert [
        (crumb["category"], crumb["message"], crumb["level"])
        for crumb in seen.event["breadcrumbs"]["values"]
    ] == [("app.log", "b", "info"), ("app.log", "c", "warning")]


def test_a_message_with_percent_signs_is_logged_as_it_is(reporting: InProcess) -> None:
    seen = reporting.request("/log", query_string={"level": "error", "message": "100%s %(x)s"})
    assert seen.event["logentry"]["formatted"] == "100%s %(x)s"


@pytest.mark.parametrize(
    "path", ["/", "/error", "/sentry-test", "/nowhere", "/log?level=critical", "/checkout?fail=1"]
)
def test_the_last_record_of_every_request_tells_that_it_is_finished(
    simple_app: InProcess, path: str
) -> None:
    with simple_app.reporting(error_rate=1.0):
        seen = simple_app.request(path)
    last = seen.logs[-1].log_record
    assert seen.log_lines[-1] == ("app.access", "INFO", "request finished")
    assert [line for line in seen.log_lines if line[0] == "app.access"] == [seen.log_lines[-1]]
    context = seen.server_span.get_span_context()
    assert context is not None
    assert last.span_id == context.span_id
    attributes = last.attributes
    assert attributes is not None
    assert attributes["method"] == "GET"
    assert attributes["status"] == seen.response.status_code
    assert isinstance(attributes["duration_ms"], float)


def test_the_last_record_comes_whatever_the_level(simple_app: InProcess) -> None:
    with simple_app.reporting(log_level=logging.CRITICAL):
        seen = simple_app.request("/error")
    assert seen.log_lines == [("app.access", "INFO", "request finished")]


def test_the_last_record_is_neither_breadcrumb_nor_event(reporting: InProcess) -> None:
    seen = reporting.request("/error")
    text = json.dumps(seen.items)
    assert "request finished" not in text
    assert "app.access" not in text


def test_what_the_exporters_say_stays_out_of_sentry_and_otlp(reporting: InProcess) -> None:
    name = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
    reporting.request("/health")
    before = len(reporting.logs.get_finished_logs())
    with reporting.app.test_request_context("/"):
        logging.getLogger(name).error("collector is gone")
        logging.getLogger("app").error("app's own")
    after = reporting.logs.get_finished_logs()[before:]
    assert [entry.log_record.body for entry in after] == ["app's own"]
    errors = [item["logentry"]["formatted"] for kind, item in reporting.items if kind == "event"]
    assert errors == ["app's own"]
