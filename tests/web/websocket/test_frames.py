"""The codec, against the frames of a library."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode

from server.web.websocket.frames import (
    BINARY,
    CLOSE,
    NO_CODE,
    NOT_UTF8,
    PART,
    PING,
    PONG,
    PROTOCOL_ERROR,
    SWAMPED,
    TEXT,
    TOO_BIG,
    TOO_LONG,
    Broken,
    Frames,
    Message,
    closing,
    code_of,
    framed,
    unmasked,
)

MOST = 100


def sent(kind: int, payload: bytes, *, last: bool = True) -> bytes:
    """As a client sends it."""
    return Frame(Opcode(kind), payload, fin=last).serialize(mask=True)


def fed(frames: Frames, data: bytes) -> list[Message]:
    """The messages that become whole with it."""
    frames.add(data)
    found: list[Message] = []
    while (message := frames.next()) is not None:
        if message is not PART:
            found.append(message)
    return found


def read(data: bytes, most: int = MOST) -> list[Message]:
    return fed(Frames(most), data)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_a_message_is_read_as_it_was_sent(size: int) -> None:
    payload = b"x" * size
    assert read(sent(TEXT, payload), size) == [Message(TEXT, payload)]
    assert read(sent(BINARY, payload), size) == [Message(BINARY, payload)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_a_message_is_written_as_the_library_writes_it(size: int) -> None:
    payload = b"x" * size
    assert framed(TEXT, payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


@given(
    st.lists(st.lists(st.binary(max_size=40).map(lambda b: b.hex().encode()), min_size=1)),
    st.integers(1, 30),
)
def test_however_it_is_split_the_messages_are_the_same(
    messages: list[list[bytes]], step: int
) -> None:
    data, wanted = b"", []
    for parts in messages:
        for at, part in enumerate(parts):
            data += sent(0 if at else TEXT, part, last=at == len(parts) - 1)
            if at < len(parts) - 1:
                data += sent(PING, b"p")
                wanted.append(Message(PING, b"p"))
        wanted.append(Message(TEXT, b"".join(parts)))
    frames, found = Frames(1 << 20), list[Message]()
    for at in range(0, len(data), step):
        found += fed(frames, data[at : at + step])
    assert found == wanted
    assert (frames.held, frames.in_message) == (0, False)


@given(st.binary(max_size=300), st.integers(1, 20))
def test_whatever_comes_it_is_messages_or_broken(data: bytes, step: int) -> None:
    frames = Frames(MOST)
    try:
        for at in range(0, len(data), step):
            fed(frames, data[at : at + step])
            assert frames.held <= MOST + 2 * step + 14
    except Broken as broken:
        assert broken.code in (PROTOCOL_ERROR, NOT_UTF8, TOO_BIG)


@pytest.mark.parametrize(
    "data",
    [
        Frame(Opcode.TEXT, b"unmasked").serialize(mask=False),
        bytes((0xC1, 0x80, 0, 0, 0, 0)),
        sent(0, b"goes on from nothing"),
        sent(TEXT, b"", last=False) + sent(TEXT, b""),
        bytes((0x09, 0x80, 0, 0, 0, 0)),
        bytes((0x89, 0xFE, 0, 126, 0, 0, 0, 0)),
        bytes((0x83, 0x80, 0, 0, 0, 0)),
        bytes((0x8B, 0x80, 0, 0, 0, 0)),
        bytes((0x81, 0xFE, 0, 125, 0, 0, 0, 0)),
        bytes((0x81, 0xFF, *(0,) * 6, 255, 255, 0, 0, 0, 0)),
        bytes((0x81, 0xFF, 0x80, *(0,) * 7, 0, 0, 0, 0)),
    ],
)
def test_what_is_no_frame_breaks_it(data: bytes) -> None:
    with pytest.raises(Broken) as broken:
        read(data)
    assert broken.value.code == PROTOCOL_ERROR


def test_text_is_utf8() -> None:
    with pytest.raises(Broken) as broken:
        read(sent(TEXT, b"\xff"))
    assert broken.value.code == NOT_UTF8
    assert read(sent(TEXT, b"\xc3", last=False) + sent(0, b"\xa4")) == [Message(TEXT, "ä".encode())]


def test_a_message_that_is_too_long_is_thrown_away_and_the_next_is_not() -> None:
    frames = Frames(MOST)
    long = sent(TEXT, b"x" * 60, last=False) + sent(PING, b"") + sent(0, b"x" * 60)
    found: list[Message] = []
    for at in range(0, len(long), 7):
        found += fed(frames, long[at : at + 7])
        assert frames.held <= MOST
    assert found == [Message(PING), Message(TOO_LONG)]
    assert fed(frames, sent(TEXT, b"hi")) == [Message(TEXT, b"hi")]


def test_a_message_without_end_breaks_it() -> None:
    frames = Frames(MOST)
    head = bytes((0x81, 0xFF, 0x7F, *(255,) * 7, 0, 0, 0, 0))
    assert fed(frames, head + b"x" * 16 * MOST) == []
    with pytest.raises(Broken) as broken:
        fed(frames, b"x")
    assert broken.value.code == TOO_BIG


def test_what_is_being_received_can_be_thrown_away() -> None:
    frames = Frames(MOST)
    frames.throw_away(SWAMPED)  # there is nothing
    whole = sent(TEXT, b"x" * 50)
    assert fed(frames, whole[:20]) == []
    frames.throw_away(SWAMPED)
    assert fed(frames, whole[20:]) == [Message(SWAMPED)]
    assert fed(frames, whole) == [Message(TEXT, b"x" * 50)]


def test_a_close_says_why() -> None:
    [message] = read(sent(CLOSE, Close(1001, "bye").serialize()))
    assert (message.kind, code_of(message.payload)) == (CLOSE, 1001)
    assert code_of(b"") == NO_CODE
    assert closing(1008, "x" * 200)[:2] == (1008).to_bytes(2, "big")
    assert len(closing(1008, "ä" * 200)) <= 125
    assert closing(1008, "ä" * 200)[2:].decode()


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_codes_that_nobody_may_send(code: int) -> None:
    with pytest.raises(Broken):
        code_of(code.to_bytes(2, "big"))


def test_a_reason_is_utf8_and_a_code_has_two_bytes() -> None:
    for payload in (b"\x03", b"\x03\xe8\xff"):
        with pytest.raises(Broken):
            code_of(payload)


@given(st.binary(), st.binary(min_size=4, max_size=4))
def test_masked_twice_is_the_same(payload: bytes, mask: bytes) -> None:
    assert unmasked(unmasked(payload, mask), mask) == payload
    assert read(sent(PONG, payload[:100])) == [Message(PONG, payload[:100])]


def test_parts_of_nothing_take_no_memory() -> None:
    frames = Frames(MOST)
    assert fed(frames, sent(TEXT, b"x", last=False) + sent(0, b"", last=False) * 1000) == []
    assert frames.held == 1
