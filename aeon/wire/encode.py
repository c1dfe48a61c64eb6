"""Records to JSON-ready values, the shapes that REST and WebSocket share.

What a client may rely on is written down in ``aeon.wire.schemas``; a test holds every shape
here against it. Dates are ISO 8601 in UTC with microseconds and ``Z``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

from storage.records import (
    ChatListRecord,
    ChatRecord,
    MediaRecord,
    MemberRecord,
    MessageRecord,
    Role,
    UserRecord,
)

Json = dict[str, object]

MEDIA_PATH: Final = "/media/"


def timestamp(moment: datetime) -> str:
    """Write a moment as clients expect it: a browser without a zone would shift it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def optional_timestamp(moment: datetime | None) -> str | None:
    """Write a moment that may not have come."""
    return None if moment is None else timestamp(moment)


def person(user: UserRecord) -> Json:
    """What anybody in a shared chat sees of a person."""
    return {
        "id": user.id,
        "telegram_id": user.id,
        "username": user.username,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "profile_photo_url": user.profile_photo_url,
    }


def profile(user: UserRecord) -> Json:
    """A person who was looked up by somebody who may see them."""
    return {**person(user), "bio": user.bio, "is_premium": user.is_premium}


def account(user: UserRecord) -> Json:
    """A person as they see themselves, in the shape the Mini App keeps as its user."""
    return {
        **person(user),
        "language_code": user.language_code,
        "is_premium": user.is_premium,
        "is_admin": user.is_admin,
        "bio": user.bio,
        "created_at": timestamp(user.created_at),
        "updated_at": optional_timestamp(user.updated_at),
        "is_active": True,
        "subordinates": [],
        "managers": [],
    }


def member(record: MemberRecord) -> Json:
    """One person's place in a chat; ``is_admin`` is about the chat."""
    return {
        **person(record.user),
        "is_admin": record.role is not Role.MEMBER,
        "role": record.role.value,
        "joined_at": timestamp(record.joined_at),
        "read_seq": record.read_seq,
        "read_message_id": record.read_message_id,
    }


def chat(record: ChatRecord, members: Iterable[MemberRecord]) -> Json:
    """A chat with its people; the same for every receiver."""
    return {
        "id": record.id,
        "title": record.title,
        "chat_type": record.type.value,
        "description": record.description,
        "photo_url": record.photo_url,
        "created_by": record.created_by,
        "is_active": record.is_active,
        "created_at": timestamp(record.created_at),
        "updated_at": optional_timestamp(record.updated_at),
        "last_seq": record.last_seq,
        "members_count": record.members_count,
        "members": [member(one) for one in members],
    }


def chat_list_item(record: ChatListRecord) -> Json:
    """One line of a person's chat list."""
    last = record.last_message
    return {
        "id": record.chat.id,
        "title": record.chat.title,
        "chat_type": record.chat.type.value,
        "photo_url": record.chat.photo_url,
        "last_message": None if last is None else last.text,
        "last_message_time": None if last is None else timestamp(last.created_at),
        "unread_count": record.unread_count,
        "last_seq": record.chat.last_seq,
        "members_count": record.chat.members_count,
        "role": record.role.value,
    }


def media_path(record: MediaRecord) -> str:
    """Where a file is, relative to the server."""
    return MEDIA_PATH + record.id


class MessageEncoder:
    """Messages to JSON; knows where files are reached from outside."""

    def __init__(self, media_url: Callable[[MediaRecord], str] = media_path) -> None:
        self._media_url = media_url

    def __call__(self, record: MessageRecord) -> Json:
        """Encode a message; the same for every receiver."""
        media = record.media
        return {
            "id": record.id,
            "chat_id": record.chat_id,
            "seq": record.seq,
            "sender_id": record.sender.id,
            "sender": person(record.sender),
            "text": record.text,
            "message_type": record.message_type,
            "reply_to_message_id": record.reply_to_message_id,
            "media_id": None if media is None else media.id,
            "media_url": None if media is None else self._media_url(media),
            "media_type": None if media is None else media.media_type,
            "media_size": None if media is None else media.size_bytes,
            "media_duration": None if media is None else media.duration_seconds,
            "media_width": None if media is None else media.width,
            "media_height": None if media is None else media.height,
            "media_filename": None if media is None else media.filename,
            "forward_from_user_id": record.forward_from_user_id,
            "forward_from_chat_id": record.forward_from_chat_id,
            "client_msg_id": record.client_msg_id,
            "is_edited": record.is_edited,
            "is_deleted": record.is_deleted,
            "read_by": list(record.read_by),
            "created_at": timestamp(record.created_at),
            "updated_at": optional_timestamp(record.updated_at),
        }


message = MessageEncoder()
"""Encodes messages with paths relative to the server."""
