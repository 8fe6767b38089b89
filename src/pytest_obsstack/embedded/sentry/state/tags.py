"""An event's tags: the sender's own and those that Sentry derives from the event.

Derived ones are what Sentry's searches and tag pages show beside the sender's: ``level``,
``environment``, ``release``, ``user``, ``handled``, ``url``, ``runtime`` and their like.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_obsstack.embedded.sentry.state.foreign import as_dict, as_text, pairs_of
from pytest_obsstack.embedded.sentry.state.titles import main_exception

_MAX_KEY, _MAX_VALUE = 200, 200
# Sentry keeps these for itself: a sender's tag of that name gives way to the event's attribute.
_ATTRIBUTES = {
    "environment": "environment",
    "release": "release",
    "dist": "dist",
    "server_name": "server_name",
    "transaction": "transaction",
    "logger": "logger",
    "site": "site",
}
# Contexts that become tags: the whole as "name version", the name alone as "<context>.name".
_NAMED_CONTEXTS = ("runtime", "os", "browser", "client_os")
_USER_IDENTITY = (
    ("id", "id"),
    ("username", "username"),
    ("email", "email"),
    ("ip_address", "ip"),
)


def tags_of(data: Mapping[str, Any], level: str) -> tuple[tuple[str, str], ...]:
    """Sorted by key, each key once; values without line breaks and at most 200 characters."""
    tags: dict[str, str] = {}
    for key, value in pairs_of(data.get("tags")):
        text = as_text(value)
        if text is not None and text.strip() and 0 < len(key) <= _MAX_KEY:
            tags[key] = text
    tags |= {key: value for key, value in _derived(data, level) if value}
    return tuple(sorted((key, " ".join(value.split())[:_MAX_VALUE]) for key, value in tags.items()))


def user_tag_of(user: Any) -> str | None:
    """The tag that tells one user from another, from the first identity that is there."""
    user = as_dict(user)
    for attribute, prefix in _USER_IDENTITY:
        text = as_text(user.get(attribute))
        if text and text != "{{auto}}":
            return f"{prefix}:{text}"
    return None


def _derived(data: Mapping[str, Any], level: str) -> Iterator[tuple[str, str | None]]:
    yield "level", level
    for key, attribute in _ATTRIBUTES.items():
        yield key, as_text(data.get(attribute))
    yield "user", user_tag_of(data.get("user"))
    mechanism = as_dict(main_exception(data).get("mechanism"))
    yield "mechanism", as_text(mechanism.get("type"))
    handled = mechanism.get("handled")
    if isinstance(handled, bool):
        yield "handled", "yes" if handled else "no"
    yield "url", as_text(as_dict(data.get("request")).get("url"))
    contexts = as_dict(data.get("contexts"))
    for name in _NAMED_CONTEXTS:
        context = as_dict(contexts.get(name))
        title = as_text(context.get("name"))
        if title:
            version = as_text(context.get("version"))
            yield name, f"{title} {version}" if version else title
            yield f"{name}.name", title
