"""Rules of the embedded Prometheus beside those of a real one, and what both tell an Alertmanager.

One rule file, the same samples, a receiver each. Skipped where no binary of Prometheus is at hand.
"""

from __future__ import annotations

import difflib
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from pytest_obsstack.receiver.alert import Alert
from pytest_obsstack.receiver.server import Receiver, serving
from pytest_obsstack.waiting import until
from tests.contract import remote_write_message as message
from tests.contract.embedded_prometheus import running_embedded
from tests.contract.real_prometheus import prometheus_binary, running_prometheus

pytestmark = pytest.mark.skipif(
    prometheus_binary() is None, reason="no Prometheus: set OBSSTACK_PROMETHEUS_BIN"
)

EXTERNAL_URL = "http://prometheus.example:9090"
EXTERNAL_LABELS = {"cluster": "eu", "job": "not this one"}
DEADLINE_S = 20.0
GROUPS = [
    {
        "name": "app",
        "interval": "100ms",
        "rules": [
            {"record": "load:sum", "expr": "sum(load)", "labels": {"from": "rule"}},
            {
                "alert": "Busy",
                "expr": 'load{job=~".+"}   > 1',
                "labels": {"severity": "page", "who": "{{ $labels.job }}", "host": ""},
                "annotations": {
                    "value": "{{ $value }} {{ $value | humanize }} {{ .Value }}",
                    "percent": "{{ $value | humanizePercentage }}",
                    "duration": "{{ $value | humanizeDuration }}",
                    "labels": "{{ $labels.job }}/{{ $labels.nothing }}/{{ .Labels.host }}",
                    "external": "{{ $externalLabels.cluster }} {{ $externalURL }}",
                    "trimmed": "a {{- $labels.job -}} b",
                    "failed": "{{ $labels.job | humanize }}",
                },
            },
            {"alert": "Slow", "expr": "load > 1", "for": "300ms", "keep_firing_for": "300ms"},
            {"alert": "Never", "expr": "load > 1", "for": "1h"},
        ],
    },
    {
        "name": "broken",
        "interval": "100ms",
        "rules": [
            {"record": "double", "expr": "load", "labels": {"host": ""}},
            {"alert": "Same", "expr": "load > 1", "labels": {"host": "", "job": "x"}},
            {"record": "range", "expr": "load[1m]"},
        ],
    },
]


@dataclass
class One:
    client: httpx.Client
    receiver: Receiver

    def put(self, load: float) -> None:
        now = time.time()
        series = [
            message.series({"__name__": "load", "job": "shop", "host": host}, [(now, value)])
            for host, value in (("a", load), ("b", 0.25))
        ]
        body = message.request(series)
        answer = self.client.post("/api/v1/write", content=body, headers=message.HEADERS)
        assert answer.status_code == 204, answer.text

    def data(self, path: str, **params: Any) -> Any:
        answer = self.client.get(f"/api/v1/{path}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def states(self) -> dict[str, str]:
        rules = [rule for group in self.data("rules")["groups"] for rule in group["rules"]]
        return {rule["name"]: rule["state"] for rule in rules if rule["type"] == "alerting"}

    def wait(self, condition: Callable[[One], bool], what: str) -> None:
        waited = until(lambda: True if condition(self) else None, timeout_s=DEADLINE_S)
        assert waited.value, f"{what}: {self.data('rules')}"

    def settle(self) -> None:
        """Each group has begun two evaluations since now, so one saw all that was written."""
        seen: dict[str, set[str]] = {}

        def look() -> bool | None:
            for group in self.data("rules")["groups"]:
                seen.setdefault(group["name"], set()).add(group["lastEvaluation"])
            return True if all(len(times) >= 3 for times in seen.values()) else None

        assert until(look, timeout_s=DEADLINE_S).value, seen

    def series(self, selector: str) -> list[dict[str, str]]:
        found = self.data("query", query=selector)["result"]
        return sorted((one["metric"] for one in found), key=lambda labels: sorted(labels.items()))

    def told(self, name: str, status: str) -> Alert:
        def look() -> Alert | None:
            alerts = [a for a in self.receiver.alerts if (a.name, a.status) == (name, status)]
            return alerts[-1] if alerts else None

        alert = until(look, timeout_s=DEADLINE_S).value
        assert alert is not None, (name, status, self.receiver.alerts)
        return alert


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[One, One]]:
    with ExitStack() as stack:
        receivers = [stack.enter_context(serving("127.0.0.1", "127.0.0.1")) for _ in range(2)]
        folder = tmp_path_factory.mktemp("prometheus")
        (folder / "rules.yml").write_text(json.dumps({"groups": GROUPS}))
        real = stack.enter_context(
            running_prometheus(
                folder,
                settings={
                    "global": {"evaluation_interval": "1m", "external_labels": EXTERNAL_LABELS},
                    "rule_files": ["rules.yml"],
                    "alerting": {
                        "alertmanagers": [{"static_configs": [{"targets": [receivers[0].address]}]}]
                    },
                },
                flags=[f"--web.external-url={EXTERNAL_URL}", "--rules.alert.resend-delay=1s"],
            )
        )
        embedded = stack.enter_context(
            running_embedded(
                rule_files={"rules.yml": {"groups": GROUPS}},
                alertmanagers=[receivers[1].url],
                external_labels=EXTERNAL_LABELS,
                external_url=EXTERNAL_URL,
                resend_delay_s=1,
            )
        )
        pair = [
            One(stack.enter_context(httpx.Client(base_url=url, trust_env=False)), receiver)
            for url, receiver in zip((real.url, embedded.url), receivers, strict=True)
        ]
        # Up to 3.11 a real one looks for its Alertmanagers five seconds after the start.
        for one in pair:
            one.wait(lambda o: bool(o.data("alertmanagers")["activeAlertmanagers"]), "discovery")
        yield pair[0], pair[1]


