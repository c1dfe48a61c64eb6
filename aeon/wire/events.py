"""Durable and transient events to frames: complete JSON text, the same bytes for everybody."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import assert_never

import orjson

from aeon.wire import encode
from aeon.wire.links import PLAIN, Links
from storage.events import (
    ChatCreated,
    ChatDeleted,
    ChatUpdated,
    DurableEvent,
    MemberAdded,
    MemberRemoved,
    MemberUpdated,
    MessageDeleted,
    MessageEdited,
    MessageSent,
    MessagesRead,
)
from storage.ids import ChatId, MessageId, Seq, UserId


def event_frame(event: DurableEvent, links: Links = PLAIN) -> bytes:
    """Encode an event of the log."""
    return orjson.dumps(event_json(event, links))


def event_json(event: DurableEvent, links: Links = PLAIN) -> encode.Json:
    """Give an event of the log as JSON-ready values, as frames and REST show it."""
    event_type, fields = _type_and_fields(event, links)
    return {"type": event_type, "chat_id": event.chat_id, "seq": event.seq, **fields}


def _type_and_fields(event: DurableEvent, links: Links) -> tuple[str, encode.Json]:
    match event:
        case MessageSent():
            return "new_message", {"message": encode.message(event.message, links)}
        case MessageEdited():
            return "message_edited", {"message": encode.message(event.message, links)}
        case MessageDeleted():
            return "message_deleted", {
                "message_id": event.message_id,
                "deleted_by": event.actor_id,
            }
        case MessagesRead():
            return "message_read", {
                "user_id": event.actor_id,
                "message_id": event.message_id,
                "read_seq": event.read_seq,
            }
        case ChatCreated():
            return "chat_created", {"chat": encode.chat(event.chat, event.members, links)}
        case ChatUpdated():
            return "chat_updated", {"chat": encode.chat(event.chat, event.members, links)}
        case ChatDeleted():
            return "chat_deleted", {"deleted_by": event.actor_id}
        case MemberAdded():
            return "member_added", {
                "user": encode.person(event.user),
                "added_by": event.actor_id,
                "role": event.role.value,
            }
        case MemberRemoved():
            return "member_removed", {"user_id": event.user_id, "removed_by": event.actor_id}
        case MemberUpdated():
            return "member_updated", {"user_id": event.user_id, "role": event.role.value}
        case _:
            assert_never(event)


class WireEncoder:
    """What actors encode with (``actors.chat.ports.EventEncoder``)."""

    def __init__(self, links: Links = PLAIN) -> None:
        self._links = links

    def durable(self, event: DurableEvent) -> bytes:
        """Encode an event of the log."""
        return event_frame(event, self._links)

    def typing(self, chat_id: ChatId, user_id: UserId, *, is_typing: bool) -> bytes:
        """Encode that somebody began or stopped typing."""
        return orjson.dumps(
            {"type": "typing", "chat_id": chat_id, "user_id": user_id, "is_typing": is_typing}
        )

    def own_cursor(self, chat_id: ChatId, message_id: MessageId, read_seq: Seq) -> bytes:
        """Encode how far oneself has read, for one's own connections."""
        return orjson.dumps(
            {
                "type": "read_cursor",
                "chat_id": chat_id,
                "message_id": message_id,
                "read_seq": read_seq,
            }
        )

    def user_status(self, user_id: UserId, *, is_online: bool, last_seen_at: float) -> bytes:
        """Encode that somebody came or went; ``last_seen_at`` in Unix seconds."""
        return orjson.dumps(
            {
                "type": "user_status",
                "user_id": user_id,
                "is_online": is_online,
                "last_seen_at": encode.timestamp(datetime.fromtimestamp(last_seen_at, UTC)),
            }
        )
