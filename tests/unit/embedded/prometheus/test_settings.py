from __future__ import annotations

import pytest

from pytest_obsstack.embedded.prometheus.settings import PrometheusSettings, ScrapeConfig


def test_settings_come_from_plain_json() -> None:
    settings = PrometheusSettings.from_json(
        {
            "retention_s": 60,
            "scrape_configs": [
                {"job_name": "app", "targets": ["127.0.0.1:1"], "labels": {"env": "test"}}
            ],
        }
    )
    assert settings.retention_s == 60
    assert settings.scrape_configs == (
        ScrapeConfig("app", ("127.0.0.1:1",), labels={"env": "test"}),
    )
    assert PrometheusSettings.from_json({}) == PrometheusSettings()


def test_timeout_follows_a_short_interval() -> None:
    config = ScrapeConfig.from_json({"job_name": "a", "scrape_interval_s": 0.1})
    assert config.scrape_timeout_s == 0.1


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"job_name": ""}, "job_name is empty"),
        ({"job_name": "a", "targets": ["nowhere"]}, "target 'nowhere', expected host:port"),
        ({"job_name": "a", "scrape_interval_s": 0}, "scrape_interval_s 0, expected more than 0"),
        (
            {"job_name": "a", "scrape_interval_s": 1, "scrape_timeout_s": 2},
            "scrape_timeout_s 2, expected more than 0 and at most the scrape interval of 1",
        ),
        ({"job_name": "a", "scheme": "https"}, r"unknown scrape config keys \['scheme'\]"),
    ],
)
def test_scrape_config_that_cannot_be_says_why(document: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ScrapeConfig.from_json(document)


def test_job_name_may_come_once() -> None:
    with pytest.raises(ValueError, match="found multiple scrape configs with job name 'a'"):
        PrometheusSettings.from_json({"scrape_configs": [{"job_name": "a"}, {"job_name": "a"}]})


def test_unknown_setting_is_named() -> None:
    with pytest.raises(ValueError, match=r"unknown Prometheus settings \['rules'\]"):
        PrometheusSettings.from_json({"rules": []})
