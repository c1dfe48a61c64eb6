from __future__ import annotations

import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Event,
    TextMessage,
)
from wsproto.events import Ping as WsPing
from wsproto.events import Pong as WsPong

from aeon.net import frames
from aeon.net.frames import Close, FrameError, FrameReader, Message, Ping, Pong
from tests.helpers.rawsocket import frame

LIMIT = 1000
MESSAGES = st.one_of(
    st.text(max_size=200).map(lambda data: TextMessage(data=data)),
    st.binary(max_size=200).map(lambda data: BytesMessage(data=data)),
    st.binary(max_size=125).map(lambda data: WsPing(payload=data)),
    st.binary(max_size=125).map(lambda data: WsPong(payload=data)),
)


def read_all(reader: FrameReader, data: bytes, cuts: list[int]) -> list[frames.Inbound]:
    """Feed data in pieces of these sizes, in turn."""
    events: list[frames.Inbound] = []
    position = turn = 0
    while position < len(data):
        size = cuts[turn % len(cuts)]
        events.extend(reader.receive(data[position : position + size]))
        position, turn = position + size, turn + 1
    return events


@given(sent=st.lists(MESSAGES), cuts=st.lists(st.integers(1, 300), min_size=1))
def test_reads_what_another_implementation_sends(sent: list[Event], cuts: list[int]) -> None:
    client = Connection(ConnectionType.CLIENT)
    data = b"".join(client.send(event) for event in sent)

    got = read_all(FrameReader(LIMIT), data, cuts)

    expected: list[frames.Inbound] = []
    for event in sent:
        if isinstance(event, TextMessage | BytesMessage):
            expected.append(Message(event.data))
        elif isinstance(event, WsPing):
            expected.append(Ping(bytes(event.payload)))
        elif isinstance(event, WsPong):
            expected.append(Pong(bytes(event.payload)))
    assert got == expected


@given(payloads=st.lists(st.text(max_size=70_000), max_size=4), code=st.integers(3000, 4999))
def test_another_implementation_reads_what_is_sent(payloads: list[str], code: int) -> None:
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(frames.text_frames([text.encode() for text in payloads]))
    client.receive_data(frames.close_frame(code, "over"))

    got = list(client.events())

    assert [e.data for e in got if isinstance(e, TextMessage)] == payloads
    assert [(e.code, e.reason) for e in got if isinstance(e, CloseConnection)] == [(code, "over")]


@given(
    text=st.text(max_size=300),
    cuts=st.lists(st.integers(0, 300), max_size=5),
    pieces=st.lists(st.integers(1, 50), min_size=1),
)
def test_fragments_are_joined_wherever_they_were_cut(
    text: str, cuts: list[int], pieces: list[int]
) -> None:
    payload = text.encode()
    edges = [0, *sorted(min(cut, len(payload)) for cut in cuts), len(payload)]
    parts = [payload[a:b] for a, b in pairwise(edges)]
    data = b"".join(
        frame(1 if number == 0 else 0, part, fin=number == len(parts) - 1)
        + (frame(9, b"p") if number < len(parts) - 1 else b"")
        for number, part in enumerate(parts)
    )
    limit = max(LIMIT, len(payload))

    got = read_all(FrameReader(limit), data, pieces)

    assert got == [Ping(b"p")] * (len(parts) - 1) + [Message(text)]


@given(data=st.binary(max_size=400), cuts=st.lists(st.integers(1, 40), min_size=1))
def test_noise_is_read_or_refused_but_never_kept(data: bytes, cuts: list[int]) -> None:
    reader = FrameReader(LIMIT)
    try:
        read_all(reader, data, cuts)
    except FrameError as error:
        code = error.code
    else:
        code = 1002
    assert code in (1002, 1007, 1009)


def test_size_is_judged_before_the_payload_comes() -> None:
    reader = FrameReader(LIMIT)
    with pytest.raises(FrameError) as caught:
        list(reader.receive(frame(1, b"", claimed_size=LIMIT + 1)))
    assert caught.value.code == frames.TOO_BIG


def test_size_counts_bytes_not_characters() -> None:
    assert list(FrameReader(10).receive(frame(1, "é".encode() * 5))) == [Message("é" * 5)]
    with pytest.raises(FrameError):
        list(FrameReader(10).receive(frame(1, "é".encode() * 6)))


def test_close_without_code_is_told_from_one_with() -> None:
    assert list(FrameReader(LIMIT).receive(frame(8))) == [Close(1005, "")]
    data = frame(8, (4001).to_bytes(2, "big") + b"why")
    assert list(FrameReader(LIMIT).receive(data)) == [Close(4001, "why")]


def test_long_close_reason_is_cut_between_characters() -> None:
    sent = frames.close_frame(1000, "é" * 100)
    assert len(sent) - 2 <= frames.MAX_CONTROL_BYTES
    sent[4:].decode()


def compressed(text: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return (deflater.compress(text) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


def test_compressed_message_is_inflated_where_agreed_on() -> None:
    data = frame(1, compressed(b"hello " * 20), reserved=4)
    reader = FrameReader(LIMIT, deflate=True)
    assert list(reader.receive(data + frame(1, b"plain"))) == [
        Message("hello " * 20),
        Message("plain"),
    ]


def test_compressed_bomb_is_refused_without_being_inflated() -> None:
    reader = FrameReader(LIMIT, deflate=True)
    with pytest.raises(FrameError) as caught:
        list(reader.receive(frame(1, compressed(b"0" * 900_000), reserved=4)))
    assert caught.value.code == frames.TOO_BIG


def test_bad_compressed_data_is_refused() -> None:
    reader = FrameReader(LIMIT, deflate=True)
    with pytest.raises(FrameError):
        list(reader.receive(frame(1, b"\xff\xff\xff", reserved=4)))
