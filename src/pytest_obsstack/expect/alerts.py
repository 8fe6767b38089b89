"""Expectations on alerts: what arrived at a receiver of this test, and what must not.

The receiver is the test's own, so what arrives there was sent because of rules that this test made
or pointed to it. What another trace or another instance of the app has caused, and what was firing
before the test's first request, never satisfies an expectation (see ``alert_owner``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from pytest_obsstack.errors import CannotTell
from pytest_obsstack.expect.alert_facts import note_alert, note_no_alert
from pytest_obsstack.expect.alert_fence import Fired, Verdict, alerts_settled
from pytest_obsstack.expect.alert_owner import alert_fields, is_own, of_this_test
from pytest_obsstack.expect.alert_rules import alert_hops, shown_labels
from pytest_obsstack.expect.alert_setup import receiver_told, rules_loaded
from pytest_obsstack.expect.matching import (
    NOT_GIVEN,
    Candidate,
    differences,
    given,
    nearest,
)
from pytest_obsstack.expect.mismatch import Mismatch, fail, plural
from pytest_obsstack.expect.question import KEEP, cannot_tell, described
from pytest_obsstack.expect.soft import Expectations
from pytest_obsstack.receiver.server import Receiver, serving
from pytest_obsstack.waiting import until

if TYPE_CHECKING:
    from pytest_obsstack.clients.sentry.alerts import SentryApp
    from pytest_obsstack.expect.context import Context
    from pytest_obsstack.expect.probe import Probe
    from pytest_obsstack.receiver.alert import Alert


class AlertReceiver(Expectations):
    """``obs_alert_receiver``: a server that takes alerts, and the expectations on what it got.

    It is an Alertmanager for Prometheus and Loki's ruler (``url``) and the target of webhooks of
    Sentry, Grafana and GlitchTip (``webhook_url``). ``server`` keeps all that arrived.
    """

    def __init__(self, context: Context, server: Receiver) -> None:
        self._context = context
        self.server = server

    @property
    def url(self) -> str:
        """What Prometheus or Loki's ruler is given as the base URL of an Alertmanager."""
        return self.server.url

    @property
    def webhook_url(self) -> str:
        """What Sentry's integrations, Grafana's contact points and GlitchTip are given."""
        return self.server.webhook_url

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """All that arrived, whoever caused it, in the order of arrival."""
        return self.server.alerts

    def of(self, probe: Probe) -> AlertReceiver:
        """The same receiver, asked for what another probe has caused: that of ``obs_with_app``."""
        return AlertReceiver(probe._context, self.server)  # noqa: SLF001 - a part of the probe

    def trust(self, app: SentryApp | str) -> None:
        """Check the signatures of an integration's webhooks by its client secret.

        From then on no alert with a wrong signature, or without one, is one that was expected.
        """
        secret = app if isinstance(app, str) else app.client_secret
        if secret is not None:
            self.server.trust(secret)

    def rules(
        self,
        *groups: Mapping[str, Any],
        resend_delay_s: float = 60.0,
        external_labels: Mapping[str, str] | None = None,
    ) -> AbstractContextManager[None]:
        """Let the embedded Prometheus evaluate these rule groups, and tell this receiver.

        ``groups`` are in the format of its rule files. They replace what rules and Alertmanagers
        there were, and are gone after the block, so mark the test with ``obs_exclusive``. Needs the
        capability ``injection``; raises ``ObsstackError`` where Prometheus would not load them.
        """
        more = external_labels or {}
        return rules_loaded(self._context, self.server, groups, resend_delay_s, more)

    def told_by_prometheus(self) -> AbstractContextManager[None]:
        """Let the stack's own Prometheus notify this receiver, with the rules that it has.

        In containers that takes some seconds: Prometheus reads a file that is written here. Raises
        ``ObsstackError`` where the Prometheus is somebody else's, or does not come to know it.
        """
        return receiver_told(self._context, self.server)

    # ---- presence

    def expect_alert(
        self,
        name: str,
        *,
        labels: Any = NOT_GIVEN,
        annotations: Any = NOT_GIVEN,
        source: Any = NOT_GIVEN,
        status: Any = "firing",
        within_s: float | None = None,
    ) -> Alert:
        """An alert of this test that the rule ``name`` has sent; the latest that matches.

        ``source`` is ``alertmanager`` (Prometheus, Loki), ``sentry``, ``grafana`` or ``glitchtip``;
        ``status`` is ``firing``, ``resolved`` or ``...``. ``within_s`` replaces the deadline, for a
        rule whose condition has to hold for some time. Raises ``AssertionError`` at the deadline.
        """
        __tracebackhide__ = True
        fields = given(status=status, labels=labels, annotations=annotations, source=source)
        return self._expect({"name": name, **fields}, name, within_s)

    def expect_resolved(
        self,
        name: str,
        *,
        labels: Any = NOT_GIVEN,
        annotations: Any = NOT_GIVEN,
        source: Any = NOT_GIVEN,
        within_s: float | None = None,
    ) -> Alert:
        """The end of an alert that this test has caused; see ``expect_alert``.

        ``ends_s`` tells when, in Unix seconds.
        """
        __tracebackhide__ = True
        fields = given(status="resolved", labels=labels, annotations=annotations, source=source)
        return self._expect({"name": name, **fields}, name, within_s)

    def _expect(self, expected: dict[str, Any], name: str, within_s: float | None) -> Alert:
        __tracebackhide__ = True
        context = self._context
        wanted = of_this_test(expected, signed=True)
        candidates: list[Candidate] = []

        def poll() -> Alert | None:
            candidates.clear()
            match: Alert | None = None
            # Of alerts that are equally near, one of another instance is the least so.
            for alert in sorted(
                self.server.alerts, key=lambda alert: is_own(context, alert.labels, NOT_GIVEN)
            ):
                found = tuple(differences(wanted, alert_fields(context, alert)))
                candidates.append(Candidate(alert.describe(), found))
                match = match if found else alert
            if match is None:
                self._hasten()
            return match

        waited = until(poll, timeout_s=context.timeout_s if within_s is None else within_s)
        if waited.value is None:
            fail(
                Mismatch(
                    summary=f"No alert arrived as expected within {waited.waited_s:.1f} s "
                    f"({plural(waited.polls, 'poll')}).",
                    expected=described(expected),
                    found=f"{plural(len(candidates), 'alert')} at the receiver",
                    nearest=nearest(candidates),
                    hops=alert_hops(context, self.server, name),
                    look=self._links(),
                )
            )
        note_alert(context, waited.value, expected.get("labels", NOT_GIVEN))
        return waited.value

    def _hasten(self) -> None:
        """Do not wait for the next scrape and evaluation where both can be asked for."""
        stack = self._context.stack
        if not stack.steerable:
            return
        prometheus = stack.status().get("prometheus", {})
        if prometheus.get("listening") and prometheus.get("rules"):
            stack.scrape("otel-collector")
            stack.evaluate()

    # ---- absence

    def expect_no_alert(self, name: str, *, labels: Any = NOT_GIVEN) -> None:
        """The rule ``name`` has sent no alert because of this test, and will not.

        Proven by two evaluations of the rule that began after all samples of the test were stored
        (Prometheus), or by all errors of the test having arrived (Sentry); an alert that fired
        without being told counts too. Raises ``AssertionError`` with what fired, ``CannotTell``
        where it is not proven, where the rule's condition holds already but not long enough, and
        where the alert was firing before the test's first request.
        """
        __tracebackhide__ = True
        expected = {"name": name, "status": "firing", **given(labels=labels)}
        # What is there already needs no fence.
        verdict = None if self._arrived(expected) else alerts_settled(self._context, name)
        titles = [alert.describe() for alert in self._arrived(expected)]
        fired = [] if verdict is None else self._own(verdict.fired, labels)
        if not titles:
            titles += [
                f"{name} {shown_labels(f.labels)}, not told to the receiver"
                for f in fired
                if not f.before
            ]
        if titles:
            fail(
                Mismatch(
                    summary=f"{plural(len(titles), 'alert')} fired that must not.",
                    expected=f"no alert {described(given(name=name, labels=labels))}",
                    found=titles[0],
                    others=tuple(titles[1:]),
                    look=self._links(),
                )
            )
        if verdict is not None:
            self._require(verdict, name, fired, labels)
            note_no_alert(self._context, name, verdict.signal)

    def _require(self, verdict: Verdict, name: str, fired: Sequence[Fired], labels: Any) -> None:
        """Raise ``CannotTell`` unless it is proven that nothing fired and nothing will."""
        __tracebackhide__ = True
        purpose = f"assert that {name} did not fire"
        if not verdict.settled.proven:
            raise cannot_tell(
                purpose,
                verdict.settled,
                verdict.signal,
                alert_hops(self._context, self.server, name),
            )
        if fired:
            raise CannotTell(
                f"Cannot {purpose}: it was firing already.",
                expected="an alert that is inactive at the test's first request",
                found=f"{name} {shown_labels(fired[0].labels)} has been firing since before the "
                "test's first request",
                advice="let it be resolved first, or give the rule a label that only this test has",
            )
        pending = [found for found in verdict.pending if is_own(self._context, found, labels)]
        if pending:
            raise CannotTell(
                f"Cannot {purpose}: it may yet.",
                expected="an alert that is inactive",
                found=f"{name} {shown_labels(pending[0])} is pending: its condition holds",
                advice="give the rule a shorter `for`, or correct what makes its condition hold",
            )

    def _arrived(self, expected: dict[str, Any]) -> list[Alert]:
        wanted, context = of_this_test(expected, signed=False), self._context
        return [
            alert
            for alert in self.server.alerts
            if not differences(wanted, alert_fields(context, alert))
        ]

    def _own(self, fired: Sequence[Fired], labels: Any) -> list[Fired]:
        return [each for each in fired if is_own(self._context, each.labels, labels)]

    def _links(self) -> tuple[str, ...]:
        prometheus = self._context.stack.endpoints.prometheus
        pages = [] if prometheus is None else [f"{prometheus.url.rstrip('/')}/alerts"]
        return (*pages, KEEP)


@contextlib.contextmanager
def alert_receiver(probe: Probe) -> Iterator[AlertReceiver]:
    """A receiver for the test of this probe, where the stack's servers reach it."""
    context = probe._context  # noqa: SLF001 - the receiver is one more part of the probe
    with serving(context.stack.callback_bind, context.stack.callback_host) as server:
        yield AlertReceiver(context, server)
