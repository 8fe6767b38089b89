from __future__ import annotations

from typing import Any

import pytest

from tests.unit.app.in_process import InProcess


def exception_of(event: dict[str, Any]) -> dict[str, Any]:
    last: dict[str, Any] = event["exception"]["values"][-1]
    return last


def crumbs(event: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (crumb["category"], crumb["message"], crumb["level"])
        for crumb in event["breadcrumbs"]["values"]
    ]


def test_error_gives_one_event_with_its_tags_and_context(reporting: InProcess) -> None:
    seen = reporting.request("/error")
    exception = exception_of(seen.event)
    assert (exception["type"], exception["value"]) == (
        "ValueError",
        "Intentional error for testing",
    )
    assert seen.event["tags"]["endpoint"] == "/error"
    assert seen.event["tags"]["error_type"] == "ValueError"
    assert seen.event["contexts"]["request_info"] == {"endpoint": "/error", "method": "GET"}
    assert crumbs(seen.event) == [("request", "Processing error request", "info")]
    assert seen.event["transaction"] == "/error"


def test_error_answers_500_with_the_id_of_its_event(reporting: InProcess) -> None:
    seen = reporting.request("/error")
    assert seen.response.status_code == 500
    assert seen.response.json == {
        "error": "Intentional error for testing",
        "event_id": seen.event["event_id"],
    }


def test_error_is_logged_after_it_was_captured(reporting: InProcess) -> None:
    seen = reporting.request("/error")
    assert seen.log_lines == [
        ("app", "ERROR", "Intentional error for testing"),
        ("app.access", "INFO", "request finished"),
    ]
    attributes = seen.logs[0].log_record.attributes
    assert attributes is not None
    assert attributes["exception.type"] == "ValueError"
    assert "raise ValueError" in str(attributes["exception.stacktrace"])


def test_sentry_test_divides_by_zero_with_its_variables_in_sight(reporting: InProcess) -> None:
    seen = reporting.request("/sentry-test")
    exception = exception_of(seen.event)
    frame = exception["stacktrace"]["frames"][-1]
    assert exception["type"] == "ZeroDivisionError"
    assert exception["mechanism"]["handled"] is False
    assert seen.event["transaction"] == "/sentry-test"
    assert (frame["function"], frame["in_app"]) == ("sentry_test", True)
    assert frame["vars"] == {"numerator": "1", "denominator": "0"}
    assert "numerator / denominator" in frame["context_line"]


def test_frames_of_libraries_are_not_in_app(reporting: InProcess) -> None:
    frames = exception_of(reporting.request("/sentry-test").event)["stacktrace"]["frames"]
    assert {frame["module"] for frame in frames if frame["in_app"]} == {"app"}
    assert {frame["module"] for frame in frames if not frame["in_app"]} == {"flask.app"}


def test_hello_fails_with_the_guides_error_after_its_breadcrumb(simple_app: InProcess) -> None:
    with simple_app.reporting(error_rate=1.0):
        seen = simple_app.request("/")
    exception = exception_of(seen.event)
    assert seen.response.status_code == 500
    assert (exception["type"], exception["value"]) == (
        "Exception",
        "Simulated error at / endpoint",
    )
    assert crumbs(seen.event) == [("request", "Processing hello request", "info")]


def test_hello_that_does_not_fail_reports_no_error(reporting: InProcess) -> None:
    seen = reporting.request("/")
    assert seen.response.status_code == 200
    assert seen.events == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/", {}),
        ("GET", "/error", {}),
        ("GET", "/sentry-test", {}),
        ("GET", "/checkout?fail=1", {}),
        ("POST", "/checkout", {"json": {"fail": True}}),
        ("POST", "/login", {"data": {"username": "u", "password": "p", "fail": "1"}}),
        ("GET", "/stock?fail=1", {}),
    ],
)
def test_every_500_has_exactly_one_event_and_names_it(
    simple_app: InProcess, method: str, path: str, body: dict[str, Any]
) -> None:
    with simple_app.reporting(error_rate=1.0):
        seen = simple_app.request(path, method=method, **body)
    assert seen.response.status_code == 500
    assert seen.response.json is not None
    assert seen.response.json["event_id"] == seen.event["event_id"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/slow?seconds=never", "seconds: expected a number from 0 to 10, found 'never'"),
        ("/slow?seconds=10.5", "seconds: expected a number from 0 to 10, found '10.5'"),
        ("/slow?seconds=nan", "seconds: expected a number from 0 to 10, found 'nan'"),
        ("/checkout?amount=-1", "amount: expected a number from 0 to 1e+06, found '-1'"),
        (
            "/log?level=loud",
            "level: expected one of debug, info, warning, error, critical, found 'loud'",
        ),
        (
            "/log?level=info&level=error&message=one",
            "as many messages as levels are needed: 2 != 1",
        ),
    ],
)
def test_a_parameter_that_cannot_be_meant_is_a_400_that_says_so(
    reporting: InProcess, path: str, text: str
) -> None:
    seen = reporting.request(path)
    assert (seen.response.status_code, seen.response.json) == (400, {"error": text})
    assert seen.events == []


def test_a_body_that_is_no_object_is_a_400(reporting: InProcess) -> None:
    seen = reporting.request("/checkout", method="POST", json=[1])
    assert seen.response.json == {"error": "expected a JSON object, found list"}


def test_login_needs_name_and_password(reporting: InProcess) -> None:
    seen = reporting.request("/login", method="POST", json={"username": "u"})
    assert (seen.response.status_code, seen.response.json) == (
        400,
        {"error": "username and password are needed"},
    )


def test_login_gives_a_session_cookie(reporting: InProcess) -> None:
    seen = reporting.request("/login", method="POST", json={"username": "u", "password": "p"})
    assert seen.response.json == {"user": "u"}
    assert seen.response.headers["Set-Cookie"].startswith("session=")
    assert "HttpOnly" in seen.response.headers["Set-Cookie"]


def test_an_unknown_path_is_a_404_without_an_event(reporting: InProcess) -> None:
    seen = reporting.request("/nowhere")
    assert seen.response.status_code == 404
    assert seen.events == []


def test_chain_without_an_inventory_says_what_is_missing(reporting: InProcess) -> None:
    seen = reporting.request("/chain")
    assert (seen.response.status_code, seen.response.json) == (
        503,
        {"error": "APP_INVENTORY_URL is not set"},
    )


def test_health_names_the_service(reporting: InProcess) -> None:
    assert reporting.request("/health").response.json == {"service": "simple-app", "status": "ok"}
