"""DSNs: what is taken apart, what is built from them, what is refused and how it reads."""

from __future__ import annotations

import pytest
from sentry_sdk.utils import Dsn as SdkDsn

from pytest_obsstack.wire.dsn import (
    Dsn,
    InvalidDsn,
    InvalidDsnHost,
    InvalidDsnKey,
    InvalidDsnProject,
    InvalidDsnScheme,
)

KEY = "aaaabbbbccccddddeeeeffff00001111"


def test_parts_of_a_plain_dsn() -> None:
    dsn = Dsn.parse(f"http://{KEY}@127.0.0.1:9000/42")
    assert dsn == Dsn("http", KEY, "127.0.0.1", 9000, "42")


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443)])
def test_default_port_is_filled_in_and_left_out_of_urls(scheme: str, port: int) -> None:
    dsn = Dsn.parse(f"{scheme}://{KEY}@sentry.example/1")
    assert dsn.port == port
    assert dsn.envelope_url == f"{scheme}://sentry.example/api/1/envelope/"


def test_path_prefix_is_kept_in_urls() -> None:
    dsn = Dsn.parse(f"https://{KEY}@example.org/tools/sentry/7")
    assert dsn.path == "/tools/sentry"
    assert dsn.envelope_url == "https://example.org/tools/sentry/api/7/envelope/"
    assert (
        dsn.otlp_traces_url == "https://example.org/tools/sentry/api/7/integration/otlp/v1/traces"
    )


@pytest.mark.parametrize(
    "text",
    [
        f"http://{KEY}@127.0.0.1:9000/42",
        f"https://{KEY}:secret@sentry.example/1",
        f"https://{KEY}@example.org:8443/a/b/7",
    ],
)
def test_agrees_with_the_sdk(text: str) -> None:
    ours, theirs = Dsn.parse(text), SdkDsn(text)
    assert (ours.host, ours.port, ours.public_key, ours.secret_key, ours.project_id) == (
        theirs.host,
        theirs.port,
        theirs.public_key,
        theirs.secret_key,
        theirs.project_id,
    )
    assert ours.envelope_url == theirs.to_auth("x").get_api_url()
    assert Dsn.parse(str(ours)) == ours


def test_ipv6_host_keeps_its_brackets_in_urls() -> None:
    dsn = Dsn.parse(f"http://{KEY}@[::1]:9000/3")
    assert dsn.host == "::1"
    assert dsn.envelope_url == "http://[::1]:9000/api/3/envelope/"
    assert str(dsn) == f"http://{KEY}@[::1]:9000/3"


def test_redacted_hides_key_and_secret() -> None:
    text = Dsn.parse(f"http://{KEY}:s3cr3t@127.0.0.1:9000/42").redacted()
    assert text == "http://aaaa…@127.0.0.1:9000/42"


def test_redacted_hides_a_short_key_wholly() -> None:
    assert Dsn.parse("http://abcdef@h/1").redacted() == "http://…@h/1"


def test_auth_header_names_version_and_key() -> None:
    assert (
        Dsn.parse(f"http://{KEY}@h/1").auth_header == f"Sentry sentry_version=7, sentry_key={KEY}"
    )


@pytest.mark.parametrize(
    ("text", "error", "expected", "found"),
    [
        ("", InvalidDsnScheme, "http or https", "''"),
        (f"ftp://{KEY}@h/1", InvalidDsnScheme, "http or https", "'ftp'"),
        ("http://h/1", InvalidDsnKey, "letters, digits", "no key in 'http://h/1'"),
        ("http://a%20b@h/1", InvalidDsnKey, "letters, digits", "a key with other characters"),
        (f"http://{KEY}@:90/1", InvalidDsnHost, "{public_key}@{host}", "'http://…@:90/1'"),
        (f"http://{KEY}@h:port/1", InvalidDsnHost, "{public_key}@{host}", "http://…@h:port/1"),
        (f"http://{KEY}@h", InvalidDsnProject, "digits after the last '/'", "''"),
        (f"http://{KEY}@h/shop", InvalidDsnProject, "digits after the last '/'", "'shop'"),
        (f"http://{KEY}@h/1?x=2", InvalidDsnProject, "nothing after it", "1?x=2"),
    ],
)
def test_refusal_tells_expected_and_found_without_the_key(
    text: str, error: type[InvalidDsn], expected: str, found: str
) -> None:
    with pytest.raises(error) as caught:
        Dsn.parse(text)
    assert isinstance(caught.value, InvalidDsn)
    assert expected in caught.value.expected
    assert found in caught.value.found
    assert f"expected  {caught.value.expected}" in str(caught.value)
    assert f"found     {caught.value.found}" in str(caught.value)
    assert KEY not in str(caught.value)
