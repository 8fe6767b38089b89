"""Losses that products tell of themselves, named where a signal stopped, on a real stack."""
# ruff: noqa: E501 - messages are as long as they are

from __future__ import annotations

import time

import httpx
import pytest

from pytest_obsstack import Probe
from pytest_obsstack.errors import BackendRefused
from pytest_obsstack.wire.dsn import Dsn
from tests.plugin.red import hurry, red

# Alone, because everybody's messages tell of what was lost meanwhile.
pytestmark = [
    pytest.mark.obs_requires("app_control", "injection", "logs", "issues"),
    pytest.mark.obs_exclusive,
]


def test_lines_that_loki_discards(obs: Probe) -> None:
    """Here one that somebody else has pushed, while this test's own lines are elsewhere."""
    loki = obs._context.clients.loki
    long = {"stream": {"service_name": "other"}, "values": [[str(time.time_ns()), "x" * 300_000]]}
    with pytest.raises(BackendRefused, match="max entry size"):
        loki.push([long])
    obs.get("/health", headers={"traceparent": f"00-{'a' * 32}-00f067aa0ba902b7-01"})
    obs.sentry.expect_transaction("/health")
    hurry(obs)
    with red() as failure:
        obs.logs.expect_line("request finished")
    assert (
        failure.text
        == """\
No Loki line matched within SECONDS (POLLS).
  expected  line 'request finished'
  found     0 lines of trace HEX…
  pipeline  app 1 request (200) → collector accepted N log records, sent N to Loki → Loki has 0 lines of this trace, and has discarded others meanwhile (1 line_too_long)
  stopped   at Loki (limits)
  do        Loki does not store lines (line_too_long): a line is longer than limits_config.max_line_size
  look      http://HOST {service_name=~".+"} | trace_id="HEX"  ·  keep the stack: --obs-keep-stack"""
    )


def test_an_event_that_the_sdk_has_dropped(obs: Probe, obs_dsn: str) -> None:
    """The SDK tells of it half a minute later; here a report comes at once."""
    obs.get("/health")
    obs.sentry.expect_transaction("/health")
    parsed = Dsn.parse(obs_dsn)
    report = (
        b'{}\n{"type":"client_report"}\n'
        b'{"discarded_events":[{"reason":"before_send","category":"error","quantity":1}]}\n'
    )
    url = f"http://{parsed.host}:{parsed.port}/api/{parsed.project_id}/envelope/"
    auth = {"X-Sentry-Auth": f"Sentry sentry_version=7, sentry_key={parsed.public_key}"}
    httpx.post(url, content=report, headers=auth, trust_env=False).raise_for_status()
    # As a failed request of which no error has come.
    exchanges = obs._context.exchanges.all
    exchanges[0] = exchanges[0].__class__(**{**vars(exchanges[0]), "status": 500})
    hurry(obs)
    with red() as failure:
        obs.sentry.expect_issue("ValueError")
    assert (
        failure.text
        == """\
No Sentry issue matched within SECONDS (POLLS).
  expected  ValueError
  found     0 issues of trace HEX…
  pipeline  app 1 request (500) → SDK has the DSN DSN → Sentry accepted 0 events, 1 transaction of this trace, since this test began 1 error client_discard (before_send) → OUTCOMES
  stopped   at SDK (before_send)
  do        the SDK has dropped it: before_send of the app's sentry_sdk.init returns None for it
  look      http://HOST/organizations/obsstack/issues/  ·  keep the stack: --obs-keep-stack"""
    )
