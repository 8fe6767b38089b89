"""Log queries through HTTP, as far as the recorded answers leave something open."""

from __future__ import annotations

import pytest

from tests.unit.embedded.loki.support import NOW_NS, Loki, S

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def shop() -> Loki:
    loki = Loki()
    loki.push(
        {"app": "shop"},
        (-30, "order placed", {"trace_id": TRACE, "user": "ada"}),
        (-20, "order paid", {"trace_id": TRACE}),
        (-10, "order lost", {"trace_id": "other"}),
        (-5, "no trace"),
    )
    return loki


def test_a_trace_id_is_found_in_all_streams_in_order_of_time(shop: Loki) -> None:
    shop.push({"app": "inventory"}, (-25, "reserved", {"trace_id": TRACE}))

    assert shop.lines(f'{{service_name=~".+"}} | trace_id="{TRACE}"') == [
        "order placed",
        "reserved",
        "order paid",
    ]


@pytest.mark.parametrize(
    ("stages", "found"),
    [
        ('|= "paid" | trace_id="{0}"', ["order paid"]),
        ('| trace_id="{0}" |= "paid"', ["order paid"]),
        ('| user="ada" and trace_id="{0}"', ["order placed"]),
        ('| trace_id="{0}" or user="eve"', ["order placed", "order paid"]),
        ('| trace_id="{0}" | trace_id="other"', []),
        ('| trace_id!="{0}"', ["order lost", "no trace"]),
        ('| trace_id=""', ["no trace"]),
        ('| drop trace_id | trace_id="{0}"', []),
        (
            '| label_format trace_id="{0}" | trace_id="{0}" | user=""',
            ["order paid", "order lost", "no trace"],
        ),
    ],
)
def test_the_index_of_trace_ids_changes_no_answer(
    shop: Loki, stages: str, found: list[str]
) -> None:
    assert shop.lines('{app="shop"} ' + stages.replace("{0}", TRACE)) == found


def test_a_label_named_trace_id_is_found_beside_the_metadata(shop: Loki) -> None:
    shop.push({"app": "old", "trace_id": TRACE}, (-1, "as a label", {"trace_id": "other"}))

    query = f'{{app=~".+"}} | trace_id="{TRACE}"'
    assert shop.lines(query) == ["order placed", "order paid", "as a label"]


def test_a_trace_id_outside_of_the_range_is_not_found(shop: Loki) -> None:
    query = f'{{app="shop"}} | trace_id="{TRACE}"'

    assert shop.lines(query, start=str(NOW_NS - 20 * S)) == ["order paid"]
    assert shop.lines(query, end=str(NOW_NS - 20 * S)) == ["order placed"]


def test_a_late_line_takes_its_place_in_time(shop: Loki) -> None:
    shop.push({"app": "shop"}, (-15, "late", {"trace_id": TRACE}))

    assert shop.lines('{app="shop"}') == [
        *("order placed", "order paid", "late", "order lost", "no trace"),
    ]
    query = f'{{app="shop"}} | trace_id="{TRACE}"'
    assert shop.lines(query) == ["order placed", "order paid", "late"]


def test_the_same_line_with_the_same_metadata_is_stored_once(shop: Loki) -> None:
    shop.push({"app": "shop"}, (-20, "order paid", {"trace_id": TRACE}))

    assert shop.lines('{app="shop"} |= "paid"') == ["order paid"]


def test_the_limit_takes_the_newest_or_the_oldest(shop: Loki) -> None:
    newest = shop.ask("query_range", query='{app="shop"}', limit="1").json()
    oldest = shop.ask("query_range", query='{app="shop"}', limit="1", direction="FORWARD").json()

    assert newest["data"]["result"][0]["values"][0][1] == "no trace"
    assert oldest["data"]["result"][0]["values"][0][1] == "order placed"


