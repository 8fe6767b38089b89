"""The whole examination: a stack in which all is well, one of which nothing may be known."""

from __future__ import annotations

import json
from dataclasses import replace

import httpx
import pytest

from pytest_obsstack.endpoints import Endpoints
from pytest_obsstack.provision.doctor import delivery, reports
from pytest_obsstack.provision.doctor.checks import CHECKS, NAMES, examine
from pytest_obsstack.provision.doctor.finding import Finding, Outcome, Report
from tests.unit.provision.doctor.world import KEY, TOKEN, World, row, rows

ALL_WELL = {
    "dsn": "http://0123…@sentry.test:9000/7",
    "reach dsn": "answers at http://sentry.test:9000",
    "reach sentry": "answers at http://sentry.test:9000",
    "reach collector": "answers at http://collector.test:4318",
    "reach prometheus": "answers at http://prometheus.test:9090",
    "reach loki": "answers at http://loki.test:3100",
    "reach tempo": "answers at http://tempo.test:3200",
    "reach grafana": "answers at http://grafana.test:3000",
    "clock sentry": "within 5 s of this machine's",
    "clock collector": "within 5 s of this machine's",
    "clock prometheus": "within 5 s of this machine's",
    "clock loki": "within 5 s of this machine's",
    "clock tempo": "within 5 s of this machine's",
    "clock grafana": "within 5 s of this machine's",
    "proxy": "no HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is set",
    "api": "Sentry lets the token look at the project's issues",
    "project": "shop, project 7, both by the DSN and by the API",
    "key": "the DSN's key is an active one of shop",
    "event": "arrived in Sentry",
    "encoding br": "arrived in Sentry",
    "transaction": "arrived in Sentry",
    "limits": "none in 3 answers",
    "span sentry": "arrived in Sentry",
    "span tempo": "arrived in Tempo",
    "log": "arrived in Loki",
    "metric": "arrived in Prometheus",
    "health": "its own metrics can be read; the extension health_check is not known here",
    "pipeline spans": "accepted 1 span, refused 0; otlp_http/tempo sent 1, lost 0",
    "pipeline metric_points": "accepted 1 metric point, refused 0; prometheus sent 1, lost 0",
    "pipeline log_records": "accepted 1 log record, refused 0; otlp_http/loki sent 1, lost 0",
    "targets": "all 1 up: otel-collector",
    "labels": "service_name is a label (obsstack-doctor), trace_id is structured metadata",
    "grafana": "all 3 work: Loki, Prometheus, Tempo",
}


@pytest.fixture(autouse=True)
def _with_brotli(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "brotli_installed", lambda: True)


def test_a_stack_in_which_all_is_well_says_so_in_each_row() -> None:
    world = World()
    report = examine(world.subject())
    found = {each.label: each.outcome.found for each in report.findings if each.check != "sdk"}
    assert found == {**ALL_WELL, "tls": "no server is reached by https"}
    assert {each.outcome.status for each in report.findings if each.check != "sdk"} == {
        "ok",
        "skipped",
    }
    assert report.counts["fail"] == 0
    assert report.exit_status == 0


def test_each_canary_is_marked_as_the_doctors_own() -> None:
    world = World()
    examine(world.subject())
    version = delivery.package_version()
    for event in world.events.values():
        assert event["release"] == f"obsstack-doctor@{version}"
        assert event["tags"] == {"service": "obsstack-doctor"}
        assert event.get("level") == (None if event.get("type") == "transaction" else "info")
        assert "environment" not in event
    resource = {"service.name": "obsstack-doctor", "service.version": f"obsstack-doctor@{version}"}
    assert [span.resource for span in world.spans] == [resource]
    assert [line.resource for line in world.lines] == [resource]
    assert [line.severity_text for line in world.lines] == ["INFO"]


def test_every_canary_has_a_trace_of_its_own() -> None:
    world = World()
    examine(world.subject())
    ids = [event["contexts"]["trace"]["trace_id"] for event in world.events.values()]
    ids += [each.trace_id for each in (*world.spans, *world.lines)]
    assert len(ids) == len(set(ids)) == 5


def test_nothing_is_sent_to_servers_of_somebody_else() -> None:
    world = World()
    subject = world.subject(may_write=False)
    found = rows(subject)
    why = "nothing is sent to servers of somebody else without --allow-writes"
    for name in ("event", "transaction", "encoding br", "span sentry", "span tempo", "log"):
        assert found[name] == Outcome("skipped", why)
    assert found["metric"] == Outcome("skipped", why)
    assert found["limits"] == Outcome("skipped", "no envelope was sent")
    assert world.sent("(POST|PUT|DELETE) .*") == []
    # All that can be asked without it is asked.
    assert found["key"].status == found["targets"].status == found["grafana"].status == "ok"


