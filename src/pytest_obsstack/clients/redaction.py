"""What no message may show: tokens, cookies and passwords, wherever a server echoes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

_SECRET_HEADERS = ("authorization", "cookie", "token", "key", "secret", "password")


def all_secrets(
    url: str, headers: Mapping[str, str], secrets: Iterable[str | None]
) -> tuple[str, ...]:
    """``secrets``, and the credentials in the URL and in headers; the longest come first."""
    found = {secret for secret in secrets if secret}
    password = urlsplit(url).password
    if password:
        found.add(password)
    for name, value in headers.items():
        if value and any(word in name.lower() for word in _SECRET_HEADERS):
            # "Bearer abc" may be shown whole or as "abc" alone.
            found.update((value, value.rpartition(" ")[2]))
    # Longest first, so that a secret inside another one leaves no remains.
    return tuple(sorted(found, key=len, reverse=True))


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret replaced."""
    for secret in secrets:
        text = text.replace(secret, "[redacted]")
    return text


def without_credentials(url: str) -> str:
    """The URL without user, password and trailing slash."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return url.rstrip("/")
