from __future__ import annotations

from pytest_obsstack.clients.redaction import all_secrets, redacted, without_credentials


def test_secrets_are_found_in_the_url_and_in_headers_whole_and_without_their_scheme() -> None:
    headers = {"Authorization": "Bearer abc", "X-Api-Key": "k3y", "accept": "text/plain"}
    found = all_secrets("http://ann:pa55w0rd@127.0.0.1", headers, ("given", None, ""))
    assert set(found) == {"Bearer abc", "abc", "k3y", "pa55w0rd", "given"}


def test_a_secret_inside_another_one_leaves_no_remains() -> None:
    secrets = all_secrets("http://127.0.0.1", {}, ("abc", "abcdef"))
    assert redacted("abcdef, abc", secrets) == "[redacted], [redacted]"


def test_a_url_is_shown_without_credentials_and_trailing_slash() -> None:
    assert without_credentials("http://ann:p@ss@127.0.0.1:3100/loki/") == (
        "http://127.0.0.1:3100/loki"
    )
