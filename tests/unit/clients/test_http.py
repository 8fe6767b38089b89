from __future__ import annotations

from typing import Any

import httpx
import pytest

from pytest_obsstack.clients.http import ApiClient, error_text
from pytest_obsstack.errors import BackendRefused, BackendUnavailable, ObsstackError
from tests.unit.clients.answers import Answers, Turns, refusal

TOKEN = "sntryu_0123456789abcdef"
URL = "http://127.0.0.1:9000/api/0"


def client(table: dict[str, Any], **options: Any) -> ApiClient:
    options.setdefault("headers", {"authorization": f"Bearer {TOKEN}"})
    return ApiClient("Sentry", URL, transport=Answers(table), **options)


def test_get_gives_the_parsed_json_and_leaves_out_parameters_not_given() -> None:
    answers = Answers({"GET /api/0/issues/": [{"id": "1"}]})
    api = ApiClient("Sentry", URL + "/", transport=answers)
    found = api.get_json("/issues/", {"query": "", "sort": None, "field": ("id", "trace")})
    assert found == [{"id": "1"}]
    assert answers.params() == [("query", ""), ("field", "id"), ("field", "trace")]


def test_headers_go_with_every_request() -> None:
    answers = Answers({"GET /api/0/": {}})
    ApiClient("Sentry", URL, headers={"x-scope-orgid": "one"}, transport=answers).get("/")
    assert answers.requests[0].headers["x-scope-orgid"] == "one"


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    api = ApiClient("Sentry", URL)
    assert api._client._mounts == {}
    api.close()


def test_refused_connection_is_unavailable_and_says_where_and_what_to_do() -> None:
    api = client({"GET /api/0/x/": httpx.ConnectError("[Errno 111] Connection refused")})
    with pytest.raises(BackendUnavailable) as caught:
        api.get("/x/")
    assert str(caught.value) == (
        "Sentry did not answer GET /api/0/x/.\n"
        "  expected  an answer from http://127.0.0.1:9000/api/0 within 10 s\n"
        "  found     ConnectError: [Errno 111] Connection refused\n"
        "  do        check that Sentry is running and can be reached at "
        "http://127.0.0.1:9000/api/0"
    )


@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadTimeout("timed out"),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
        httpx.ReadError(""),
        httpx.DecodingError("not a gzipped body"),
    ],
)
def test_every_way_not_to_answer_is_unavailable(error: httpx.HTTPError) -> None:
    with pytest.raises(BackendUnavailable, match=type(error).__name__):
        client({"GET /api/0/x/": error}).get("/x/")


def test_a_real_refused_connection_is_unavailable() -> None:
    # Port 0 cannot be connected to anywhere.
    api = ApiClient("Loki", "http://127.0.0.1:0")
    with pytest.raises(BackendUnavailable, match=r"Loki did not answer GET /ready\."):
        api.get("/ready")
    api.close()


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_is_unavailable_with_the_products_text(status: int) -> None:
    api = client({"GET /api/0/x/": refusal(status, {"detail": "Internal Error"})})
    with pytest.raises(BackendUnavailable) as caught:
        api.get("/x/")
    assert f"Sentry failed to answer GET /api/0/x/: {status} " in str(caught.value)
    assert caught.value.found == "Internal Error"


def test_a_refusal_has_method_path_status_the_products_text_and_advice() -> None:
    api = client({"GET /api/0/x/": refusal(404, {"detail": "Project not found"})})
    with pytest.raises(BackendRefused) as caught:
        api.get("/x/")
    assert caught.value.status == 404
    assert str(caught.value) == (
        "Sentry refused GET /api/0/x/: 404 Not Found.\n"
        "  expected  a 2xx status\n"
        "  found     Project not found\n"
        "  do        check the URL, and that what is asked for exists there"
    )


def test_advice_of_the_product_replaces_the_general_one() -> None:
    api = client({"GET /api/0/x/": refusal(403, {})}, advice={403: "give event:read"})
    with pytest.raises(BackendRefused) as caught:
        api.get("/x/")
    assert caught.value.advice == "give event:read"


def test_not_implemented_is_a_refusal_because_another_try_gives_the_same() -> None:
    text = "not supported by the embedded Loki: | decolorize; use --obs-stack=compose"
    with pytest.raises(BackendRefused) as caught:
        client({"GET /api/0/x/": refusal(501, text)}).get("/x/")
    assert caught.value.found == text


def test_a_redirect_is_a_refusal_that_names_its_goal() -> None:
    moved = refusal(302, "", {"location": "/auth/login/"})
    with pytest.raises(BackendRefused) as caught:
        client({"GET /api/0/x/": moved}).get("/x/")
    assert caught.value.found == "a redirect to /auth/login/"


@pytest.mark.parametrize("status", [400, 500])
def test_no_message_shows_the_token(status: int) -> None:
    echo = {"detail": f"Authorization: Bearer {TOKEN} is wrong, {TOKEN}"}
    with pytest.raises(ObsstackError) as caught:
        client({"GET /api/0/x/": refusal(status, echo)}).get("/x/")
    assert caught.value.found == "Authorization: [redacted] is wrong, [redacted]"


def test_a_token_in_a_transport_error_or_a_redirect_is_redacted() -> None:
    for answer in (
        httpx.ConnectError(f"cannot send {TOKEN}"),
        refusal(301, "", {"location": f"/?token={TOKEN}"}),
        httpx.Response(200, text=f"<html>{TOKEN}"),
    ):
        with pytest.raises(ObsstackError) as caught:
            client({"GET /api/0/x/": answer}).get_json("/x/")
        assert TOKEN not in str(caught.value)
        assert "[redacted]" in str(caught.value)


