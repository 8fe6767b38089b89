"""What must not leave the app: passwords, tokens, cookies, keys, in whatever part of an event.

``filter_sensitive_data`` is Sentry's ``before_send`` and ``before_send_transaction``. It works in
two steps. By name: cookies and secret headers are taken out of the request, and every value under
a secret name (in any case, with ``-`` or ``_``, as header, field, query parameter, local variable
or WSGI's ``HTTP_...``) becomes ``[Filtered]``, at any depth. By value: what was found under such
names is also masked where it stands in a text, such as the ``repr`` of a local variable.

Why not leave it to the SDK: under ``data_collection`` sentry-sdk 2.75 masks headers, cookies and
query parameters whose names contain one of its words (``auth``, ``key``, ``token``, ``password``,
``session`` ...). These leave the app unless the filter here removes them: every field of the body
and every local variable, passwords included; cookies of other names (``basket``); headers of other
names (``X-Otp``); the query string inside local variables such as WSGI's ``environ``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, quote_plus, unquote_plus

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

FILTERED = "[Filtered]"

_SECRET_NAME = re.compile(
    "password|passwd|passphrase|pwd|secret|token|authorization|api_?key|private_?key|access_?key"
    "|credential|cookie|session|csrf|xsrf|card_?number|cvv|(?:^|_)(?:auth|otp|pin)(?:_|$)"
)
_PARAMETER = re.compile(r"([\w.\-\[\]%+]+)=([^&\s;'\"<>]+)")

# Shorter values (a theme cookie, a flag) are masked where they stand, not searched for elsewhere:
# they would black out ordinary words.
MIN_SEARCHED_LENGTH = 6

# Where data of the app and of its users ends up. The rest of an event (type, level, ids, tags,
# release, SDK, modules) is the SDK's own and keeps its values, or grouping would depend on them.
_DATA_PARTS = (
    "request", "exception", "threads", "logentry", "message", "breadcrumbs", "extra", "contexts",
    "spans",
)  # fmt: skip


def is_secret(name: str) -> bool:
    """Whether a value of this name is masked: ``X-Api-Key``, ``HTTP_COOKIE``, ``newPassword``."""
    return bool(_SECRET_NAME.search(name.lower().replace("-", "_")))


def filter_sensitive_data(event: Event, _hint: Hint) -> Event:
    """The event without its secrets."""
    found: set[str] = set()
    data = cast("dict[str, Any]", event)
    request = data.get("request")
    if isinstance(request, dict):
        found.update(_strings(request.pop("cookies", None)))
        headers = request.get("headers")
        if isinstance(headers, dict):
            for name in [name for name in headers if is_secret(name)]:
                found.update(_secrets_of(name, headers.pop(name)))
        found.update(_query_secrets(request.get("query_string")))
    for part in _DATA_PARTS:
        if part in data:
            data[part] = _mask_by_name(data[part], found)
    searched = _searched(found)
    for part in _DATA_PARTS:
        if part in data:
            data[part] = _mask_text(data[part], searched)
    return event


def mask_query(query: str) -> str:
    """A query string, or any text with ``name=value`` in it, with the secret values masked."""

    def masked(match: re.Match[str]) -> str:
        name = match.group(1)
        return f"{name}={FILTERED}" if is_secret(unquote_plus(name)) else match.group()

    return _PARAMETER.sub(masked, query)


def _query_secrets(query: Any) -> Iterator[str]:
    if isinstance(query, str):
        for match in _PARAMETER.finditer(query):
            if is_secret(unquote_plus(match.group(1))):
                yield unquote_plus(match.group(2))


def _mask_by_name(node: Any, found: set[str]) -> Any:
    if isinstance(node, dict):
        masked = {}
        for name, value in node.items():
            # A container under a secret name (a `session` context, say) may hold anything.
            if isinstance(name, str) and is_secret(name) and value is not None:
                found.update(_secrets_of(name, value))
                masked[name] = FILTERED
            else:
                masked[name] = _mask_by_name(value, found)
        return masked
    if isinstance(node, list):
        return [_mask_by_name(item, found) for item in node]
    return node


def _mask_text(node: Any, searched: re.Pattern[str] | None) -> Any:
    if isinstance(node, dict):
        return {name: _mask_text(value, searched) for name, value in node.items()}
    if isinstance(node, list):
        return [_mask_text(item, searched) for item in node]
    if isinstance(node, str):
        text = mask_query(node)
        return text if searched is None else searched.sub(FILTERED, text)
    return node


def _searched(found: set[str]) -> re.Pattern[str] | None:
    forms: set[str] = set()
    for secret in found:
        # The SDK gives local variables by their repr, in quotes.
        bare = secret.strip("'\"")
        if len(bare) >= MIN_SEARCHED_LENGTH and bare != FILTERED:
            forms |= {bare, quote(bare), quote_plus(bare)}
    if not forms:
        return None
    return re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True))))


def _secrets_of(name: str, value: Any) -> Iterator[str]:
    """The texts under a secret name; of a Cookie or Authorization line its parts as well."""
    for text in _strings(value):
        yield text
        if "cookie" in name.lower():
            for pair in text.strip("'\"").split(";"):
                yield pair.partition("=")[2].strip()
        elif "authorization" in name.lower():
            yield text.strip("'\"").partition(" ")[2].strip()


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
