"""An issue's life: resolved, and opened again by an event of this test or by somebody else's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from pytest_obsstack.clients.sentry.bugsink import BugsinkClient
from pytest_obsstack.clients.sentry.issue import Issue
from pytest_obsstack.clients.sentry.traits import BUGSINK, GLITCHTIP, TrackerTraits
from pytest_obsstack.endpoints import SentryEndpoint
from pytest_obsstack.errors import CannotTell, ObsstackError
from pytest_obsstack.expect.sentry import SentryExpectations
from pytest_obsstack.record.asserted import Asserted
from tests.unit.expect.fakes import Bench, FakeSentry, bench
from tests.unit.expect.models import event, issue, root_span

DSN_HOP = "SDK has the DSN http://0123…@127.0.0.1:9000/1"
PAGE = "http://127.0.0.1:9000/organizations/obsstack/issues/1/"
NOT_PROVEN = (
    "Cannot assert that issue SIMPLE-APP-1 did not regress: it is not proven that all errors of "
    "this test have arrived."
)
FIRST, SECOND = "a" * 32, "b" * 32


@dataclass
class LivingSentry(FakeSentry):
    """Issues that are resolved, and regress when they are told of an event."""

    tells_activity: bool = True

    def update_issue(self, of: Issue, *, status: str) -> Issue:
        return self._change(of.id, status, {"type": "set_resolved"})

    def regress(self, event_id: str) -> Issue:
        note = {"type": "set_regression", "data": {"event_id": event_id}}
        return self._change("1", "unresolved", note)

    def _change(self, issue_id: str, status: str, note: dict[str, Any]) -> Issue:
        old = self.issue(issue_id)
        activity = [note, *old.raw.get("activity", [])]
        more: dict[str, Any] = {"activity": activity} if self.tells_activity else {}
        self.issues = [issue(id=issue_id, status=status, **more)]
        return self.issues[0]


def given(*, traits: TrackerTraits | None = None) -> tuple[Bench, LivingSentry]:
    """A request whose error has arrived in an issue of its own."""
    made = bench()
    sentry = LivingSentry(
        events=[event(event_id=FIRST)],
        issues=[issue(status="unresolved")],
        spans=[root_span()],
        tells_activity=traits is None,
    )
    if traits is not None:
        sentry.traits = traits
    made.context.clients.__dict__["sentry"] = sentry
    return replace(made, sentry=sentry), sentry


def obs_sentry(made: Bench) -> SentryExpectations:
    return SentryExpectations(made.context)


@pytest.mark.proves("obs.sentry.resolve", "green")
@pytest.mark.proves("obs.sentry.expect_regression", "green")
@pytest.mark.proves("obs.sentry.expect_no_regression", "red")
def test_an_issue_regresses_because_of_an_event_of_this_test() -> None:
    made, sentry = given()
    obs = obs_sentry(made)
    resolved = obs.resolve(obs.expect_issue(status="unresolved"))
    assert resolved.status == "resolved"
    sentry.events.append(event(event_id=SECOND))
    sentry.regress(SECOND)
    assert obs.expect_regression(resolved).status == "unresolved"
    with pytest.raises(AssertionError) as caught:
        obs.expect_no_regression(resolved)
    assert str(caught.value) == (
        "issue SIMPLE-APP-1 has regressed.\n"
        "  expected  no event of this test in issue SIMPLE-APP-1 since it was resolved\n"
        '  found     ValueError "Intentional error for testing"\n'
        f"  look      {PAGE}  ·  keep the stack: --obs-keep-stack"
    )


@pytest.mark.proves("obs.sentry.expect_no_regression", "green")
@pytest.mark.proves("obs.sentry.expect_regression", "red")
def test_an_issue_that_stays_resolved_has_not_regressed() -> None:
    made, _ = given()
    obs = obs_sentry(made)
    resolved = obs.resolve(issue())
    obs.expect_no_regression(resolved)
    with pytest.raises(AssertionError) as caught:
        obs.expect_regression(resolved)
    assert str(caught.value) == (
        "issue SIMPLE-APP-1 did not regress within 0.0 s (1 poll).\n"
        "  expected  issue SIMPLE-APP-1 open again because of an event of this test\n"
        "  found     0 events of trace 4bf92f35… in it since it was resolved\n"
        '  nearest   SIMPLE-APP-1 ValueError "Intentional error for testing"\n'
        "              status       expected 'unresolved'   got 'resolved'\n"
        "              reopened_by  expected 'an event of this test'   got (absent)\n"
        f"  pipeline  app 1 request (500) → {DSN_HOP} → Sentry accepted 1 event, 1 transaction of "
        "this trace → SDK reported no discards\n"
        f"  look      {PAGE}  ·  keep the stack: --obs-keep-stack"
    )


@pytest.mark.proves("obs.sentry.expect_regression", "other trace")
@pytest.mark.proves("obs.sentry.expect_no_regression", "other trace")
def test_the_event_of_another_trace_that_opens_it_again_is_not_taken() -> None:
    made, sentry = given()
    obs = obs_sentry(made)
    resolved = obs.resolve(issue())
    sentry.regress("c" * 32)
    obs.expect_no_regression(resolved)
    with pytest.raises(AssertionError) as caught:
        obs.expect_regression(resolved)
    assert (
        "reopened_by  expected 'an event of this test'   got 'event cccccccc… of another trace'"
        in str(caught.value)
    )


def test_a_regression_of_an_earlier_life_does_not_count() -> None:
    made, sentry = given()
    obs = obs_sentry(made)
    obs.resolve(issue())
    sentry.events.append(event(event_id=SECOND))
    sentry.regress(SECOND)
    resolved = obs.resolve(issue())
    with pytest.raises(AssertionError, match="did not regress"):
        obs.expect_regression(resolved)


@pytest.mark.proves("obs.sentry.expect_regression", "cannot tell")
def test_an_issue_that_was_never_resolved_cannot_regress() -> None:
    made, _ = given()
    with pytest.raises(CannotTell) as caught:
        obs_sentry(made).expect_regression(issue(status="unresolved", activity=[]))
    assert str(caught.value) == (
        "Cannot tell whether issue SIMPLE-APP-1 has regressed: nobody is known to have resolved "
        "it.\n"
        "  expected  an issue that was resolved before\n"
        "  found     Sentry, which does not tell who did\n"
        "  do        resolve it first: obs.sentry.resolve(issue)"
    )


@pytest.mark.proves("obs.sentry.resolve", "cannot tell")
def test_an_issue_is_not_resolved_while_errors_may_be_under_way() -> None:
    made, sentry = given()
    sentry.spans = []
    with pytest.raises(CannotTell) as caught:
        obs_sentry(made).resolve(issue())
    assert str(caught.value).splitlines()[0] == (
        "Cannot resolve issue SIMPLE-APP-1 for good: it is not proven that all errors of this test "
        "have arrived."
    )
    assert sentry.issues[0].status == "unresolved"


@pytest.mark.proves("obs.sentry.resolve", "other trace")
def test_the_transaction_of_another_trace_resolves_nothing() -> None:
    made, sentry = given()
    made.make_foreign(settled=False)
    with pytest.raises(CannotTell, match="Cannot resolve issue SIMPLE-APP-1 for good"):
        obs_sentry(made).resolve(issue())
    assert sentry.issues[0].status == "unresolved"


@pytest.mark.proves("obs.sentry.expect_no_regression", "cannot tell")
def test_that_nothing_regressed_cannot_be_told_before_all_has_arrived() -> None:
    made, sentry = given()
    obs = obs_sentry(made)
    resolved = obs.resolve(issue())
    sentry.spans = []
    with pytest.raises(CannotTell) as caught:
        obs.expect_no_regression(resolved)
    assert str(caught.value).splitlines()[:3] == [
        NOT_PROVEN,
        "  expected  the fence of each request has arrived",
        "  found     the transaction of GET /error (500) has not arrived after 0.0 s (1 poll)",
    ]


def test_what_becomes_of_an_issue_is_written_down_for_the_self_check() -> None:
    made, sentry = given()
    obs = obs_sentry(made)
    resolved = obs.resolve(issue())
    obs.expect_no_regression(resolved)
    sentry.events.append(event(event_id=SECOND))
    sentry.regress(SECOND)
    obs.expect_regression(resolved)
    assert list(made.context.asserted) == [
        Asserted("issue", "absent", frozenset({"status"})),
        Asserted("issue", "present", frozenset({"status"})),
    ]


def test_glitchtip_opens_an_issue_again_without_telling_why() -> None:
    made, sentry = given(traits=GLITCHTIP)
    obs = obs_sentry(made)
    resolved = obs.resolve(issue())
    sentry.regress("c" * 32)
    with pytest.raises(AssertionError, match=r"reopened_by  expected 'an event of this test'"):
        obs.expect_regression(resolved)
    sentry.events.append(event(event_id=SECOND))
    assert obs.expect_regression(resolved).status == "unresolved"
    with pytest.raises(CannotTell):
        obs_sentry(made).expect_regression(resolved)


def test_bugsink_resolves_nothing() -> None:
    client = BugsinkClient(SentryEndpoint("http://127.0.0.1:1", project="shop"))
    with pytest.raises(ObsstackError) as caught:
        client.update_issue("7", status="resolved")
    assert str(caught.value) == (
        "Bugsink does not let its API change issue 7 to 'resolved'.\n"
        "  expected  an error tracker whose API changes issues\n"
        "  found     Bugsink, where only its pages do\n"
        "  do        use one that does (--obs-use sentry=lite, sentry=glitchtip, or the URL of a "
        "Sentry), or mark the test with obs_requires('issue_status')"
    )
    assert "issue_status" not in BUGSINK.capabilities


def test_first_and_last_release_are_fields_of_an_issue() -> None:
    made, sentry = given()
    first, last = {"version": "shop@1"}, {"version": "shop@2"}
    sentry.issues = [issue(firstRelease=first, lastRelease=last)]
    found = obs_sentry(made).expect_issue(first_release="shop@1", last_release="shop@2")
    assert found.last_release == "shop@2"
    with pytest.raises(AssertionError, match=r"first_release  expected 'shop@0'   got 'shop@1'"):
        obs_sentry(made).expect_issue(first_release="shop@0")


def test_a_tracker_that_does_not_tell_the_first_release_says_so() -> None:
    made, _ = given(traits=GLITCHTIP)
    with pytest.raises(ObsstackError) as caught:
        obs_sentry(made).expect_issue(first_release="shop@1")
    assert str(caught.value) == (
        "GlitchTip does not show the first release of an issue.\n"
        "  expected  an error tracker that shows the first release of an issue\n"
        "  found     GlitchTip\n"
        "  do        use one that does (--obs-use sentry=lite, or the URL of a Sentry)"
    )