def test_categorised_entries_keep_to_their_stream_whatever_their_metadata(shop: Loki) -> None:
    answer = shop.ask_with_headers(
        "query_range",
        {"X-Loki-Response-Encoding-Flags": "categorize-labels"},
        query='{app="shop"} | drop detected_level',
    )

    data = answer.json()["data"]
    assert data["encodingFlags"] == ["categorize-labels"]
    [stream] = data["result"]
    assert stream["stream"] == {"app": "shop", "service_name": "shop"}
    assert [value[1:] for value in stream["values"]] == [
        ["no trace", {}],
        ["order lost", {"structuredMetadata": {"trace_id": "other"}}],
        ["order paid", {"structuredMetadata": {"trace_id": TRACE}}],
        ["order placed", {"structuredMetadata": {"trace_id": TRACE, "user": "ada"}}],
    ]


def test_an_error_is_a_parsed_label_in_a_categorised_answer() -> None:
    loki = Loki()
    loki.push({"app": "shop"}, (-1, "no json"))

    answer = loki.ask_with_headers(
        "query_range",
        {"X-Loki-Response-Encoding-Flags": "categorize-labels"},
        query='{app="shop"} | json',
    )

    [[_, _, categories]] = answer.json()["data"]["result"][0]["values"]
    assert categories["parsed"]["__error__"] == "JSONParserErr"


def test_the_second_parser_does_not_overwrite_what_the_first_found() -> None:
    loki = Loki()
    loki.push({"app": "shop"}, (-1, '{"a":"json","msg":"a=logfmt b=2"}'))

    query = '{app="shop"} | json | line_format "{{.msg}}" | logfmt | drop msg'
    assert loki.labels(query) == [{"app": "shop", "a": "json", "b": "2"}]


def test_a_label_format_that_renames_moves_the_value() -> None:
    loki = Loki()
    loki.push({"app": "shop"}, (-1, "a=1"))

    query = '{app="shop"} | logfmt | label_format b=a, c=missing'
    assert loki.labels(query) == [{"app": "shop", "b": "1"}]


def test_only_a_filter_of_text_removes_a_line_with_an_error() -> None:
    loki = Loki()
    loki.push({"app": "shop"}, (-1, "n=x d=5ms"))

    assert loki.lines('{app="shop"} | logfmt | n > 1 | d > 1h | size > 1KB') == ["n=x d=5ms"]
    assert loki.lines('{app="shop"} | logfmt | n > 1 | __error__=""') == []


def test_the_times_of_a_query_default_to_the_last_hour(shop: Loki) -> None:
    shop.push({"app": "shop"}, (-3599, "within"))
    shop.push({"app": "early"}, (-3601, "before"))

    answer = shop.http.get("/loki/api/v1/query_range", params={"query": '{app=~"shop|early"}'})

    lines = [v[1] for stream in answer.json()["data"]["result"] for v in stream["values"]]
    assert "within" in lines
    assert "before" not in lines


@pytest.mark.parametrize(
    ("time", "offset_ns"),
    [
        ("1800000000", 0),
        ("1800000000.5", S // 2),
        ("1800000000000000001", 1),
        ("2027-01-15T08:00:00Z", 0),
        ("2027-01-15T09:00:00.000000002+01:00", 2),
    ],
)
def test_times_may_be_seconds_nanoseconds_or_rfc_3339(time: str, offset_ns: int) -> None:
    loki = Loki()
    loki.push({"app": "shop"}, (0, "at once"))
    end = str(NOW_NS + 10 * S)

    at = loki.ask("query_range", query='{app="shop"}', start=time, end=end).json()

    assert (at["data"]["result"] != []) is (offset_ns == 0)


def test_labels_and_series_know_only_streams_within_the_bounds(shop: Loki) -> None:
    shop.push({"app": "old", "extra": "x"}, (-7000, "before the bounds"))

    labels = shop.ask("labels").json()["data"]
    values = shop.ask("label/app/values").json()["data"]
    series = shop.ask("series", **{"match[]": "{}"}).json()["data"]

    assert labels == ["app", "service_name"]
    assert values == ["shop"]
    assert series == [{"app": "shop", "service_name": "shop"}]
