from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_obsstack.clients.http import ApiClient
from pytest_obsstack.clients.sentry.api import is_missing, listed, next_cursor, path, rows
from pytest_obsstack.errors import BackendRefused, ObsstackError
from tests.unit.clients.answers import Answers


def link(cursor: str, results: str, rel: str = "next") -> str:
    # The form that Sentry's own documentation shows.
    url = f"https://sentry.io/api/0/organizations/acme/issues/?cursor={cursor}"
    return f'<{url}>; rel="{rel}"; results="{results}"; cursor="{cursor}"'


def paged(items: list[Any], page_size: int, *, as_rows: bool = False) -> Answers:
    """A server that pages as Sentry does: both links always, ``results`` says which leads on."""

    def answer(request: httpx.Request) -> httpx.Response:
        offset = int(request.url.params.get("cursor", "0:0:0").split(":")[1])
        page = items[offset : offset + page_size]
        more = "true" if offset + page_size < len(items) else "false"
        before = "true" if offset else "false"
        links = [
            link(f"0:{max(0, offset - page_size)}:1", before, "previous"),
            link(f"0:{offset + page_size}:0", more),
        ]
        body = {"data": page, "meta": {}} if as_rows else page
        return httpx.Response(200, json=body, headers={"link": ", ".join(links)})

    return Answers({"GET /api/0/things/": answer})


def api(answers: Answers) -> ApiClient:
    return ApiClient("Sentry", "http://127.0.0.1:9000/api/0", transport=answers)


@settings(deadline=None)
@given(count=st.integers(0, 60), page_size=st.integers(1, 25), as_rows=st.booleans())
def test_all_items_come_once_and_in_order_whatever_the_page_size(
    count: int, page_size: int, as_rows: bool
) -> None:
    items = [{"id": str(number)} for number in range(count)]
    answers = paged(items, page_size, as_rows=as_rows)
    read = rows if as_rows else listed
    assert list(read(api(answers), "/things/", {"query": "x"})) == items
    assert len(answers.requests) == max(1, -(-count // page_size))
    assert all(request.url.params["query"] == "x" for request in answers.requests)


def test_pages_are_fetched_only_as_they_are_asked_for() -> None:
    answers = paged(list(range(10)), 2)
    iterator = listed(api(answers), "/things/")
    assert [next(iterator), next(iterator)] == [0, 1]
    assert len(answers.requests) == 1


def test_a_next_link_without_results_ends_the_list() -> None:
    assert next_cursor(link("0:100:0", "false")) is None
    assert next_cursor(link("0:100:0", "true")) == "0:100:0"
    assert next_cursor(link("0:0:1", "true", "previous")) is None
    assert next_cursor("") is None


def test_the_cursor_is_taken_from_the_url_where_the_link_names_none() -> None:
    header = '<https://x/api/0/i/?query=a%2Cb&cursor=1:2:0>; rel="next"; results="true"'
    assert next_cursor(header) == "1:2:0"


def test_a_server_that_pages_in_a_circle_is_an_error() -> None:
    headers = {"link": link("0:100:0", "true")}
    answers = Answers(
        {"GET /api/0/things/": lambda _: httpx.Response(200, json=[1], headers=headers)}
    )
    with pytest.raises(ObsstackError, match="pages without an end") as caught:
        list(listed(api(answers), "/things/"))
    assert caught.value.found == "cursor '0:100:0' after 2 pages"


@pytest.mark.parametrize("body", [{"detail": "x"}, "text", 5])
def test_a_list_that_is_none_is_an_error(body: Any) -> None:
    answers = Answers({"GET /api/0/things/": lambda _: httpx.Response(200, json=body)})
    with pytest.raises(ObsstackError, match="expected  a list"):
        list(listed(api(answers), "/things/"))


def test_path_segments_are_encoded() -> None:
    assert path("organizations", "acme", "releases", "app/web@1.0") == (
        "/organizations/acme/releases/app%2Fweb%401.0/"
    )


def test_a_404_by_name_is_not_the_absence_of_the_thing() -> None:
    gone = BackendRefused("x", status=404, found="The requested resource does not exist")
    unknown = BackendRefused("x", status=404, found="not supported by the embedded Sentry: path /x")
    forbidden = BackendRefused("x", status=403, found="You do not have permission")
    assert is_missing(gone)
    assert not is_missing(unknown)
    assert not is_missing(forbidden)
