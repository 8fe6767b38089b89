"""``SentryClient`` and ``sentry_setup`` against the embedded server, fed by the real sentry-sdk."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.integrations.logging import LoggingIntegration

from pytest_obsstack.clients.sentry.client import SentryClient
from pytest_obsstack.endpoints import SentryEndpoint
from pytest_obsstack.errors import BackendRefused, ObsstackError
from pytest_obsstack.provision.sentry_setup import SentryProject, sentry_setup
from pytest_obsstack.waiting import until
from tests.contract.embedded_sentry import TOKEN, running_sentry

TRACE = "0123456789abcdef0123456789abcde1"
OTHER_TRACE = "0123456789abcdef0123456789abcde2"
PARENT = "00f067aa0ba902b7"
_FLUSH_S = 10


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    with running_sentry() as server:
        yield str(server.client.base_url)


@pytest.fixture(scope="module")
def project(server_url: str) -> SentryProject:
    client = SentryClient(SentryEndpoint(server_url, token=TOKEN))
    made = sentry_setup(client)
    client.close()
    return made


@pytest.fixture(scope="module")
def client(server_url: str, project: SentryProject) -> Iterator[SentryClient]:
    endpoint = SentryEndpoint(
        server_url,
        token=TOKEN,
        organization=project.organization,
        project=project.project,
        dsn=project.dsn,
    )
    client = SentryClient(endpoint)
    yield client
    client.close()


def report(dsn: str, trace_id: str, work: Callable[[sentry_sdk.Scope], Any]) -> Any:
    """Run ``work`` inside a transaction of that trace, with an SDK of its own; flushed after."""
    sdk = sentry_sdk.Client(
        dsn=dsn,
        default_integrations=False,
        integrations=[LoggingIntegration()],
        environment="staging",
        release="simple-app@1.2.3",
        traces_sample_rate=1.0,
        enable_logs=True,
    )
    with sentry_sdk.isolation_scope() as isolation, sentry_sdk.new_scope() as scope:
        # It begins as a copy: what earlier tests of this process left in it is none of ours.
        isolation.clear()
        isolation.set_client(sdk)
        scope.set_client(sdk)
        transaction = sentry_sdk.continue_trace(
            {"sentry-trace": f"{trace_id}-{PARENT}-1"}, op="http.server", name="checkout"
        )
        with sentry_sdk.start_transaction(transaction):
            result = work(scope)
        sdk.flush(timeout=_FLUSH_S)
        sdk.close(timeout=_FLUSH_S)
    return result


def refuse(amount: int) -> None:
    doubled = amount * 2
    raise ValueError(f"Intentional error for testing {doubled}")


def fail(scope: sentry_sdk.Scope) -> str | None:
    scope.set_tag("endpoint", "/error")
    scope.set_user({"id": "7", "email": "ann@example.com"})
    scope.set_context("request_info", {"path": "/error", "attempt": 2})
    scope.set_extra("cart", ["sku-1"])
    scope.add_attachment(bytes=b"\x00\xffhello", filename="note.bin")
    sentry_sdk.add_breadcrumb(category="request", message="about to fail", level="info")
    with sentry_sdk.start_span(op="db.query", name="SELECT 1"):
        pass
    logging.getLogger("shop").warning("failing for %s", "ann")
    try:
        refuse(21)
    except ValueError as error:
        return sentry_sdk.capture_exception(error)
    return None


@pytest.fixture(scope="module")
def event_id(project: SentryProject, client: SentryClient) -> str:
    """The id that the SDK gave to the error; error, transaction and log are visible."""
    found = report(project.dsn, TRACE, fail)
    assert isinstance(found, str)
    until(lambda: client.transactions_of_trace(TRACE) or None, timeout_s=10)
    until(lambda: client.logs_of_trace(TRACE) or None, timeout_s=10)
    return found


def test_setup_gives_a_project_that_an_sdk_can_report_to(project: SentryProject) -> None:
    assert (project.organization, project.project) == ("obsstack", "simple-app")
    assert project.dsn.endswith(f"/{project.project_id}")
    assert project.public_key in project.dsn


def test_a_second_setup_changes_nothing(client: SentryClient, project: SentryProject) -> None:
    assert sentry_setup(client) == project
    assert len(client.accounts.keys("obsstack", "simple-app")) == 1


def test_setup_makes_a_new_key_where_all_are_switched_off(client: SentryClient) -> None:
    first = sentry_setup(client, project="all-keys-off")
    [key] = client.accounts.keys("obsstack", "all-keys-off")
    off = client.accounts.set_key_active("obsstack", "all-keys-off", key.id, active=False)
    assert not off.is_active
    second = sentry_setup(client, project="all-keys-off")
    assert second.dsn != first.dsn
    assert second.project_id == first.project_id


def test_what_does_not_exist_is_none(client: SentryClient) -> None:
    assert client.accounts.organization("nobody") is None
    assert client.accounts.project("obsstack", "nothing") is None
    assert client.accounts.team("obsstack", "nobody") is None
    assert client.release("simple-app@9.9.9") is None


def test_a_project_that_exists_already_is_refused(client: SentryClient) -> None:
    with pytest.raises(BackendRefused) as caught:
        client.accounts.create_project("obsstack", "obsstack", "simple-app")
    assert caught.value.status == 409


def test_health_and_unknown_token(server_url: str, client: SentryClient) -> None:
    client.health()
    stranger = SentryClient(replace(client.endpoint, token="not-the-token"))
    with pytest.raises(BackendRefused) as caught:
        stranger.issues()
    assert caught.value.status == 401
    assert caught.value.found == "Invalid token"
    assert caught.value.advice == "give a valid auth token of this Sentry server"
    stranger.close()


def test_the_error_event_is_found_by_trace_with_all_its_parts(
    client: SentryClient, event_id: str
) -> None:
    [event] = client.events_of_trace(TRACE)
    assert event.event_id == event_id
    assert event.type == "error"
    assert event.title == "ValueError: Intentional error for testing 42"
    assert event.level == "error"
    assert event.platform == "python"
    assert event.trace_id == TRACE
    assert event.tags["endpoint"] == "/error"
    assert event.user is not None
    assert (event.user.id, event.user.email) == ("7", "ann@example.com")
    assert event.contexts["request_info"]["attempt"] == 2
    assert event.extra["cart"] == ["sku-1"]
    assert (event.environment, event.release) == ("staging", "simple-app@1.2.3")
    assert event.transaction == "checkout"
    assert event.sdk is not None
    assert event.sdk.name == "sentry.python"
    assert [(crumb.category, crumb.message) for crumb in event.breadcrumbs] == [
        ("request", "about to fail"),
        ("shop", "failing for ann"),
    ]
    assert event.date is not None
    assert event.date_received is not None


def test_the_exception_has_type_value_mechanism_and_the_raising_frame_last(
    client: SentryClient, event_id: str
) -> None:
    exception = client.event(event_id).exception
    assert exception is not None
    assert (exception.type, exception.value) == ("ValueError", "Intentional error for testing 42")
    assert exception.handled is True
    frame = exception.frames[-1]
    assert (exception.frames[-2].function, frame.function) == ("fail", "refuse")
    assert frame.filename is not None
    assert frame.filename.endswith("test_sentry_client.py")
    assert frame.vars["doubled"] == "42"
    assert frame.context_line is not None
    assert frame.context_line.lstrip().startswith('raise ValueError(f"Intentional')
    assert frame.pre_context[-2:] == (
        "def refuse(amount: int) -> None:",
        "    doubled = amount * 2",
    )
    assert "def fail(scope: sentry_sdk.Scope) -> str | None:" in frame.post_context


def test_the_issue_groups_the_event_and_is_found_by_search(
    client: SentryClient, event_id: str
) -> None:
    [issue] = client.issues(f"trace:{TRACE}")
    assert (issue.type, issue.value) == ("ValueError", "Intentional error for testing 42")
    assert issue.title == "ValueError: Intentional error for testing 42"
    assert issue.count == 1
    assert issue.status == "unresolved"
    assert issue.project == "simple-app"
    assert client.event(event_id).issue_id == issue.id
    assert client.latest_event(issue).event_id == event_id
    [event] = client.issue_events(issue)
    assert event.exceptions[0].type == "ValueError"
    assert client.issue(issue.id).first_release == "simple-app@1.2.3"
    assert client.issues("error.type:KeyError") == ()


def test_tags_of_an_issue_are_counted(client: SentryClient, event_id: str) -> None:
    [issue] = client.issues(f"trace:{TRACE}")
    tags = {tag.key: tag for tag in client.tags(issue)}
    assert tags["endpoint"].total == 1
    [value] = client.tag_values(issue, "endpoint")
    assert (value.value, value.count) == ("/error", 1)


def test_the_stored_payload_and_the_attachment_come_back_as_sent(
    client: SentryClient, event_id: str
) -> None:
    payload = client.event_json(event_id)
    assert payload["event_id"] == event_id
    assert payload["sdk"]["integrations"]
    [attachment] = client.attachments(event_id)
    assert (attachment.name, attachment.size_bytes) == ("note.bin", 7)
    assert client.attachment_content(event_id, attachment.id) == b"\x00\xffhello"


def test_the_transaction_is_found_by_trace(client: SentryClient, event_id: str) -> None:
    [transaction] = client.transactions_of_trace(TRACE)
    assert (transaction.name, transaction.op) == ("checkout", "http.server")
    assert transaction.parent_span_id == PARENT
    assert transaction.duration_s is not None
    assert 0 < transaction.duration_s < 5
    [span] = transaction.spans
    assert (span.op, span.description) == ("db.query", "SELECT 1")
    assert span.parent_span_id == transaction.span_id
    assert transaction.environment == "staging"
    assert client.transaction(transaction.event_id) == transaction


def test_the_spans_of_the_trace_are_rows_with_times(client: SentryClient, event_id: str) -> None:
    root, child = client.spans_of_trace(TRACE)
    assert root.is_transaction
    assert not child.is_transaction
    assert child.parent_span_id == root.span_id
    assert (root.op, child.op) == ("http.server", "db.query")
    assert root.transaction == child.transaction == "checkout"
    assert root.transaction_event_id == child.transaction_event_id is not None
    assert root.start_s is not None
    assert root.end_s is not None
    assert root.duration_ms == pytest.approx((root.end_s - root.start_s) * 1000, abs=0.01)
    assert root.project == "simple-app"
    assert root.environment == "staging"


def test_the_structured_log_is_found_by_trace(client: SentryClient, event_id: str) -> None:
    [log] = client.logs_of_trace(TRACE)
    assert log.message == "failing for ann"
    assert log.severity == "warn"
    assert log.trace_id == TRACE
    assert log.span_id is not None
    assert log.timestamp_ns is not None


def test_a_trace_over_two_projects_is_found_whole(
    client: SentryClient, project: SentryProject
) -> None:
    trace_id = "0123456789abcdef0123456789abcde4"
    inventory = sentry_setup(client, project="inventory")
    for made in (project, inventory):
        report(made.dsn, trace_id, lambda _: sentry_sdk.capture_message("in stock"))
    until(lambda: len(client.events_of_trace(trace_id)) == 2 or None, timeout_s=10)
    until(lambda: len(client.transactions_of_trace(trace_id)) == 2 or None, timeout_s=10)
    ids = {project.project_id, inventory.project_id}
    assert {event.project_id for event in client.events_of_trace(trace_id)} == ids
    assert {event.project_id for event in client.transactions_of_trace(trace_id)} == ids


def test_another_trace_has_nothing(client: SentryClient, event_id: str) -> None:
    nothing = "f" * 32
    assert client.events_of_trace(nothing) == ()
    assert client.transactions_of_trace(nothing) == ()
    assert client.spans_of_trace(nothing) == ()
    assert client.logs_of_trace(nothing) == ()


def test_release_and_outcomes(client: SentryClient, event_id: str) -> None:
    release = client.release("simple-app@1.2.3")
    assert release is not None
    assert "simple-app" in release.projects
    assert release in client.releases("1.2.3")
    accepted = {o.category: o.quantity for o in client.outcomes() if o.outcome == "accepted"}
    assert accepted["error"] >= 1
    assert accepted["transaction"] >= 1


def test_more_issues_than_a_page_are_all_found(
    client: SentryClient, project: SentryProject
) -> None:
    def many(scope: sentry_sdk.Scope) -> None:
        for number in range(7):
            scope.fingerprint = [f"page-{number}"]
            sentry_sdk.capture_message(f"page {number}")

    report(project.dsn, OTHER_TRACE, many)
    query = f"trace:{OTHER_TRACE}"
    until(lambda: len(client.events_of_trace(OTHER_TRACE)) == 7 or None, timeout_s=10)
    paged = list(client.iter_issues(query, page_size=2))
    assert [issue.id for issue in paged] == [issue.id for issue in client.issues(query)]
    assert {issue.title for issue in paged} == {f"page {number}" for number in range(7)}
    assert client.issues(query, limit=3) == tuple(paged[:3])


def test_an_issue_is_resolved_and_then_not_found_as_unresolved(
    client: SentryClient, project: SentryProject
) -> None:
    trace_id = "0123456789abcdef0123456789abcde3"
    report(project.dsn, trace_id, lambda _: sentry_sdk.capture_message("to be resolved"))
    until(lambda: client.events_of_trace(trace_id) or None, timeout_s=10)
    [issue] = client.issues(f"trace:{trace_id}")
    assert client.update_issue(issue, status="resolved").status == "resolved"
    assert client.issues(f"trace:{trace_id} is:unresolved") == ()
    assert client.issues(f"trace:{trace_id}") != ()


def test_a_read_only_client_looks_but_does_not_write(client: SentryClient, event_id: str) -> None:
    reader = SentryClient(client.endpoint, writable=False)
    [issue] = reader.issues(f"trace:{TRACE}")
    with pytest.raises(ObsstackError, match="pass --obs-allow-writes"):
        reader.update_issue(issue, status="resolved")
    with pytest.raises(ObsstackError, match="pass --obs-allow-writes"):
        sentry_setup(reader, project="another")
    assert client.issue(issue.id).status == "unresolved"
    reader.close()


def test_a_refused_search_is_an_error_with_the_servers_words(client: SentryClient) -> None:
    with pytest.raises(BackendRefused) as caught:
        client.issues("assigned:me")
    assert caught.value.found is not None
    assert "not supported by the embedded Sentry" in caught.value.found


def test_an_endpoint_that_the_server_does_not_know_is_an_error_and_not_none(
    client: SentryClient,
) -> None:
    with pytest.raises(BackendRefused, match="not supported by the embedded Sentry"):
        client.get("/organizations/obsstack/replays/")
