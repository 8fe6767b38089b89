from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import cramjam
import orjson
import pytest

from pytest_obsstack.wire.envelope import Envelope, Item, serialize_envelope
from tests.unit.embedded.sentry.support import Sentry, error_event, log_item

REJECTED = "event submission rejected with_reason: ProjectId"


def envelope_of(event: dict[str, object]) -> bytes:
    item = Item.of("event", orjson.dumps(event))
    return serialize_envelope(Envelope({"event_id": event["event_id"]}, (item,)))


@pytest.fixture
def small() -> Iterator[Sentry]:
    """A server that takes little."""
    limits = {"item_bytes": 2000, "envelope_bytes": 8000, "attachment_bytes": 3000}
    server = Sentry(limits=limits)
    yield server
    server.close()


def test_accepted_envelope_is_answered_with_its_event_id_and_visible_at_once(
    sentry: Sentry,
) -> None:
    event = error_event()
    response = sentry.ingest(envelope_of(event))
    assert (response.status_code, response.json()) == (200, {"id": event["event_id"]})
    [issue] = sentry.issues()
    assert issue["title"] == "ValueError: Intentional error for testing"


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("br", lambda data: bytes(cramjam.brotli.compress(data))),
        ("gzip", lambda data: bytes(cramjam.gzip.compress(data))),
        ("deflate", zlib.compress),
        ("zstd", lambda data: bytes(cramjam.zstd.compress(data))),
        ("identity", bytes),
    ],
)
def test_content_encodings_of_sdks_are_unpacked(
    sentry: Sentry, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    event = error_event()
    headers = {
        "Content-Encoding": encoding,
        "X-Sentry-Auth": f"Sentry sentry_key={sentry.key}",
    }
    response = sentry.ingest(pack(envelope_of(event)), headers=headers)
    assert response.status_code == 200
    assert sentry.issues()[0]["count"] == "1"


def test_key_may_stand_in_the_query_instead(sentry: Sentry) -> None:
    url = f"/api/1/envelope/?sentry_key={sentry.key}&sentry_version=7"
    assert sentry.ingest(envelope_of(error_event()), url=url, headers={}).status_code == 200


def test_key_may_stand_in_the_envelope_instead(sentry: Sentry) -> None:
    dsn = f"http://{sentry.key}@127.0.0.1:9000/1"
    payload = serialize_envelope(Envelope({"dsn": dsn}, (log_item("hello"),)))
    assert sentry.ingest(payload, headers={}).status_code == 200
    assert [row["message"] for row in sentry.rows("logs", "message")] == ["hello"]


def test_path_without_its_last_slash_is_the_same(sentry: Sentry) -> None:
    event = error_event()
    assert sentry.send_event(event) == event["event_id"]
    response = sentry.ingest(
        envelope_of(error_event()), url=f"/api/1/envelope?sentry_key={sentry.key}", headers={}
    )
    assert response.status_code == 200


def test_event_without_an_id_gets_one(sentry: Sentry) -> None:
    event = error_event()
    del event["event_id"]
    event_id = sentry.send(Item.of("event", orjson.dumps(event)))
    assert len(event_id) == 32
    assert sentry.get(f"/api/0/projects/obs/simple-app/events/{event_id}/")["eventID"] == event_id


@pytest.mark.parametrize(
    ("headers", "status", "detail", "causes"),
    [
        ({}, 401, "missing authorization information", None),
        ({"X-Sentry-Auth": "Bearer abc"}, 401, "bad x-sentry-auth header", ["non sentry auth"]),
        (
            {"X-Sentry-Auth": "Sentry sentry_version=7"},
            401,
            "bad x-sentry-auth header",
            ["missing public key in auth header"],
        ),
        (
            {"X-Sentry-Auth": "Sentry sentry_key=nope"},
            400,
            "bad sentry DSN public key",
            ["invalid project key"],
        ),
        (
            {"X-Sentry-Auth": f"Sentry sentry_key={'0' * 32}, sentry_version=99"},
            400,
            "unsupported protocol version (99)",
            None,
        ),
        (
            {"X-Sentry-Auth": f"Sentry sentry_key={'0' * 32}"},
            403,
            REJECTED,
            ["the key is none of project 1"],
        ),
    ],
)
def test_bad_keys_are_refused_as_relay_does(
    sentry: Sentry, headers: dict[str, str], status: int, detail: str, causes: list[str] | None
) -> None:
    response = sentry.ingest(envelope_of(error_event()), headers=headers)
    expected = {"detail": detail} if causes is None else {"detail": detail, "causes": causes}
    assert (response.status_code, response.json()) == (status, expected)
    assert sentry.issues() == []


def test_two_keys_in_one_request_are_refused(sentry: Sentry) -> None:
    response = sentry.ingest(b"{}", url=f"/api/1/envelope/?sentry_key={sentry.key}")
    assert response.status_code == 401
    assert response.json() == {"detail": "multiple authorization payloads detected"}


def test_unknown_project_is_refused(sentry: Sentry) -> None:
    response = sentry.ingest(envelope_of(error_event()), project=7)
    assert response.status_code == 403
    assert response.json() == {"detail": REJECTED, "causes": ["there is no project 7"]}


def test_project_that_is_no_number_is_refused(sentry: Sentry) -> None:
    response = sentry.ingest(envelope_of(error_event()), project="shop")
    assert response.status_code == 400
    assert response.json()["detail"] == "bad project path parameter"


def test_disabled_key_is_refused_until_it_is_enabled_again(sentry: Sentry) -> None:
    url = f"/api/0/projects/obs/simple-app/keys/{sentry.key}/"
    assert sentry.put(url, {"isActive": False})["isActive"] is False
    response = sentry.ingest(envelope_of(error_event()))
    assert response.status_code == 403
    assert response.json() == {"detail": REJECTED, "causes": ["the key of project 1 is disabled"]}
    sentry.put(url, {"isActive": True})
    assert sentry.ingest(envelope_of(error_event())).status_code == 200


def test_envelope_of_another_project_is_refused(sentry: Sentry) -> None:
    payload = b'{"dsn":"http://' + sentry.key.encode() + b'@127.0.0.1:9000/2"}\n'
    response = sentry.ingest(payload)
    assert response.status_code == 400
    assert response.json()["causes"] == ["project id header mismatch between envelope and request"]


@pytest.mark.parametrize(
    ("payload", "causes"),
    [
        (b"not json\n", ["invalid envelope header"]),
        (b'{}\n{"type":"event","length":5}\n{}\n', ["unexpected end of file"]),
        (b'{}\n{"length":2}\n{}\n', ["invalid item header", "missing field `type`"]),
        (b'{}\n{"type":"event","length":1}\n{}\n', ["missing newline after header or payload"]),
    ],
)
def test_broken_envelope_is_refused_with_its_causes(
    sentry: Sentry, payload: bytes, causes: list[str]
) -> None:
    response = sentry.ingest(payload)
    assert response.status_code == 400
    body = response.json()
    assert body["detail"] == "invalid event envelope"
    assert body["causes"][: len(causes)] == causes
    assert body["causes"][-1].startswith("at byte ")


def test_empty_body_is_refused(sentry: Sentry) -> None:
    response = sentry.ingest(b"")
    assert (response.status_code, response.json()) == (400, {"detail": "empty request body"})


def test_event_over_its_limit_is_refused_and_counted(small: Sentry) -> None:
    event = error_event(extra={"x": "y" * 2000})
    response = small.ingest(envelope_of(event))
    assert response.status_code == 413
    assert response.json()["detail"].startswith("envelope exceeded size limits for type 'event'")
    assert small.issues() == []
    assert small.server.store.outcomes.quantity(1, "error", "invalid", "too_large") == 1


def test_attachment_over_its_limit_is_refused(small: Sentry) -> None:
    payload = serialize_envelope(
        Envelope({}, (Item.of("attachment", b"x" * 3001, filename="a.bin"),))
    )
    response = small.ingest(payload)
    assert response.status_code == 413
    assert "'attachment'" in response.json()["detail"]


def test_body_over_the_limit_is_refused(small: Sentry) -> None:
    response = small.ingest(b"{}\n" + b"x" * 9000)
    assert response.status_code == 413
    assert response.json()["causes"] == ["body of 9003 bytes, the limit is 8000"]


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "deflate"])
def test_decompression_bomb_is_refused(small: Sentry, encoding: str) -> None:
    bomb = b"{}\n" + b"\0" * 5_000_000
    packers: dict[str, Any] = {
        "gzip": cramjam.gzip.compress,
        "br": cramjam.brotli.compress,
        "zstd": cramjam.zstd.compress,
        "deflate": zlib.compress,
    }
    headers = {"Content-Encoding": encoding, "X-Sentry-Auth": f"Sentry sentry_key={small.key}"}
    response = small.ingest(bytes(packers[encoding](bomb)), headers=headers)
    assert response.status_code == 413
    assert response.json()["causes"] == ["unpacks to more than 8000 bytes"]


