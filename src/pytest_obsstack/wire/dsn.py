"""The DSN: where an SDK reports to, and with which key.

``{scheme}://{public_key}[:{secret_key}]@{host}[:{port}]{path}/{project_id}``, as in Sentry's SDK
documentation, "Parsing the DSN" (develop.sentry.dev/sdk/foundations/transport/authentication).
A path is there when a server does not live at its host's root.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SHAPE = "{http|https}://{public_key}@{host}[:{port}][/{path}]/{project_id}"
_KEY = re.compile(r"[A-Za-z0-9_-]+")
_PROJECT_ID = re.compile(r"[0-9]+", re.ASCII)


class InvalidDsn(ValueError):
    """A text that is not a DSN; the message tells what was ``expected`` and ``found``, no key."""

    def __init__(self, part: str, *, expected: str, found: str) -> None:
        super().__init__(f"invalid DSN: {part}\n  expected  {expected}\n  found     {found}")
        self.part = part
        self.expected = expected
        self.found = found


class InvalidDsnScheme(InvalidDsn):
    """The scheme is neither ``http`` nor ``https``."""


class InvalidDsnKey(InvalidDsn):
    """The public key before the ``@`` is missing or cannot be one."""


class InvalidDsnHost(InvalidDsn):
    """The host is missing, or the port is not one."""


class InvalidDsnProject(InvalidDsn):
    """The last segment of the path is not a project id."""


@dataclass(frozen=True)
class Dsn:
    """A parsed DSN. ``str()`` gives it back, key included: use ``redacted()`` in reports."""

    scheme: str
    """``http`` or ``https``."""
    public_key: str
    host: str
    """Host name or address; an IPv6 address without its brackets."""
    port: int
    """Always given: 80 or 443 where the text had none."""
    project_id: str
    """Decimal digits."""
    path: str = ""
    """What lies before the project id: empty, or with a leading and no trailing slash."""
    secret_key: str | None = None
    """Only in DSNs made before 2018; SDKs no longer send it."""

    @classmethod
    def parse(cls, text: str) -> Dsn:
        """The DSN in ``text``; raises an ``InvalidDsn`` that names the part at fault."""
        text = text.strip()
        try:
            url = urlsplit(text)
            port = url.port
        except ValueError as error:
            raise InvalidDsnHost(
                "host or port", expected=_SHAPE, found=f"{_mask(text)!r} ({error})"
            ) from error
        if url.scheme not in _DEFAULT_PORTS:
            raise InvalidDsnScheme("scheme", expected="http or https", found=repr(url.scheme))
        if not url.username or not _KEY.fullmatch(url.username):
            found = "no key" if not url.username else "a key with other characters"
            raise InvalidDsnKey(
                "public key",
                expected="letters, digits, '-' or '_' before the '@'",
                found=f"{found} in {_mask(text)!r}",
            )
        if not url.hostname:
            raise InvalidDsnHost("host", expected=_SHAPE, found=repr(_mask(text)))
        path, project_id = _split_path(url, text)
        return cls(
            scheme=url.scheme,
            public_key=url.username,
            host=url.hostname,
            port=port if port is not None else _DEFAULT_PORTS[url.scheme],
            project_id=project_id,
            path=path,
            secret_key=url.password or None,
        )

    def __str__(self) -> str:
        secret = f":{self.secret_key}" if self.secret_key is not None else ""
        return self._with_userinfo(f"{self.public_key}{secret}")

    @property
    def base_url(self) -> str:
        """The server's root without a trailing slash; the port left out where it is the default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"

    @property
    def envelope_url(self) -> str:
        """Where envelopes are posted."""
        return f"{self.base_url}/api/{self.project_id}/envelope/"

    @property
    def store_url(self) -> str:
        """Where SDKs before 2.0 post single JSON events."""
        return f"{self.base_url}/api/{self.project_id}/store/"

    @property
    def otlp_traces_url(self) -> str:
        """Where OTLP/HTTP exporters post spans, with ``x-sentry-auth: sentry sentry_key=…``."""
        return f"{self.base_url}/api/{self.project_id}/integration/otlp/v1/traces"

    @property
    def auth_header(self) -> str:
        """The value of ``X-Sentry-Auth`` that goes with this DSN."""
        return f"Sentry sentry_version=7, sentry_key={self.public_key}"

    def redacted(self) -> str:
        """The DSN with its key cut to four characters and any secret left out, for reports."""
        shown = self.public_key[:4] if len(self.public_key) > 8 else ""
        return self._with_userinfo(f"{shown}…")

    def _with_userinfo(self, userinfo: str) -> str:
        scheme, rest = self.base_url.split("://", 1)
        return f"{scheme}://{userinfo}@{rest}/{self.project_id}"


def _split_path(url: SplitResult, text: str) -> tuple[str, str]:
    path, _, project_id = url.path.rstrip("/").rpartition("/")
    if not _PROJECT_ID.fullmatch(project_id):
        raise InvalidDsnProject(
            "project id",
            expected="digits after the last '/'",
            found=f"{project_id!r} in {_mask(text)!r}",
        )
    if url.query or url.fragment:
        raise InvalidDsnProject(
            "project id", expected="nothing after it", found=repr(_mask(text).rpartition("/")[2])
        )
    return path, project_id


def _mask(text: str) -> str:
    """``text`` without what stands before the last ``@``: a broken DSN may still hold a key."""
    head, at, tail = text.rpartition("@")
    if not at:
        return text
    scheme, sep, _ = head.partition("://")
    return f"{scheme}{sep}…@{tail}" if sep else f"…@{tail}"
