from __future__ import annotations

from typing import Any

import pytest

from pytest_obsstack.wire.envelope import Item
from tests.unit.embedded.sentry.support import Sentry, error_event, transaction_event

RELEASES = "/api/0/organizations/obs/releases/"
STATS = "/api/0/organizations/obs/stats_v2/"


def test_release_exists_from_its_first_event_on(sentry: Sentry) -> None:
    assert sentry.get(RELEASES) == []
    sentry.send_event(transaction_event(release="shop@1.0.0"))
    [release] = sentry.get(RELEASES)
    assert release["version"] == "shop@1.0.0"
    assert release["shortVersion"] == "1.0.0"
    assert release["versionInfo"]["package"] == "shop"
    assert release["newGroups"] == 0
    assert release["dateCreated"] == "2026-11-23T15:35:00.000000Z"


def test_release_counts_the_issues_that_are_new_in_it(sentry: Sentry) -> None:
    for kind, version, hour in (
        ("A", "1", 10),
        ("B", "1", 9),
        ("A", "1", 11),
        ("A", "2", 12),
        ("C", "2", 13),
    ):
        sentry.send_event(
            error_event(kind, release=version, timestamp=f"2026-11-23T{hour:02}:00:00Z")
        )
    shown = {release["version"]: release for release in sentry.get(RELEASES)}
    assert {version: release["newGroups"] for version, release in shown.items()} == {
        "2": 1,
        "1": 2,
    }
    assert shown["1"]["firstEvent"] == "2026-11-23T09:00:00.000000Z"
    assert shown["1"]["lastEvent"] == "2026-11-23T11:00:00.000000Z"
    [project] = shown["1"]["projects"]
    assert (project["slug"], project["newGroups"]) == ("simple-app", 2)


def test_release_is_found_by_its_version_and_the_beginning_of_it(sentry: Sentry) -> None:
    for version in ("shop@1.0/rc+1", "shop@2.0", "other"):
        sentry.send_event(error_event(release=version))
    assert sentry.get(f"{RELEASES}shop%401.0%2Frc%2B1/")["version"] == "shop@1.0/rc+1"
    assert [r["version"] for r in sentry.get(RELEASES, query="shop")] == [
        "shop@2.0",
        "shop@1.0/rc+1",
    ]


def test_parts_of_a_release_are_refused_by_name(sentry: Sentry) -> None:
    sentry.send_event(error_event(release="1"))
    response = sentry.call("GET", f"{RELEASES}1/commits/")
    assert response.status_code == 404
    assert "not supported by the embedded Sentry: commits of releases" in response.text


def totals(sentry: Sentry, *groups: str, **params: Any) -> dict[tuple[Any, ...], int]:
    body = sentry.get(STATS, field="sum(quantity)", groupBy=list(groups), **params)
    return {
        tuple(group["by"][name] for name in groups): group["totals"]["sum(quantity)"]
        for group in body["groups"]
    }


def test_outcomes_are_summed_by_what_was_asked(sentry: Sentry) -> None:
    event = error_event()
    sentry.send_event(event, Item.of("attachment", b"hello", filename="a"))
    sentry.send_event(event)
    sentry.send_event(transaction_event())
    assert totals(sentry, "category", "outcome", "reason") == {
        ("error", "accepted", ""): 1,
        ("error", "invalid", "duplicate"): 1,
        ("attachment", "accepted", ""): 5,
        ("attachment_item", "accepted", ""): 1,
        ("transaction", "accepted", ""): 1,
        ("span", "accepted", ""): 2,
    }
    assert totals(sentry, "outcome", category="error") == {("accepted",): 1, ("invalid",): 1}
    assert totals(sentry, "project", outcome="accepted", category="span") == {(1,): 2}
    assert totals(sentry, "category", reason="duplicate") == {("error",): 1}


def test_series_have_a_number_for_every_hour(sentry: Sentry) -> None:
    sentry.send_event(error_event())
    sentry.clock.advance(2 * 3600)
    sentry.send_event(error_event())
    sentry.send_event(error_event())
    body = sentry.get(
        STATS, field=["sum(quantity)", "sum(times_seen)"], groupBy="category", statsPeriod="3h"
    )
    assert body["intervals"] == [f"2026-11-23T{hour}:00:00.000000Z" for hour in (14, 15, 16, 17)]
    [group] = body["groups"]
    assert group["series"]["sum(quantity)"] == [0, 1, 0, 2]
    assert group["totals"] == {"sum(quantity)": 3, "sum(times_seen)": 3}
    assert totals(sentry, "category", statsPeriod="1h") == {("error",): 2}


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({}, 'At least one "field" is required.'),
        ({"field": "count()"}, "not supported by the embedded Sentry: field 'count()'"),
        ({"field": "sum(quantity)", "groupBy": "key"}, "groupBy 'key'"),
        ({"field": "sum(quantity)", "interval": "1d"}, "interval '1d'"),
    ],
)
def test_bad_questions_are_refused(sentry: Sentry, params: dict[str, str], problem: str) -> None:
    response = sentry.call("GET", STATS, **params)
    assert response.status_code == 400
    assert problem in response.json()["detail"]