def test_unknown_encoding_is_refused(sentry: Sentry) -> None:
    headers = {"Content-Encoding": "lzma", "X-Sentry-Auth": f"Sentry sentry_key={sentry.key}"}
    response = sentry.ingest(b"{}", headers=headers)
    assert response.status_code == 415
    assert "'lzma'" in response.json()["causes"][0]


def test_body_that_is_not_what_its_encoding_says_is_refused(sentry: Sentry) -> None:
    headers = {"Content-Encoding": "gzip", "X-Sentry-Auth": f"Sentry sentry_key={sentry.key}"}
    response = sentry.ingest(b"{}", headers=headers)
    assert response.status_code == 400
    assert response.json()["detail"] == "invalid request body"


def test_get_of_the_envelope_endpoint_is_not_allowed(sentry: Sentry) -> None:
    assert sentry.request("GET", "/api/1/envelope/").status_code == 405


@pytest.mark.parametrize("name", ["minidump/", "integration/otlp/v1/logs"])
def test_endpoint_of_relay_that_is_not_here_is_refused_by_name(sentry: Sentry, name: str) -> None:
    response = sentry.ingest(b"", url=f"/api/1/{name}")
    assert response.status_code == 404
    assert response.json() == {
        "detail": f"not supported by the embedded Sentry: POST /api/1/{name}; "
        "use --obs-stack=compose, or --obs-use sentry=URL"
    }


