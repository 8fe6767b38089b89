"""The real sentry-sdk, over HTTP, against the embedded server."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.integrations.logging import LoggingIntegration

from tests.contract.embedded_sentry import EmbeddedSentry, running_sentry

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
_FLUSH_S = 10


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedSentry]:
    with running_sentry() as server:
        yield server


@contextmanager
def sdk(dsn: str, **options: Any) -> Iterator[sentry_sdk.Scope]:
    """A client of its own in scopes of its own, flushed and closed at the end."""
    client = sentry_sdk.Client(
        dsn=dsn,
        default_integrations=False,
        integrations=[LoggingIntegration()],
        environment="staging",
        release="simple-app@1.0.0",
        traces_sample_rate=1.0,
        **options,
    )
    with sentry_sdk.isolation_scope() as isolation, sentry_sdk.new_scope() as scope:
        # It begins as a copy: what earlier tests of this process left in it is none of ours.
        isolation.clear()
        isolation.set_client(client)
        scope.set_client(client)
        try:
            yield scope
        finally:
            client.flush(timeout=_FLUSH_S)
            client.close(timeout=_FLUSH_S)


def divide(number: int) -> float:
    return number / (number - number)


def capture_division() -> str | None:
    try:
        divide(3)
    except ZeroDivisionError as error:
        return sentry_sdk.capture_exception(error)
    return None


@pytest.mark.parametrize("algorithm", ["gzip", "br"])
def test_error_transaction_log_and_attachment_arrive_in_one_trace(
    embedded: EmbeddedSentry, algorithm: str
) -> None:
    trace_id = f"{TRACE[:-1]}{'a' if algorithm == 'br' else 'b'}"
    experiments = {"transport_compression_algo": algorithm}
    with sdk(embedded.dsn, enable_logs=True, _experiments=experiments) as scope:
        transaction = sentry_sdk.continue_trace(
            {"sentry-trace": f"{trace_id}-00f067aa0ba902b7-1"}, op="http.server", name="boom"
        )
        with sentry_sdk.start_transaction(transaction):
            scope.set_tag("endpoint", "/error")
            scope.set_user({"id": "7", "email": "ann@example.com"})
            scope.add_attachment(bytes=b"\x00\xffhello", filename="note.bin")
            sentry_sdk.add_breadcrumb(category="request", message="about to divide", level="info")
            with sentry_sdk.start_span(op="db.query", name="SELECT 1"):
                pass
            logging.getLogger("shop").warning("dividing %d", 3)
            event_id = capture_division()
            transaction.set_status("internal_error")

    assert event_id is not None
    query = f"trace:{trace_id}"
    [found] = embedded.rows("errors", "id", "title", "endpoint", "user.email", query=query)
    assert found == {
        "id": event_id,
        "title": "ZeroDivisionError: division by zero",
        "endpoint": "/error",
        "user.email": "ann@example.com",
    }
    event = embedded.get(f"/projects/obs/simple-app/events/{event_id}/")
    entries = {entry["type"]: entry["data"] for entry in event["entries"]}
    frames = entries["exception"]["values"][0]["stacktrace"]["frames"]
    assert (frames[-1]["function"], frames[-1]["vars"]) == ("divide", {"number": "3"})
    crumbs = [crumb["message"] for crumb in entries["breadcrumbs"]["values"]]
    assert crumbs == ["about to divide", "dividing 3"]

    [attachment] = embedded.get(f"/projects/obs/simple-app/events/{event_id}/attachments/")
    path = f"/projects/obs/simple-app/events/{event_id}/attachments/{attachment['id']}/"
    response = embedded.client.get(f"/api/0{path}", params={"download": "1"})
    assert (attachment["name"], response.content) == ("note.bin", b"\x00\xffhello")

    [row] = embedded.rows("transactions", "transaction", "transaction.status", query=query)
    assert row == {"transaction": "boom", "transaction.status": "internal_error"}
    spans = embedded.rows("spans", "span.description", "is_transaction", query=query)
    assert sorted(span["span.description"] for span in spans) == ["SELECT 1", "boom"]
    [log] = embedded.rows("logs", "message", "severity", "logger.name", query=query)
    assert log == {"message": "dividing 3", "severity": "warn", "logger.name": "shop"}

    [issue] = embedded.get("/organizations/obs/issues/", query=query)
    assert issue["culprit"] == "boom"
    [root] = embedded.get(f"/organizations/obs/trace/{trace_id}/")
    assert root["parent_span_id"] == "00f067aa0ba902b7"
    assert [error["event_id"] for error in root["errors"]] == [event_id]


def test_error_record_is_an_event_with_the_loggers_template(embedded: EmbeddedSentry) -> None:
    with sdk(embedded.dsn):
        for user in ("ann", "bob"):
            logging.getLogger("shop").error("no such user: %s", user)
    [issue] = embedded.get("/organizations/obs/issues/", query="logger:shop no such user")
    assert (issue["count"], issue["title"], issue["logger"]) == (
        "2",
        "no such user: bob",
        "shop",
    )


def test_event_is_visible_as_soon_as_the_sdk_has_flushed(embedded: EmbeddedSentry) -> None:
    with sdk(embedded.dsn) as scope:
        event_id = scope.capture_message("just now")
        sentry_sdk.get_client().flush(timeout=_FLUSH_S)
        shown = embedded.get(f"/projects/obs/simple-app/events/{event_id}/")
    assert shown["title"] == "just now"


def test_wrong_key_stores_nothing(embedded: EmbeddedSentry) -> None:
    before = embedded.server.status()
    scheme, rest = embedded.dsn.split("://")
    wrong = f"{scheme}://{'0' * 32}@{rest.partition('@')[2]}"
    with sdk(wrong) as scope:
        scope.capture_message("for nobody")
    assert embedded.server.status() == before
