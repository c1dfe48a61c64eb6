"""What nodes say to each other about chats, as bytes. Frames travel as clients get them.

A durable event that changes who receives (somebody joins, leaves, the chat begins or ends), or
whose frame is too large, travels without its frame: the receiver reads it from the log, where
membership can be told exactly. It names who joins, so that a node with one of them connected
takes notice of a chat it did not follow.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from storage.bus_packet import MAX_PAYLOAD_BYTES
from storage.ids import ChatId, Seq, UserId

EVENTS: Final = "chat.event"
TYPING: Final = "chat.typing"
PERSONAL: Final = "chat.personal"

MAX_JOINING: Final = 10_000
"""People named in one entry; more take several."""

_EVENT: Final = struct.Struct(">qqqI")
_TYPING: Final = struct.Struct(">qq?")
_PERSONAL: Final = struct.Struct(">qq")


class BadEntry(Exception):
    """These bytes say nothing."""


@dataclass(frozen=True, slots=True)
class RemoteEvent:
    """A durable event that another node committed."""

    chat_id: ChatId
    seq: Seq
    actor_id: UserId
    payload: bytes | None
    """The frame; None: read it from the log."""
    joining: tuple[UserId, ...] = ()


def look_up_to(chat_id: ChatId, seq: Seq) -> RemoteEvent:
    """Say only that the log reaches ``seq``: whoever has not handed that out reads it."""
    return RemoteEvent(chat_id, seq, UserId(0), None)


@dataclass(frozen=True, slots=True)
class RemoteTyping:
    """A member began or stopped typing on another node."""

    chat_id: ChatId
    user_id: UserId
    is_typing: bool


@dataclass(frozen=True, slots=True)
class RemotePersonal:
    """A transient frame for one person's own connections."""

    chat_id: ChatId
    user_id: UserId
    payload: bytes


def encode_event(event: RemoteEvent) -> Iterator[bytes]:
    """Encode an event: one entry, or several when very many join at once."""
    payload = event.payload or b""
    if _EVENT.size + len(payload) > MAX_PAYLOAD_BYTES:
        payload = b""
    joining = event.joining
    for start in range(0, max(1, len(joining)), MAX_JOINING):
        some = joining[start : start + MAX_JOINING]
        head = _EVENT.pack(event.chat_id, event.seq, event.actor_id, len(some))
        yield head + _ids(some) + (payload if not joining else b"")


def decode_event(entry: bytes) -> RemoteEvent:
    """Decode what ``encode_event`` made.

    Raises:
        BadEntry: it is something else.
    """
    try:
        chat_id, seq, actor_id, count = _EVENT.unpack_from(entry)
    except struct.error:
        raise BadEntry from None
    end = _EVENT.size + 8 * count
    if end > len(entry) or chat_id <= 0 or seq <= 0:
        raise BadEntry
    joining = struct.unpack_from(f">{count}q", entry, _EVENT.size)
    return RemoteEvent(
        ChatId(chat_id),
        Seq(seq),
        UserId(actor_id),
        entry[end:] or None,
        tuple(UserId(user_id) for user_id in joining),
    )


def encode_typing(typing: RemoteTyping) -> bytes:
    """Encode a typing notice."""
    return _TYPING.pack(typing.chat_id, typing.user_id, typing.is_typing)


def decode_typing(entry: bytes) -> RemoteTyping:
    """Decode what ``encode_typing`` made; raises as ``decode_event``."""
    try:
        chat_id, user_id, is_typing = _TYPING.unpack(entry)
    except struct.error:
        raise BadEntry from None
    return RemoteTyping(ChatId(chat_id), UserId(user_id), is_typing)


def encode_personal(personal: RemotePersonal) -> bytes:
    """Encode a frame for one person."""
    return _PERSONAL.pack(personal.chat_id, personal.user_id) + personal.payload


def decode_personal(entry: bytes) -> RemotePersonal:
    """Decode what ``encode_personal`` made; raises as ``decode_event``."""
    try:
        chat_id, user_id = _PERSONAL.unpack_from(entry)
    except struct.error:
        raise BadEntry from None
    return RemotePersonal(ChatId(chat_id), UserId(user_id), entry[_PERSONAL.size :])


def _ids(user_ids: Sequence[UserId]) -> bytes:
    return struct.pack(f">{len(user_ids)}q", *user_ids)