def test_credentials_in_the_url_are_used_but_not_shown() -> None:
    answers = Answers({"GET /x": refusal(403, "pa55w0rd is wrong")})
    api = ApiClient("Loki", "http://ann:pa55w0rd@127.0.0.1:3100", transport=answers)
    with pytest.raises(BackendRefused) as caught:
        api.get("/x")
    assert answers.requests[0].headers["authorization"].startswith("Basic ")
    assert api.url == "http://127.0.0.1:3100"
    assert "pa55w0rd" not in str(caught.value)
    assert "ann" not in str(caught.value)


def test_an_answer_that_is_no_json_says_so() -> None:
    page = httpx.Response(200, html="<html>Login</html>")
    with pytest.raises(ObsstackError) as caught:
        client({"GET /api/0/x/": page}).get_json("/x/")
    assert str(caught.value) == (
        "The answer is not what the API documents: GET /api/0/x/.\n"
        "  expected  JSON\n"
        "  found     text/html; charset=utf-8: <html>Login</html>\n"
        "  do        check that the URL is the product's own and that its version is supported"
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_read_only_client_sends_no_write_and_names_the_option(method: str) -> None:
    answers = Answers({})
    api = ApiClient("Sentry", URL, writable=False, transport=answers)
    with pytest.raises(ObsstackError) as caught:
        api.request(method, "/issues/1/", json={})
    assert answers.requests == []
    assert str(caught.value) == (
        f"Sentry is used read-only, so {method} /api/0/issues/1/ was not sent.\n"
        "  expected  a stack that this run has started, or leave to write\n"
        "  found     an attached Sentry at http://127.0.0.1:9000/api/0\n"
        "  do        pass --obs-allow-writes if this stack may be changed"
    )


def test_a_read_only_client_may_post_what_changes_nothing() -> None:
    api = client({"POST /api/0/query": {}}, writable=False)
    assert api.request("POST", "/query", data={"query": "up"}, changes=False).status_code == 200


def test_a_missing_scheme_is_no_outage() -> None:
    api = ApiClient("Loki", "127.0.0.1:3100")
    with pytest.raises(ObsstackError) as caught:
        api.get("/ready")
    assert not isinstance(caught.value, BackendUnavailable)
    assert caught.value.summary == "Loki has no usable URL."
    api.close()


def limited(**headers: str) -> httpx.Response:
    return refusal(
        429, {"detail": "slow down"}, {k.replace("_", "-"): v for k, v in headers.items()}
    )


def test_a_rate_limit_is_waited_out() -> None:
    slept: list[float] = []
    answers = Turns([limited(retry_after="2"), limited(x_sentry_rate_limits="3:error:key"), {}])
    api = client({"GET /api/0/x/": answers}, sleep=slept.append)
    assert api.get("/x/").status_code == 200
    assert slept == [2.0, 3.0]


def test_a_rate_limit_beyond_the_bound_is_a_refusal_that_tells_the_times() -> None:
    slept: list[float] = []
    answers = Turns([limited(retry_after="4"), limited(retry_after="7")])
    api = client({"GET /api/0/x/": answers}, sleep=slept.append, max_rate_limit_wait_s=10)
    with pytest.raises(BackendRefused) as caught:
        api.get("/x/")
    assert slept == [4.0]
    assert caught.value.status == 429
    assert caught.value.found == "slow down\nwaited 4 s, asked to wait 7 s more"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"detail": "No such org"}, "No such org"),
        ({"detail": {"code": "sso", "message": "Must login with SSO"}}, "Must login with SSO"),
        ({"slug": ["Already taken."]}, '{"slug": ["Already taken."]}'),
        (
            {"status": "error", "errorType": "bad_data", "error": "1:5: parse error"},
            "bad_data: 1:5: parse error",
        ),
        ("parse error : queries require at least one matcher\n", None),
        ("", ""),
    ],
)
def test_the_products_own_error_text(body: Any, text: str | None) -> None:
    expected = body.strip() if text is None else text
    assert error_text(refusal(400, body)) == expected


def test_a_long_error_page_is_cut() -> None:
    assert len(error_text(refusal(400, "x" * 10_000))) == 500


def test_redirects_are_followed_where_a_person_would() -> None:
    answers = Answers(
        {
            "POST /api/0/login/": httpx.Response(302, headers={"location": "/home"}),
            "GET /home": "in",
        }
    )
    api = ApiClient("Sentry", URL, transport=answers, follow_redirects=True)
    assert api.request("POST", "/login/").text == "in"
    assert answers.lines == ["POST /api/0/login/", "GET /home"]


def test_cookies_of_the_server_are_kept_and_can_be_read() -> None:
    cookies = [("set-cookie", "csrftoken=abc; Path=/")]
    answers = Answers({"GET /api/0/": httpx.Response(200, headers=cookies)})
    api = ApiClient("Sentry", URL, transport=answers)
    assert api.cookie("csrftoken") is None
    api.get("/")
    api.get("/")
    assert api.cookie("csrftoken") == "abc"
    assert answers.requests[1].headers["cookie"] == "csrftoken=abc"


@pytest.mark.parametrize(
    ("date", "ahead_s"),
    [("Thu, 26 Nov 2026 07:35:00 GMT", 100.0), ("yesterday", 0.0), (None, 0.0)],
)
def test_the_servers_clock_is_read_from_its_answers(date: str | None, ahead_s: float) -> None:
    headers = {} if date is None else {"date": date}
    table = {"GET /api/0/": refusal(404, "nothing here", headers)}
    api = client(table, now_s=lambda: 1795678500.0 - 100.0)
    with pytest.raises(BackendRefused):
        api.get("/")
    assert api.clock_ahead_s == ahead_s
