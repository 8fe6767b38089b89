"""What a scraped target answers with: text format 0.0.4 and OpenMetrics 1.0."""

from __future__ import annotations

from pytest_obsstack.embedded.prometheus.exposition.family import (
    Exposition,
    ExpositionError,
    ScrapedSample,
)
from pytest_obsstack.embedded.prometheus.exposition.openmetrics import parse_openmetrics
from pytest_obsstack.embedded.prometheus.exposition.text import parse_text

__all__ = ["Exposition", "ExpositionError", "ScrapedSample", "parse", "parser_name"]

_TEXT_TYPE, _OPENMETRICS_TYPE = "text/plain", "application/openmetrics-text"


def parse(body: bytes, content_type: str) -> Exposition:
    """The samples of a body of that type; raises ``ExpositionError``.

    Since Prometheus 3 a target must say which format it speaks; an unknown type is not guessed at.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise ExpositionError(f"invalid UTF-8 at byte {error.start}") from error
    if parser_name(content_type) == "openmetrics":
        return parse_openmetrics(text)
    return parse_text(text)


def parser_name(content_type: str) -> str:
    """``text`` or ``openmetrics``; raises ``ExpositionError`` for any other type."""
    if not content_type:
        raise ExpositionError(
            "non-compliant scrape target sending blank Content-Type and no "
            "fallback_scrape_protocol specified for target"
        )
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == _TEXT_TYPE:
        return "text"
    if media_type == _OPENMETRICS_TYPE:
        return "openmetrics"
    raise ExpositionError(
        f'received unsupported Content-Type "{content_type}" and no '
        "fallback_scrape_protocol specified for target"
    )