def rules_without_times(one: One) -> Any:
    """What is told of the rules, without what depends on the clock."""
    groups = one.data("rules")["groups"]
    for group in groups:
        assert re.fullmatch(r"(.*/)?rules\.yml", group.pop("file"))
        assert is_time(group.pop("lastEvaluation"))
        assert group.pop("evaluationTime") >= 0
        for rule in group["rules"]:
            assert is_time(rule.pop("lastEvaluation"))
            assert rule.pop("evaluationTime") >= 0
            # Newer ones name the rule first.
            if "lastError" in rule:
                rule["lastError"] = rule["lastError"].rpartition("rule results: ")[2]
            for alert in rule.get("alerts", []):
                assert is_time(alert.pop("activeAt"))
            rule.get("alerts", []).sort(key=lambda alert: sorted(alert["labels"].items()))
    return groups


def is_time(text: str) -> bool:
    return bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", text))


def differing_lines(real: Any, embedded: Any) -> list[str]:
    before, after = (
        json.dumps(each, indent=1, sort_keys=True).splitlines() for each in (real, embedded)
    )
    return [line for line in difflib.ndiff(before, after) if not line.startswith("  ")]


def as_sent(alert: Alert) -> Any:
    """The JSON of a notification, its times only as to their form."""
    document = dict(alert.raw)
    for name in ("startsAt", "endsAt"):
        document[name] = re.sub(r"\d", "0", document[name])
    return document


def test_an_alert_lives_alike_in_both(both: tuple[One, One]) -> None:
    quiet, busy = ("inactive", "inactive", "inactive"), ("firing", "firing", "pending")
    seen: list[list[Any]] = [[], []]
    for one, notes in zip(both, seen, strict=True):
        one.put(0)
        one.settle()
        notes += [one.states(), rules_without_times(one), one.series('{__name__=~"ALERTS.*"}')]

        one.put(1234.5)
        one.wait(
            lambda o: tuple(o.states()[name] for name in ("Busy", "Slow", "Never")) == busy,
            "firing",
        )
        fired = [one.told("Busy", "firing"), one.told("Slow", "firing")]
        one.settle()
        notes += [rules_without_times(one), one.series('{__name__=~"ALERTS.*"}')]
        notes += [as_sent(alert) for alert in fired]
        notes += [one.series('{__name__="load:sum"}')]

        one.put(0)
        one.wait(
            lambda o: tuple(o.states()[name] for name in ("Busy", "Slow", "Never")) == quiet,
            "the end",
        )
        ended = [one.told("Busy", "resolved"), one.told("Slow", "resolved")]
        notes += [as_sent(alert) for alert in ended]
        notes += [rules_without_times(one), one.series('{__name__=~"ALERTS.*"}')]
        notes += [[a.starts_s for a in fired] == [a.starts_s for a in ended]]
        # One that waits for its time was never told.
        notes += [sorted({alert.name for alert in one.receiver.alerts})]
    for real, embedded in zip(*seen, strict=True):
        assert "\n".join(differing_lines(real, embedded)) == ""


def test_the_request_is_alike(both: tuple[One, One]) -> None:
    sent = [one.receiver.requests[-1] for one in both]
    assert sent[0].path == sent[1].path == "/api/v2/alerts"
    types = [request.headers["content-type"] for request in sent]
    assert types == ["application/json", "application/json"]
    assert all(request.headers["user-agent"].startswith("Prometheus/") for request in sent)
    assert [one.data("alertmanagers")["activeAlertmanagers"] for one in both] == [
        [{"url": f"{one.receiver.url}/api/v2/alerts"}] for one in both
    ]


@pytest.mark.parametrize(
    "params",
    [{"type": "alert"}, {"type": "record"}, {"type": "other"}],
    ids=lambda params: str(next(iter(params.values()))),
)
def test_rules_are_chosen_alike(both: tuple[One, One], params: dict[str, str]) -> None:
    answers = [one.client.get("/api/v1/rules", params=params) for one in both]
    assert answers[0].status_code == answers[1].status_code
    names = [
        [
            (group["name"], [rule["name"] for rule in group["rules"]])
            for group in answer.json().get("data", {}).get("groups", [])
        ]
        for answer in answers
    ]
    # Older ones also list the groups of which no rule is left.
    without_empty = [[entry for entry in found if entry[1]] for found in names]
    assert without_empty[0] == without_empty[1]
