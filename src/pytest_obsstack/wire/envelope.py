r"""Sentry envelopes: bytes to values and back.

The clauses cited below are those of the envelope specification
(develop.sentry.dev/sdk/foundations/transport/envelopes):

[E1] An envelope is a header, then any number of items; a newline stands between each of these and
     may stand at the end.
[E2] An item is a header, a newline and a payload.
[E3] Headers are JSON objects in one line, in UTF-8.
[E4] Newlines are ``\n`` alone; a ``\r`` is content.
[E5] An item with ``length`` has exactly that many bytes, whatever they are, and a newline or the
     end follows. One without it ends at the next newline or at the end.
[E6] Each item has a ``type``. Attributes that are not known are retained; ``null`` means missing.
[E7] ``event_id`` is a UUID, with or without dashes.
[E8] An empty header ``{}`` is a valid envelope.

Where the specification leaves a choice this follows Relay: blank lines before an item's header are
passed over, and white space that nothing follows is an unexpected end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

_BLANK = b" \t\r\n"
_UUID = re.compile(
    r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE
)
_MAX_LENGTH = 2**32 - 1

CONTENT_TYPE = "application/x-sentry-envelope"
"""The media type SDKs send; Relay takes any."""


@dataclass(frozen=True)
class EnvelopeLimits:
    """What the parser takes at most; Sentry's published limits by default."""

    envelope_bytes: int = 200 * 1024 * 1024
    """Of the whole unpacked envelope."""
    header_bytes: int = 1024 * 1024
    """Of one header line."""
    items: int = 10_000


class EnvelopeError(ValueError):
    """Bytes that are not an envelope.

    ``causes`` are Relay's words for it, outermost first; ``offset`` is the byte where it shows.
    """

    words = "invalid envelope"

    def __init__(self, offset: int, *, expected: str, found: str, detail: str = "") -> None:
        super().__init__(
            f"{self.words} at byte {offset}\n  expected  {expected}\n  found     {found}"
        )
        self.offset = offset
        self.expected = expected
        self.found = found
        self.causes = (self.words, detail) if detail else (self.words,)


class MissingEnvelopeHeader(EnvelopeError):
    """There is not even a header [E1]."""

    words = "missing envelope header"


class InvalidEnvelopeHeader(EnvelopeError):
    """The first line is not a JSON object, or its event_id no UUID [E3] [E7]."""

    words = "invalid envelope header"


class InvalidItemHeader(EnvelopeError):
    """An item's header is not a JSON object, or its type or length not valid [E3] [E5] [E6]."""

    words = "invalid item header"


class MissingNewline(EnvelopeError):
    """Something else stands where a newline must be [E1] [E5]."""

    words = "missing newline after header or payload"


class UnexpectedEnd(EnvelopeError):
    """The bytes end before the item does [E5]."""

    words = "unexpected end of file"


class EnvelopeTooLarge(EnvelopeError):
    """More bytes or items than ``EnvelopeLimits`` allow; a server answers 413."""

    words = "envelope exceeded size limits"


@dataclass(frozen=True)
class Item:
    """One item. ``header`` holds every attribute but ``length``, which is that of ``payload``."""

    header: Mapping[str, Any]
    payload: bytes = b""

    @classmethod
    def of(cls, item_type: str, payload: bytes, **attributes: Any) -> Item:
        """An item of that type; ``attributes`` are further header attributes."""
        return cls({"type": item_type, **attributes}, payload)

    @property
    def type(self) -> str:
        return str(self.header["type"])

    @property
    def content_type(self) -> str | None:
        return _text(self.header.get("content_type"))

    @property
    def filename(self) -> str | None:
        return _text(self.header.get("filename"))


@dataclass(frozen=True)
class Envelope:
    """A header and items, in the order in which they came."""

    header: Mapping[str, Any] = field(default_factory=dict)
    items: tuple[Item, ...] = ()

    @property
    def event_id(self) -> str | None:
        """32 lower-case hexadecimal digits."""
        value = self.header.get("event_id")
        return normalize_event_id(value) if isinstance(value, str) else None

    @property
    def dsn(self) -> str | None:
        return _text(self.header.get("dsn"))

    @property
    def sent_at(self) -> str | None:
        """The sender's clock, RFC 3339."""
        return _text(self.header.get("sent_at"))

    @property
    def trace(self) -> Mapping[str, Any]:
        """The dynamic sampling context; empty where there is none."""
        value = self.header.get("trace")
        return value if isinstance(value, dict) else {}

    def of_type(self, *item_types: str) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.type in item_types)


_DEFAULT_LIMITS = EnvelopeLimits()


def parse_envelope(data: bytes, limits: EnvelopeLimits = _DEFAULT_LIMITS) -> Envelope:
    """The envelope in ``data`` (unpacked); raises an ``EnvelopeError``, and nothing else."""
    if len(data) > limits.envelope_bytes:
        raise EnvelopeTooLarge(
            0, expected=f"at most {limits.envelope_bytes} bytes", found=f"{len(data)} bytes"
        )
    start = _skip_blank(data, 0)
    if start == len(data):
        raise MissingEnvelopeHeader(0, expected="a JSON object [E1]", found=f"{len(data)} bytes")
    header, offset = _parse_header(data, start, limits, InvalidEnvelopeHeader)
    _check_event_id(header, start)
    items: list[Item] = []
    while offset < len(data):
        if len(items) == limits.items:
            raise EnvelopeTooLarge(
                offset, expected=f"at most {limits.items} items", found="one more"
            )
        item, offset = _parse_item(data, offset, limits)
        items.append(item)
    return Envelope(header, tuple(items))


