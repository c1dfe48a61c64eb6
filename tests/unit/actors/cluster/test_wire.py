"""What nodes say about chats: it comes out as it went in, and rubbish is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.cluster.wire import (
    MAX_JOINING,
    BadEntry,
    RemoteEvent,
    RemotePersonal,
    RemoteTyping,
    decode_event,
    decode_personal,
    decode_typing,
    encode_event,
    encode_personal,
    encode_typing,
)
from storage.bus_packet import MAX_PAYLOAD_BYTES
from storage.ids import ChatId, Seq, UserId

ids = st.integers(1, 2**53 - 1)


@given(ids, ids, ids, st.binary(min_size=1, max_size=99))
def test_an_event_with_its_frame(chat: int, seq: int, actor: int, frame: bytes) -> None:
    event = RemoteEvent(ChatId(chat), Seq(seq), UserId(actor), frame)
    assert [decode_event(entry) for entry in encode_event(event)] == [event]


@given(ids, st.lists(ids, min_size=1, max_size=20))
def test_an_event_that_changes_who_receives(chat: int, joining: list[int]) -> None:
    joined = tuple(UserId(user_id) for user_id in joining)
    event = RemoteEvent(ChatId(chat), Seq(1), UserId(1), None, joined)
    assert [decode_event(entry) for entry in encode_event(event)] == [event]


def test_very_many_who_join_take_several_entries() -> None:
    joined = tuple(UserId(number) for number in range(1, 2 * MAX_JOINING + 6))
    event = RemoteEvent(ChatId(1), Seq(1), UserId(1), None, joined)
    entries = list(encode_event(event))
    assert len(entries) == 3
    assert all(len(entry) <= MAX_PAYLOAD_BYTES for entry in entries)
    assert sum((decode_event(entry).joining for entry in entries), ()) == joined


def test_a_frame_that_is_too_large_stays_at_home() -> None:
    event = RemoteEvent(ChatId(1), Seq(2), UserId(3), bytes(MAX_PAYLOAD_BYTES))
    (entry,) = encode_event(event)
    assert decode_event(entry) == RemoteEvent(ChatId(1), Seq(2), UserId(3), None)


@given(ids, ids, st.booleans(), st.binary(max_size=50))
def test_what_is_transient(chat: int, user: int, is_typing: bool, frame: bytes) -> None:
    typing = RemoteTyping(ChatId(chat), UserId(user), is_typing)
    assert decode_typing(encode_typing(typing)) == typing
    personal = RemotePersonal(ChatId(chat), UserId(user), frame)
    assert decode_personal(encode_personal(personal)) == personal


@pytest.mark.parametrize("decode", [decode_event, decode_typing, decode_personal])
@pytest.mark.parametrize("entry", [b"", b"x" * 7])
def test_rubbish_is_refused(decode: object, entry: bytes) -> None:
    assert callable(decode)
    with pytest.raises(BadEntry):
        decode(entry)


def test_an_event_that_names_more_than_it_holds_is_refused() -> None:
    event = RemoteEvent(ChatId(1), Seq(2), UserId(3), None, (UserId(4),))
    (entry,) = encode_event(event)
    with pytest.raises(BadEntry):
        decode_event(entry[:-1])
