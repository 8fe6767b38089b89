"""Settings of the embedded Sentry-compatible server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

_MIB = 1024 * 1024


@dataclass(frozen=True)
class IngestLimits:
    """Bytes at most, as Sentry publishes them; beyond them a request is answered 413."""

    packed_bytes: int = 200 * _MIB
    """Of a request body as it comes over the wire."""
    envelope_bytes: int = 200 * _MIB
    """Of an envelope once unpacked."""
    item_bytes: int = _MIB
    """Of one event or transaction, and of one log or span in a container."""
    container_bytes: int = 20 * _MIB
    """Of an item that holds several logs or spans."""
    attachment_bytes: int = 100 * _MIB
    """Of one attachment."""
    otlp_bytes: int = 20 * _MIB
    """Of an OTLP request once unpacked."""


@dataclass(frozen=True)
class SentrySettings:
    """What the server is told at start. With no token or no password that way in is closed."""

    public_url: str = "http://127.0.0.1:9000"
    """Base of DSNs and links, as the app and a browser reach it; no trailing slash."""
    admin_email: str = "admin@example.com"
    admin_password: str = field(default="", repr=False)
    api_token: str = field(default="", repr=False)
    """The bearer token of ``/api/0``, with all scopes."""
    webhook_hosts: str = ""
    """Hosts beyond this machine that alert webhooks may go to: names or addresses with commas
    between them, ``*`` for any. Without it only loopback is called, because an alert carries what
    the app reported, and a test stack should send nothing out that nobody asked it to send."""
    limits: IngestLimits = IngestLimits()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SentrySettings:
        """From plain JSON values; ``limits`` is an object of byte counts, all optional.

        Raises ``ValueError`` for a name that is not a setting, ``TypeError`` for a wrong type.
        """
        values = dict(data)
        limits = values.pop("limits", {})
        if not isinstance(limits, Mapping):
            raise TypeError(f"sentry limits: expected an object, found {limits!r}")
        _check("sentry limits", cls=IngestLimits, values=limits, kind=int)
        _check("sentry settings", cls=cls, values=values, kind=str)
        if "public_url" in values:
            values["public_url"] = values["public_url"].rstrip("/")
        return cls(**values, limits=IngestLimits(**limits))


def _check(what: str, *, cls: type[Any], values: Mapping[str, Any], kind: type[Any]) -> None:
    known = {f.name for f in fields(cls)}
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"{what}: expected one of {sorted(known)}, found {name!r}")
        if not isinstance(value, kind) or isinstance(value, bool):
            raise TypeError(f"{what}: expected {name} as {kind.__name__}, found {value!r}")