def test_a_dsn_alone_is_checked_as_far_as_it_goes() -> None:
    world = World()
    subject = world.subject(endpoints=Endpoints())
    found = rows(subject)
    assert {name: each.found for name, each in found.items() if each.status == "ok"} == {
        "dsn": "http://0123…@sentry.test:9000/7",
        "reach dsn": "answers at http://sentry.test:9000",
        "clock dsn": "within 5 s of this machine's",
        "proxy": "no HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is set",
        "event": "accepted (200); no API is known, so nobody looked whether it arrived",
        "encoding br": "accepted (200); no API is known, so nobody looked whether it arrived",
        "transaction": "accepted (200); no API is known, so nobody looked whether it arrived",
        "limits": "none in 3 answers",
        **{name: each.found for name, each in found.items() if name.startswith("sdk")},
    }
    assert {name: each.found for name, each in found.items() if each.status == "skipped"} == {
        "tls": "no server is reached by https",
        "api": "no API of an error tracker is known (--use sentry=URL)",
        "project": "no API of an error tracker is known (--use sentry=URL)",
        "key": "no API of an error tracker is known (--use sentry=URL)",
        "span": "no store is known that shows spans by trace (a Tempo, or a Sentry)",
        "log": "no loki is known",
        "metric": "no prometheus is known",
        "health": "no collector is known",
        "pipeline spans": "no collector is known",
        "pipeline metric_points": "no collector is known",
        "pipeline log_records": "no collector is known",
        "targets": "no prometheus is known",
        "labels": "no loki is known",
        "grafana": "no grafana is known",
    }


def test_a_check_alone_does_what_it_needs_and_no_more() -> None:
    world = World()
    assert row(world.subject(), "log") == Outcome("ok", "arrived in Loki")
    assert {request.url.host for request in world.requests} == {"collector.test", "loki.test"}
    assert world.events == {}


def test_what_is_being_checked_is_told_before_it_is() -> None:
    told: list[str] = []
    examine(World().subject(), ("reach", "log"), tell=told.append)
    assert told == ["reach", "log"]


def test_names_of_checks_are_unique_and_words() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(name.isalpha() and check.about for name, check in zip(NAMES, CHECKS, strict=True))


def test_no_row_holds_a_secret() -> None:
    """Also not those of servers that repeat what they were sent."""
    world = World()
    echo = f"key {KEY}, token {TOKEN}, pass-of-grafana, s3cret-of-proxy"
    world.on(r"POST .*", httpx.Response(403, json={"detail": echo}))
    world.on(r"GET .*/api/0/.*", httpx.Response(403, json={"detail": echo}))
    world.on(r"GET http://grafana.test.*", httpx.Response(403, json={"message": echo}))
    world.on(r"GET http://loki.test.*", httpx.Response(503, text=echo))
    proxy = "http://user:s3cret-of-proxy@proxy.test:3128"
    report = examine(world.subject(environ={"HTTP_PROXY": proxy}))
    text = json.dumps(report.to_json())
    assert report.counts["fail"] > 5
    for secret in (KEY, TOKEN, "pass-of-grafana", "s3cret-of-proxy"):
        assert secret not in text


def test_secrets_of_headers_and_of_another_dsn_are_redacted() -> None:
    world = World()
    endpoints = world.subject().endpoints
    assert endpoints.loki is not None
    loki = replace(endpoints.loki, headers={"authorization": "Bearer abcdefgh-1234"})
    subject = world.subject(
        endpoints=replace(endpoints, loki=loki), other_dsn="https://fedcba9876543210@other/1"
    )
    text = subject.redact("Bearer abcdefgh-1234 abcdefgh-1234 https://fedcba9876543210@other/1")
    assert text == "Bear… abcd… https://fedc…@other/1"


def test_the_json_of_a_report_has_these_keys() -> None:
    report = Report(
        "a stack",
        (
            Finding("event", None, Outcome("ok", "arrived", took_s=0.01234)),
            Finding("span", "tempo", Outcome("fail", "lost", "look", hop="collector → Tempo")),
            Finding("proxy", None, Outcome("warn", "caught", "set NO_PROXY")),
        ),
    )
    assert report.to_json() == {
        "subject": "a stack",
        "exit_status": 1,
        "counts": {"ok": 1, "warn": 1, "fail": 1, "skipped": 0},
        "checks": [
            {
                "check": "event",
                "part": None,
                "status": "ok",
                "found": "arrived",
                "do": None,
                "hop": None,
                "took_s": 0.012,
            },
            {
                "check": "span",
                "part": "tempo",
                "status": "fail",
                "found": "lost",
                "do": "look",
                "hop": "collector → Tempo",
                "took_s": None,
            },
            {
                "check": "proxy",
                "part": None,
                "status": "warn",
                "found": "caught",
                "do": "set NO_PROXY",
                "hop": None,
                "took_s": None,
            },
        ],
    }
    assert report.exit_status == 1


def test_a_warning_is_no_failure() -> None:
    warned = Report("x", (Finding("proxy", None, Outcome("warn", "caught", "set NO_PROXY")),))
    assert warned.exit_status == 0
