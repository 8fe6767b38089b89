"""Envelopes: the specification's examples and corner cases, limits, and a fuzzed round trip."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_obsstack.wire.envelope import (
    Envelope,
    EnvelopeError,
    EnvelopeLimits,
    EnvelopeTooLarge,
    InvalidEnvelopeHeader,
    InvalidItemHeader,
    Item,
    MissingEnvelopeHeader,
    MissingNewline,
    UnexpectedEnd,
    parse_envelope,
    serialize_envelope,
)

EVENT_ID = "9ec79c33ec9942ab8353589fcb2e04dc"


def test_items_with_length_end_where_it_says() -> None:
    data = (
        b'{"event_id":"' + EVENT_ID.encode() + b'","dsn":"https://e@h/42"}\n'
        b'{"type":"attachment","length":10,"content_type":"text/plain","filename":"hello.txt"}\n'
        b"\xef\xbb\xbfHello\r\n\n"
        b'{"type":"event","length":41,"content_type":"application/json"}\n'
        b'{"message":"hello world","level":"error"}\n'
    )
    envelope = parse_envelope(data)
    assert envelope.event_id == EVENT_ID
    assert envelope.dsn == "https://e@h/42"
    attachment, event = envelope.items
    assert attachment.payload == b"\xef\xbb\xbfHello\r\n"
    assert attachment.filename == "hello.txt"
    assert attachment.content_type == "text/plain"
    assert event.payload == b'{"message":"hello world","level":"error"}'


def test_last_newline_may_be_missing() -> None:
    data = b'{}\n{"type":"event","length":2}\n{}'
    assert parse_envelope(data) == parse_envelope(data + b"\n")


def test_item_without_length_ends_at_the_newline() -> None:
    envelope = parse_envelope(b'{}\n{"type":"a"}\nfirst\r\n{"type":"b"}\nsecond')
    assert [item.payload for item in envelope.items] == [b"first\r", b"second"]


def test_binary_payload_with_newlines_needs_its_length() -> None:
    payload = bytes(range(256)) * 3
    envelope = Envelope({}, (Item.of("attachment", payload, filename="b.bin"),))
    assert parse_envelope(serialize_envelope(envelope)) == envelope


def test_empty_header_alone_is_an_envelope() -> None:
    assert parse_envelope(b"{}") == Envelope()
    assert parse_envelope(b"{}\n") == Envelope()


def test_header_of_an_item_may_end_the_envelope() -> None:
    assert parse_envelope(b'{}\n{"type":"attachment"}').items == (Item.of("attachment", b""),)
    assert parse_envelope(b'{}\n{"type":"attachment","length":0}\n').items[0].payload == b""


def test_length_null_counts_as_missing() -> None:
    assert parse_envelope(b'{}\n{"type":"a","length":null}\nxyz\n').items[0].payload == b"xyz"


def test_blank_lines_before_an_item_are_passed_over() -> None:
    assert parse_envelope(b'{}\n\n\n{"type":"a"}\nx').items[0].payload == b"x"


def test_unknown_attributes_and_types_are_retained() -> None:
    envelope = parse_envelope(b'{"new":[1]}\n{"type":"from_the_future","x":{"y":2}}\n..')
    assert envelope.header == {"new": [1]}
    assert envelope.items == (Item({"type": "from_the_future", "x": {"y": 2}}, b".."),)


def test_event_id_is_normalised() -> None:
    envelope = parse_envelope(b'{"event_id":"9EC79C33-EC99-42AB-8353-589FCB2E04DC"}\n')
    assert envelope.event_id == EVENT_ID


@pytest.mark.parametrize(
    ("data", "error", "causes", "expected", "found"),
    [
        (b"", MissingEnvelopeHeader, ("missing envelope header",), "[E1]", "0 bytes"),
        (b" \n\n", MissingEnvelopeHeader, ("missing envelope header",), "[E1]", "3 bytes"),
        (b"hello", InvalidEnvelopeHeader, None, "[E3]", "b'hello'"),
        (b"[1]\n", InvalidEnvelopeHeader, None, "[E3]", "b'[1]'"),
        (b'{"a":\n1}\n', InvalidEnvelopeHeader, None, "[E3]", "b'{\"a\":'"),
        (b"\xff\xfe\n", InvalidEnvelopeHeader, None, "[E3]", "xff"),
        (
            b'{"event_id":"nope"}\n',
            InvalidEnvelopeHeader,
            ("invalid envelope header", "invalid value for `event_id`"),
            "[E7]",
            "'nope'",
        ),
        (
            b"{} x\n",
            MissingNewline,
            ("missing newline after header or payload",),
            "a newline",
            "b' x\\n'",
        ),
        (b"{}\r\n", MissingNewline, None, "a newline", "b'\\r\\n'"),
        (
            b'{}\n{"length":1}\nx',
            InvalidItemHeader,
            ("invalid item header", "missing field `type`"),
            "[E6]",
            "attributes []",
        ),
        (b'{}\n{"type":5}\nx', InvalidItemHeader, None, "[E6]", "5"),
        (b'{}\n{"type":"a","length":-1}\n', InvalidItemHeader, None, "[E5]", "-1"),
        (b'{}\n{"type":"a","length":"1"}\nx', InvalidItemHeader, None, "[E5]", "'1'"),
        (b'{}\n{"type":"a","length":true}\nx', InvalidItemHeader, None, "[E5]", "True"),
        (
            b'{}\n{"type":"a","length":9}\nabc',
            UnexpectedEnd,
            ("unexpected end of file",),
            "9 bytes of payload [E5]",
            "3 bytes",
        ),
        (b'{}\n{"type":"a","length":2}\nabc\n', MissingNewline, None, "a newline", "b'c\\n'"),
        (
            b'{}\n{"type":"a","length":1}\nx\n \n',
            UnexpectedEnd,
            None,
            "an item's header",
            "only white space",
        ),
    ],
)
def test_broken_envelope_tells_expected_and_found(
    data: bytes,
    error: type[EnvelopeError],
    causes: tuple[str, ...] | None,
    expected: str,
    found: str,
) -> None:
    with pytest.raises(error) as caught:
        parse_envelope(data)
    if causes is not None:
        assert caught.value.causes == causes
    assert caught.value.causes[0] == error.words
    assert expected in caught.value.expected
    assert found in caught.value.found
    assert str(caught.value).startswith(f"{error.words} at byte {caught.value.offset}\n")


def test_offset_points_at_the_fault() -> None:
    with pytest.raises(MissingNewline) as caught:
        parse_envelope(b'{}\n{"type":"a","length":2}\nabc\n')
    assert caught.value.offset == 3 + 24 + 2


@pytest.mark.parametrize(
    ("limits", "expected", "found"),
    [
        (EnvelopeLimits(envelope_bytes=20), "at most 20 bytes", "44 bytes"),
        (EnvelopeLimits(header_bytes=10), "a header of at most 10 bytes", "a line of 12 bytes"),
        (EnvelopeLimits(items=2), "at most 2 items", "one more"),
    ],
)
def test_limits_are_told(limits: EnvelopeLimits, expected: str, found: str) -> None:
    data = b"{}\n" + b'{"type":"a"}\n\n' * 2 + b'{"type":"b"}\n'
    assert len(data) == 44
    with pytest.raises(EnvelopeTooLarge) as caught:
        parse_envelope(data, limits)
    assert caught.value.expected == expected
    assert caught.value.found == found


def test_deeply_nested_header_is_an_invalid_header() -> None:
    data = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    with pytest.raises(InvalidEnvelopeHeader):
        parse_envelope(data)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(TEXT, children, max_size=3),
    max_leaves=6,
)
ATTRIBUTES = st.dictionaries(TEXT.filter(lambda k: k not in {"length", "type"}), JSON, max_size=4)
ITEMS = st.builds(
    lambda kind, payload, attributes: Item({"type": kind, **attributes}, payload),
    TEXT,
    st.binary(max_size=60),
    ATTRIBUTES,
)
ENVELOPES = st.builds(
    lambda header, items: Envelope(
        {k: v for k, v in header.items() if k != "event_id"}, tuple(items)
    ),
    ATTRIBUTES,
    st.lists(ITEMS, max_size=4),
)


@given(ENVELOPES)
def test_round_trip(envelope: Envelope) -> None:
    assert parse_envelope(serialize_envelope(envelope)) == envelope


@given(st.binary(max_size=200))
def test_any_bytes_give_an_envelope_or_an_envelope_error(data: bytes) -> None:
    try:
        envelope = parse_envelope(data)
    except EnvelopeError:
        return
    assert parse_envelope(serialize_envelope(envelope)) == envelope


@given(ENVELOPES, st.integers(0, 300), st.binary(max_size=4), st.integers(0, 3))
def test_damaged_envelope_gives_an_envelope_or_an_envelope_error(
    envelope: Envelope, at: int, inserted: bytes, removed: int
) -> None:
    data = serialize_envelope(envelope)
    at = min(at, len(data))
    try:
        damaged = parse_envelope(data[:at] + inserted + data[at + removed :])
    except EnvelopeError:
        return
    assert parse_envelope(serialize_envelope(damaged)) == damaged
