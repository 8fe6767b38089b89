"""What each kind of error tracker can show, known without asking one."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_obsstack.endpoints import SentryEndpoint


@dataclass(frozen=True)
class Ordering:
    """Whether something that the tracker shows proves that all errors of a request are there."""

    unproven: str | None = None
    """Why nothing proves it; ``None`` where a request's own transaction does: it is shown only
    after the errors that the app sent before it."""
    instead: str | None = None
    """What to do where it is not proven."""

    @property
    def settles_errors(self) -> bool:
        return self.unproven is None


@dataclass(frozen=True)
class TrackerTraits:
    """What a kind of tracker can show."""

    product: str
    """Its name in messages."""
    capabilities: frozenset[str]
    """Names of what it can show, as ``obs_requires`` takes them."""
    ordering: Ordering
    counts_outcomes: bool
    """Whether it tells what it refused and what the SDKs dropped."""
    usual_loss: str = ""
    """Why it may have refused events, where it does not tell."""
    keeps_logs: bool = False
    """Whether it keeps the structured logs of its SDKs."""


KEEPS_ORDER = Ordering()

_SHOWN_BY_SENTRY = (
    *("issues", "issue_status", "settled_errors", "tags", "breadcrumbs", "transactions"),
    *("spans", "tracker_spans", "otlp_traces", "releases", "accounts", "alerts", "ui"),
)

SENTRY = TrackerTraits(
    "Sentry", frozenset(_SHOWN_BY_SENTRY), KEEPS_ORDER, counts_outcomes=True, keeps_logs=True
)
"""Sentry itself, and the embedded server, as a process or as the image ``lite``."""

GLITCHTIP = TrackerTraits(
    "GlitchTip",
    frozenset({"issues", "issue_status", "tags", "breadcrumbs", "releases", "accounts", "ui"}),
    Ordering(
        unproven="GlitchTip does not show transactions by trace, and its workers store errors and "
        "transactions in batches of their own, so nothing that it shows proves that no error will "
        "follow",
        instead="assert absence and exact numbers on a tracker that can prove them (--obs-use "
        "sentry=lite, or the URL of a Sentry); obs_requires('settled_errors') skips the test here",
    ),
    counts_outcomes=False,
    usual_loss="after one request with a wrong key it refuses the whole project for 30 s",
)

BUGSINK = TrackerTraits(
    "Bugsink",
    frozenset({"issues", "tags", "breadcrumbs", "releases", "ui"}),
    Ordering(
        unproven="Bugsink takes no transactions, and several workers digest its errors, so nothing "
        "that it shows proves that no error will follow",
        instead="assert absence and exact numbers on a tracker that can prove them (--obs-use "
        "sentry=lite, or the URL of a Sentry); obs_requires('settled_errors') skips the test here",
    ),
    counts_outcomes=False,
    usual_loss="by default it takes 1000 events in 5 minutes",
)


def traits_of(endpoint: SentryEndpoint) -> TrackerTraits:
    """What a tracker of the endpoint's flavour can show."""
    return {"glitchtip": GLITCHTIP, "bugsink": BUGSINK}.get(endpoint.flavour, SENTRY)