def test_store_takes_a_plain_event(sentry: Sentry) -> None:
    event = error_event("KeyError", "old")
    response = sentry.ingest(orjson.dumps(event), url="/api/1/store/")
    assert (response.status_code, response.json()) == (200, {"id": event["event_id"]})
    assert sentry.issues()[0]["title"] == "KeyError: old"


def test_store_takes_what_the_oldest_sdks_packed(sentry: Sentry) -> None:
    event = error_event()
    packed = base64.b64encode(zlib.compress(orjson.dumps(event)))
    response = sentry.ingest(packed, url="/api/1/store/")
    assert response.json() == {"id": event["event_id"]}


def test_store_gives_an_id_where_none_came(sentry: Sentry) -> None:
    response = sentry.ingest(b'{"message":"hi"}', url="/api/1/store/")
    assert len(response.json()["id"]) == 32


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "empty request body"),
        (b'{"a":', "invalid JSON data"),
        (b"!!", "invalid request body"),
        (b'{"event_id":"x"}', "invalid event id"),
    ],
)
def test_store_refuses_what_is_no_event(sentry: Sentry, body: bytes, detail: str) -> None:
    response = sentry.ingest(body, url="/api/1/store/")
    assert response.status_code == 400
    assert response.json()["detail"] == detail


def test_failed_request_changes_nothing_but_the_outcomes(sentry: Sentry) -> None:
    before = sentry.server.status()
    sentry.ingest(b"broken")
    sentry.ingest(b'{"a":', url="/api/1/store/")
    assert sentry.server.status() == before
    assert sentry.server.store.outcomes.quantity(1, "error", "invalid", "invalid_json") == 1
