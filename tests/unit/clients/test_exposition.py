from __future__ import annotations

import pytest

from pytest_obsstack.clients.exposition import exposed
from pytest_obsstack.errors import ObsstackError

PAGE = """\
# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000

metric_without_timestamp_and_labels 12.47
something_weird{problem="division by zero, }"} +Inf -3982045
"""


def test_each_line_has_name_labels_and_value() -> None:
    assert list(exposed(PAGE, "a page")) == [
        ("http_requests_total", {"method": "post", "code": "200"}, 1027.0),
        ("metric_without_timestamp_and_labels", {}, 12.47),
        ("something_weird", {"problem": "division by zero, }"}, float("inf")),
    ]


@pytest.mark.parametrize("line", ["<html>", "up", "up down"])
def test_message_of_a_page_that_is_another_one(line: str) -> None:
    with pytest.raises(ObsstackError) as caught:
        list(exposed(f"up 1\n{line}", "Loki's metrics"))
    assert str(caught.value).startswith(
        "The answer is not what the API documents: Loki's metrics.\n"
        "  expected  the Prometheus text format\n"
        f"  found     {line}\n"
    )
