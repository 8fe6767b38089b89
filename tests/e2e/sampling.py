"""Requests whose sampling the app decides, of which any rate below 1 would drop all."""

from __future__ import annotations

from pytest_obsstack import Probe


def unlikely_to_be_sampled(obs: Probe) -> dict[str, str]:
    """A ``baggage`` header with the random number that the SDK compares with its rate.

    It takes a request where the number is below the rate
    (https://develop.sentry.dev/sdk/telemetry/traces/#propagated-random-value). Left to itself the
    SDK draws one number for a whole trace, and would take all of a test's requests or none.
    """
    return {"baggage": f"sentry-trace_id={obs.trace_id},sentry-sample_rand=0.999999"}
