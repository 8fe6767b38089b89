"""Payloads of SDKs of several languages and ages, shown as Sentry shows them."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_obsstack.clients.sentry.event import Event, parse_event
from pytest_obsstack.clients.sentry.payload import shown
from pytest_obsstack.errors import ObsstackError

ERROR = {"type": "ValueError", "value": "bad\nsecond line"}


def event(**payload: Any) -> Event:
    return parse_event(shown({"event_id": "a" * 32, **payload}, issue_id="i", project_id="7"))


def test_ids_are_those_of_the_sdk() -> None:
    found = event(event_id="83ad1aae-8735-463f-acb6-41341f1a24df")
    assert found.event_id == "83ad1aae8735463facb641341f1a24df"
    assert (found.issue_id, found.project_id) == ("i", "7")


@pytest.mark.parametrize("exception", [{"values": [ERROR]}, [ERROR], ERROR])
def test_exceptions_come_in_three_forms(exception: Any) -> None:
    found = event(exception=exception)
    assert found.exception is not None
    assert (found.exception.type, found.title, found.type) == (
        *("ValueError", "ValueError: bad", "error"),
    )


def test_a_title_is_that_of_the_exception_that_reached_the_top() -> None:
    chain = [ERROR, {"type": "RuntimeError", "value": None}]
    assert event(exception={"values": chain}).title == "RuntimeError"
    assert event(exception=[{"value": "x"}]).title == "<unknown>: x"
    assert len(event(exception=[{"type": "E", "value": "x" * 200}]).title) == len("E: ") + 100


def test_the_source_lines_around_a_frame_have_their_numbers() -> None:
    raw = {
        "function": "pay",
        "lineno": 10,
        "in_app": True,
        "abs_path": "/srv/shop.py",
        "pre_context": ["a", "b"],
        "context_line": "c",
        "post_context": ["d"],
        "vars": {"amount": "1"},
    }
    found = event(exception=[{**ERROR, "stacktrace": {"frames": [raw]}}])
    assert found.exception is not None
    (frame,) = found.exception.frames
    assert (frame.lineno, frame.in_app, frame.abs_path) == (10, True, "/srv/shop.py")
    assert (frame.pre_context, frame.context_line, frame.post_context) == (("a", "b"), "c", ("d",))
    assert frame.vars == {"amount": "1"}


def test_a_frame_without_a_line_number_has_no_source() -> None:
    frames = [{"function": "native", "context_line": "c"}]
    found = event(exception=[{**ERROR, "stacktrace": {"frames": frames}}])
    assert found.exception is not None
    assert found.exception.frames[0].context_line is None


@pytest.mark.parametrize(
    "payload",
    [
        {"logentry": {"message": "Basket %s", "formatted": "Basket 7"}},
        {"message": {"message": "Basket %s", "formatted": "Basket 7"}},
        {"logentry": {"message": "Basket 7"}},
        {"message": "Basket 7"},
    ],
)
def test_a_message_comes_in_four_forms(payload: Any) -> None:
    found = event(**payload)
    assert (found.title, found.message, found.type) == ("Basket 7", "Basket 7", "default")


def test_an_event_with_nothing_in_it_has_a_title_all_the_same() -> None:
    assert (event().title, event().level) == ("<unlabeled event>", "error")


@pytest.mark.parametrize(
    "tags", [{"region": "eu", "level": "x"}, [["region", "eu"], ["level", "x"]]]
)
def test_the_senders_tags_stand_before_those_made_of_fields(tags: Any) -> None:
    found = event(tags=tags, release="shop@1", logger="shop", environment="staging")
    assert found.tags == {
        "environment": "staging",
        "level": "x",
        "logger": "shop",
        "release": "shop@1",
        "region": "eu",
    }
    assert (found.release, found.environment) == ("shop@1", "staging")


def test_tags_without_a_value_are_left_out() -> None:
    assert event(tags={"a": None, "b": True, "c": 1}).tags == {
        "b": "True",
        "c": "1",
        "level": "error",
    }


def test_fields_of_a_user_that_sentry_does_not_know_are_its_data() -> None:
    user = event(user={"id": 7, "email": "a@b.c", "plan": "gold", "data": {"x": 1}}).user
    assert user is not None
    assert (user.id, user.email, user.data) == ("7", "a@b.c", {"x": 1, "plan": "gold"})
    assert event().user is None


@pytest.mark.parametrize("query", ["x=1&y=", [["x", "1"], ["y", ""]], {"x": "1", "y": ""}])
def test_a_query_comes_in_three_forms(query: Any) -> None:
    request = event(request={"url": "http://a/", "method": "GET", "query_string": query}).request
    assert request is not None
    assert request.query == (("x", "1"), ("y", ""))


@pytest.mark.parametrize(
    "cookies", ["a=1; b=2=3", {"a": "1", "b": "2=3"}, [["a", "1"], ["b", "2=3"]]]
)
def test_cookies_come_in_three_forms(cookies: Any) -> None:
    request = event(request={"cookies": cookies, "headers": {"X-B": "2", "X-A": "1"}}).request
    assert request is not None
    assert request.cookies == (("a", "1"), ("b", "2=3"))
    assert request.headers == (("X-A", "1"), ("X-B", "2"))


@pytest.mark.parametrize("crumbs", [{"values": [{"message": "m"}, None]}, [{"message": "m"}]])
def test_breadcrumbs_come_in_two_forms(crumbs: Any) -> None:
    assert [crumb.message for crumb in event(breadcrumbs=crumbs).breadcrumbs] == ["m"]


@pytest.mark.parametrize(
    "payload", [{"exception": "text"}, {"tags": "text"}, {"request": []}, {"user": "ann"}]
)
def test_a_payload_of_another_shape_is_an_error(payload: Any) -> None:
    with pytest.raises(ObsstackError, match="not what the API documents"):
        event(**payload)