def serialize_envelope(envelope: Envelope) -> bytes:
    """The bytes of ``envelope``, each item with its ``length`` and a newline at the end [E5].

    ``parse_envelope`` gives back an equal envelope.
    """
    return b"".join(_chunks(envelope))


def normalize_event_id(text: str) -> str | None:
    """32 lower-case hexadecimal digits, or ``None`` where ``text`` is not a UUID [E7]."""
    return text.replace("-", "").lower() if _UUID.fullmatch(text) else None


def _chunks(envelope: Envelope) -> Iterable[bytes]:
    yield orjson.dumps(dict(envelope.header))
    yield b"\n"
    for item in envelope.items:
        yield orjson.dumps({**item.header, "length": len(item.payload)})
        yield b"\n"
        yield item.payload
        yield b"\n"


def _parse_item(data: bytes, offset: int, limits: EnvelopeLimits) -> tuple[Item, int]:
    """One item and the offset of what follows its newline."""
    start = _skip_blank(data, offset)
    if start == len(data):
        raise UnexpectedEnd(offset, expected="an item's header [E1]", found="only white space")
    header, payload_start = _parse_header(data, start, limits, InvalidItemHeader)
    length = _check_item_header(header, start)
    # [E2] the last header may end the envelope: an item with an empty payload.
    payload_start = min(payload_start, len(data))
    if length is None:
        newline = data.find(b"\n", payload_start)
        end = len(data) if newline < 0 else newline
    else:
        end = payload_start + length
        if end > len(data):
            raise UnexpectedEnd(
                payload_start,
                expected=f"{length} bytes of payload [E5]",
                found=f"{len(data) - payload_start} bytes",
            )
        _require_newline(data, end)
    return Item(header, data[payload_start:end]), end + 1


def _parse_header(
    data: bytes, start: int, limits: EnvelopeLimits, error: type[EnvelopeError]
) -> tuple[dict[str, Any], int]:
    """A header line and the offset of what follows its newline."""
    newline = data.find(b"\n", start)
    end = len(data) if newline < 0 else newline
    if end - start > limits.header_bytes:
        raise EnvelopeTooLarge(
            start,
            expected=f"a header of at most {limits.header_bytes} bytes",
            found=f"a line of {end - start} bytes",
        )
    line = data[start:end]
    try:
        header = orjson.loads(line)
    except orjson.JSONDecodeError as problem:
        length = _length_of_leading_value(line)
        if length is not None:
            _require_newline(data, start + length)
        raise error(
            start,
            expected="a JSON object in one line [E3]",
            found=_excerpt(line),
            detail=str(problem),
        ) from problem
    if not isinstance(header, dict):
        raise error(
            start,
            expected="a JSON object in one line [E3]",
            found=_excerpt(line),
            detail=f"invalid type: {type(header).__name__}, expected an object",
        )
    _require_newline(data, start + len(line.rstrip(_BLANK)))
    return header, end + 1


def _check_item_header(header: dict[str, Any], start: int) -> int | None:
    """Takes ``length`` out of the header and returns it."""
    length = header.pop("length", None)
    if length is not None and (
        isinstance(length, bool) or not isinstance(length, int) or not 0 <= length <= _MAX_LENGTH
    ):
        raise InvalidItemHeader(
            start,
            expected="a whole number of bytes as length [E5]",
            found=repr(length),
            detail="invalid value for `length`",
        )
    item_type = header.get("type")
    if not isinstance(item_type, str):
        raise InvalidItemHeader(
            start,
            expected="a type [E6]",
            found=f"attributes {sorted(header)}" if item_type is None else repr(item_type),
            detail="missing field `type`" if item_type is None else "invalid value for `type`",
        )
    return length


def _check_event_id(header: dict[str, Any], start: int) -> None:
    event_id = header.get("event_id")
    if event_id is None:
        return
    if not isinstance(event_id, str) or normalize_event_id(event_id) is None:
        raise InvalidEnvelopeHeader(
            start,
            expected="a UUID as event_id [E7]",
            found=repr(event_id),
            detail="invalid value for `event_id`",
        )


def _require_newline(data: bytes, offset: int) -> None:
    """[E1] [E4] A newline, or the end, must follow."""
    if offset < len(data) and data[offset] != 0x0A:
        raise MissingNewline(
            offset, expected="a newline or the end", found=_excerpt(data[offset : offset + 40])
        )


def _length_of_leading_value(line: bytes) -> int | None:
    """Bytes of the JSON value that ``line`` begins with: something else follows it then."""
    text = line.decode("utf-8", "replace")
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return len(text[:end].encode())


def _skip_blank(data: bytes, offset: int) -> int:
    while offset < len(data) and data[offset] in _BLANK:
        offset += 1
    return offset


def _excerpt(data: bytes) -> str:
    return repr(data[:40]) if len(data) <= 40 else f"{data[:40]!r}…"


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
