"""Which key a sender shows, in the three places where it may: header, query, envelope header.

As Relay does it (develop.sentry.dev/sdk/foundations/transport/authentication): the header
``X-Sentry-Auth`` (or ``Authorization``) says ``Sentry sentry_key=…, sentry_version=7``; the query
``?sentry_key=…``; an envelope's header may hold the whole ``dsn``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pytest_obsstack.embedded.sentry.relay_errors import RelayError, invalid_envelope
from pytest_obsstack.wire.dsn import Dsn, InvalidDsn

_KEY = re.compile(r"[0-9a-fA-F]{32}")
_SUPPORTED_VERSIONS = {"2.0", "3", "4", "5", "6", "7"}


def shown_key(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """The public key of the request itself; ``None`` where only the envelope can have one.

    Raises ``RelayError`` where the request has two, or a header that holds none.
    """
    header = headers.get("x-sentry-auth")
    if header is None and headers.get("authorization", "").lower().startswith("sentry "):
        header = headers["authorization"]
    in_query = query.get("sentry_key")
    if header is not None and in_query is not None:
        raise RelayError(401, "multiple authorization payloads detected")
    if header is None:
        return None if in_query is None else checked_key(in_query)
    return checked_key(_key_of_header(header))


def envelope_key(dsn_text: str | None, project_id: str, request_key: str | None) -> str | None:
    """The key in the envelope's ``dsn``, which must not contradict the request (Relay's check)."""
    if dsn_text is None:
        return None
    try:
        dsn = Dsn.parse(dsn_text)
    except InvalidDsn as error:
        raise invalid_envelope(("invalid envelope header", f"invalid dsn: {error.part}")) from error
    if dsn.project_id != project_id:
        raise invalid_envelope(("project id header mismatch between envelope and request",))
    key = checked_key(dsn.public_key)
    if request_key is not None and key != request_key:
        raise invalid_envelope(("public key header mismatch between envelope and request",))
    return key


def checked_key(text: str) -> str:
    """A public key in lower case; raises ``RelayError`` for what cannot be one."""
    if not _KEY.fullmatch(text):
        raise RelayError(400, "bad sentry DSN public key", "invalid project key")
    return text.lower()


def _key_of_header(header: str) -> str:
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() != "sentry":
        raise RelayError(401, "bad x-sentry-auth header", "non sentry auth")
    pairs = (part.partition("=") for part in rest.split(","))
    fields = {name.strip(): value.strip() for name, _, value in pairs}
    version = fields.get("sentry_version", "7")
    if version not in _SUPPORTED_VERSIONS:
        raise RelayError(400, f"unsupported protocol version ({version})")
    key = fields.get("sentry_key")
    if not key:
        raise RelayError(401, "bad x-sentry-auth header", "missing public key in auth header")
    return key
