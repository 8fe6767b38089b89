from __future__ import annotations

from typing import Any

import pytest

from pytest_obsstack.embedded.prometheus.model import Labels, is_stale, labels_of
from pytest_obsstack.embedded.prometheus.settings import ScrapeConfig
from pytest_obsstack.embedded.prometheus.store import SeriesStore
from pytest_obsstack.embedded.prometheus.target import (
    ScrapeResult,
    Target,
    TargetKey,
    merged_labels,
)

ADDRESS = "127.0.0.1:80"
TEXT = "text/plain"


class Scraped:
    """A target that is scraped each second, and the store that takes it."""

    def __init__(self, store: SeriesStore | None = None, **config: Any) -> None:
        settings = ScrapeConfig("app", (ADDRESS,), **config)
        self.target = Target(TargetKey.of(settings, ADDRESS))
        self.store = SeriesStore() if store is None else store
        self.second = 0

    def scrape(self, body: str = "", error: str = "", content_type: str = TEXT) -> None:
        self.second += 1
        result = ScrapeResult(self.second * 1000, 0.25, body.encode(), content_type, error)
        self.target.apply(result, self.store)

    def points(self, name: str, **labels: str) -> list[float | str]:
        """The values of a series by time; a stale marker is ``stale``."""
        full = {"__name__": name, "job": "app", "instance": ADDRESS, **labels}
        series = self.store.get(labels_of(full))
        if series is None:
            return []
        return ["stale" if is_stale(value) else value for value in series.values]


def test_samples_get_the_labels_of_the_target() -> None:
    scraped = Scraped(labels={"env": "test", "__hidden": "x"})
    scraped.scrape('a{b="c"} 1\n')
    assert scraped.points("a", b="c", env="test") == [1.0]


def test_each_scrape_reports_on_itself() -> None:
    scraped = Scraped()
    scraped.scrape("a 1\nb 2\n")
    scraped.scrape("a 1\nc 2\n")
    scraped.scrape(error="connection refused")
    assert scraped.points("up") == [1.0, 1.0, 0.0]
    assert scraped.points("scrape_duration_seconds") == [0.25] * 3
    assert scraped.points("scrape_samples_scraped") == [2.0, 2.0, 0.0]
    assert scraped.points("scrape_samples_post_metric_relabeling") == [2.0, 2.0, 0.0]
    assert scraped.points("scrape_series_added") == [2.0, 1.0, 0.0]


def test_series_that_a_scrape_lacks_ends_with_a_stale_marker() -> None:
    scraped = Scraped()
    for body in ("a 1\nb 1\n", "a 2\n", "a 3\nb 3\n"):
        scraped.scrape(body)
    assert scraped.points("a") == [1.0, 2.0, 3.0]
    assert scraped.points("b") == [1.0, "stale", 3.0]


@pytest.mark.parametrize("failure", [{"error": "refused"}, {"body": "a {\n"}, {"body": ""}])
def test_failed_and_empty_scrapes_end_all_series(failure: dict[str, str]) -> None:
    scraped = Scraped()
    scraped.scrape("a 1\n")
    scraped.scrape(**failure)
    scraped.scrape(**failure)
    assert scraped.points("a") == [1.0, "stale"]


def test_series_with_times_of_their_own_get_no_stale_marker() -> None:
    scraped = Scraped()
    scraped.scrape("a 1 500\n")
    scraped.scrape("b 1\n")
    assert scraped.points("a") == [1.0]
    series = scraped.store.get(labels_of({"__name__": "a", "job": "app", "instance": ADDRESS}))
    assert series is not None
    assert list(series.timestamps) == [500]


def test_times_may_be_ignored() -> None:
    scraped = Scraped(honor_timestamps=False)
    scraped.scrape("a 1 500\n")
    scraped.scrape("b 1\n")
    assert scraped.points("a") == [1.0, "stale"]


def test_broken_body_makes_the_target_down_and_stores_none_of_it() -> None:
    scraped = Scraped()
    scraped.scrape("a 1\nb {\n")
    assert (scraped.target.health, scraped.points("up"), scraped.points("a")) == ("down", [0.0], [])
    assert scraped.target.last_error.startswith("line 2: expected a label")
    scraped.scrape("a 1\n")
    assert (scraped.target.health, scraped.target.last_error) == ("up", "")


def test_body_without_a_type_is_refused_as_since_prometheus_3() -> None:
    scraped = Scraped()
    scraped.scrape("a 1\n", content_type="")
    assert "blank Content-Type" in scraped.target.last_error


def test_same_body_again_is_stored_again() -> None:
    scraped = Scraped()
    for _ in range(3):
        scraped.scrape("a 1\n")
    assert scraped.points("a") == [1.0, 1.0, 1.0]
    assert scraped.points("scrape_series_added") == [1.0, 0.0, 0.0]


def test_same_broken_body_again_keeps_its_error() -> None:
    scraped = Scraped()
    scraped.scrape("a {\n")
    scraped.scrape("a {\n")
    assert scraped.points("up") == [0.0, 0.0]


def test_series_twice_in_a_body_keeps_the_first() -> None:
    scraped = Scraped()
    scraped.scrape("a 1\na 2\n")
    assert scraped.points("a") == [1.0]


def test_exemplars_are_kept_with_their_series() -> None:
    scraped = Scraped()
    body = 'a_total 1 # {trace_id="ab"} 0.5\n# EOF\n'
    for _ in range(2):
        scraped.scrape(body, content_type="application/openmetrics-text")
    (series,) = (s for s in scraped.store if dict(s.labels)["__name__"] == "a_total")
    assert [(e.labels, e.value, e.timestamp_ms) for e in series.exemplars] == [
        ((("trace_id", "ab"),), 0.5, 1000)
    ]


def test_metadata_is_that_of_the_last_body() -> None:
    scraped = Scraped()
    scraped.scrape("# TYPE a counter\na 1\n")
    assert scraped.target.metadata["a"].type == "counter"


def test_too_many_series_fail_the_scrape() -> None:
    store = SeriesStore(max_series=6)
    scraped = Scraped(store)
    scraped.scrape("a 1\n")
    scraped.scrape("a 1\nb 1\n")
    assert scraped.points("up") == [1.0, 0.0]
    assert "at most 6 series" in scraped.target.last_error


def test_retired_target_leaves_only_ended_series() -> None:
    scraped = Scraped()
    scraped.scrape("a 1\n")
    scraped.target.retire(5000, scraped.store)
    assert scraped.points("a") == [1.0, "stale"]
    assert scraped.points("up") == [1.0, "stale"]


def labels(**values: str) -> Labels:
    return labels_of(values)


def test_target_labels_win_and_the_scraped_ones_are_renamed() -> None:
    scraped = labels(instance="inner", exported_instance="x", exported_exported_job="y", job="j")
    assert merged_labels(scraped, labels(instance="i", job="app"), honor=False) == labels(
        instance="i",
        job="app",
        exported_job="j",
        exported_instance="x",
        exported_exported_instance="inner",
        exported_exported_job="y",
    )


def test_honoured_labels_win_over_those_of_the_target() -> None:
    merged = merged_labels(labels(instance="inner"), labels(instance="i", job="app"), honor=True)
    assert merged == labels(instance="inner", job="app")


def test_key_survives_the_journal() -> None:
    key = TargetKey.of(ScrapeConfig("app", (ADDRESS,), labels={"a": "b"}), ADDRESS)
    assert TargetKey.from_json(key.to_json()) == key
