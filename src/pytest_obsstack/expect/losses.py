"""What products say of what they have dropped: their words for it, and the usual causes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_obsstack.clients.sentry.issue import Outcome

OutcomeCounts = Mapping[tuple[str, str, str | None], int]
"""By category, outcome and reason."""

ERROR_CATEGORIES = ("error", "default", "security")

_LOKI: Mapping[str, str] = {
    "rate_limited": "it takes fewer bytes a second: raise limits_config.ingestion_rate_mb, or log "
    "less",
    "per_stream_rate_limit": "raise limits_config.per_stream_rate_limit, or log less",
    "stream_limit": "there are too many streams: take labels of many values out of "
    "otlp_config's index labels",
    "line_too_long": "a line is longer than limits_config.max_line_size",
    "max_label_names_per_series": "a stream has more labels than "
    "limits_config.max_label_names_per_series",
    "label_name_too_long": "a label's name is longer than limits_config.max_label_name_length",
    "label_value_too_long": "a label's value is longer than limits_config.max_label_value_length",
    "structured_metadata_too_large": "a record's attributes are larger than "
    "limits_config.max_structured_metadata_size",
    "structured_metadata_too_many": "a record has more attributes than "
    "limits_config.max_structured_metadata_entries_count",
    "too_far_behind": "a record is older than what its stream has already: its time is wrong, or "
    "it was sent late",
    "out_of_order": "a record is older than what its stream has already: its time is wrong, or it "
    "was sent late",
    "greater_than_max_sample_age": "a record is older than "
    "limits_config.reject_old_samples_max_age: the app's clock is behind",
    "too_far_in_future": "the app's clock is ahead of Loki's",
    "invalid_labels": "a label's name is not valid",
    "missing_labels": "a stream has no labels",
}
"""https://grafana.com/docs/loki/latest/operations/request-validation-rate-limits/"""

_SDK: Mapping[str | None, str] = {
    "before_send": "before_send of the app's sentry_sdk.init returns None for it",
    "event_processor": "an event processor of the SDK drops it; that of deduplication drops the "
    "second report of one exception",
    "sample_rate": "sample_rate or traces_sample_rate of the app's sentry_sdk.init is below 1",
    "queue_overflow": "its queue was full: raise transport_queue_size in sentry_sdk.init",
    "sample_queue_overflow": "its queue was full: raise transport_queue_size in sentry_sdk.init",
    "ratelimit_backoff": "Sentry has told it to wait: raise the rate limit or the quota of the "
    "project",
    "network_error": "it could not reach Sentry: its own words are in the app's log with "
    "debug=True",
    "send_error": "Sentry refused it: the answer is in the app's log with debug=True",
    "internal_sdk_error": "it failed itself: its own words are in the app's log with debug=True",
}
"""https://develop.sentry.dev/sdk/telemetry/client-reports/"""

_SENTRY: Mapping[str, str] = {
    "rate_limited": "raise the rate limit of the project's key, or the quota",
    "filtered": "an inbound filter of the project takes it out",
    "invalid": "the server does not understand what the SDK sends: their versions may not fit",
    "abuse": "the organisation has sent more than Sentry lets it",
}


def discards(lost: Mapping[str, int]) -> str:
    """``2 line_too_long, 1 rate_limited``."""
    return ", ".join(f"{count} {reason}" for reason, count in sorted(lost.items()))


def loki_cause(lost: Mapping[str, int]) -> str:
    """What to do about the most frequent reason."""
    reason = max(lost, key=lambda each: (lost[each], each))
    usual = _LOKI.get(reason, "look for that word in Loki's documentation of limits and in its log")
    return f"Loki does not store lines ({reason}): {usual}"


def counts(outcomes: Iterable[Outcome]) -> dict[tuple[str, str, str | None], int]:
    """Outcomes as numbers that can be compared with earlier ones."""
    found: dict[tuple[str, str, str | None], int] = {}
    for outcome in outcomes:
        key = (outcome.category, outcome.outcome, outcome.reason)
        found[key] = found.get(key, 0) + outcome.quantity
    return found


def lost_since(before: OutcomeCounts, now: OutcomeCounts) -> dict[tuple[str, str, str | None], int]:
    """What was not accepted in between."""
    return {
        key: count - before.get(key, 0)
        for key, count in now.items()
        if key[1] != "accepted" and count > before.get(key, 0)
    }


def first_loss(lost: OutcomeCounts, categories: Iterable[str]) -> tuple[str, str, str] | None:
    """Hop, what was seen, and the cause, of the first loss on the way: the SDK's, then Sentry's.

    ``None`` where nothing of these categories was lost.
    """
    wanted = tuple(categories)
    mine = [(key, count) for key, count in lost.items() if key[0] in wanted]
    # What the SDK has dropped has never reached Sentry.
    mine.sort(key=lambda item: (item[0][1] != "client_discard", -item[1]))
    if not mine:
        return None
    (category, outcome, reason), count = mine[0]
    seen = f"{count} {category} {outcome} ({reason or 'no reason'})"
    if outcome == "client_discard":
        usual = _SDK.get(reason, "look at its options and at the app's log with debug=True")
        return f"SDK ({reason})", seen, f"the SDK has dropped it: {usual}"
    usual = _SENTRY.get(outcome, "look at the project's statistics in Sentry")
    said = outcome if reason is None else f"{outcome}, {reason}"
    return f"Sentry ({outcome})", seen, f"Sentry has not kept it ({said}): {usual}"
