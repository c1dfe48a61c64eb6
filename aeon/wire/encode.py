"""Records to JSON-ready values, the shapes that REST and WebSocket share.

What a client may rely on is written down in ``aeon.wire.schemas``; a test holds every shape
here against it. Dates are ISO 8601 in UTC with microseconds and ``Z``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from aeon.wire.links import PLAIN, Links
from storage.ids import UserId
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


def member(record: MemberRecord, viewer_id: UserId | None = None) -> Json:
    """One person's place in a chat; ``is_admin`` is about the chat.

    Who hides read receipts shows their cursor to nobody but themselves.
    """
    is_shown = record.shows_reading or record.user.id == viewer_id
    return {
        **person(record.user),
        "is_admin": record.role is not Role.MEMBER,
        "role": record.role.value,
        "joined_at": timestamp(record.joined_at),
        "read_seq": record.read_seq if is_shown else None,
        "read_message_id": record.read_message_id if is_shown else None,
    }


def chat(
    record: ChatRecord,
    members: Iterable[MemberRecord],
    links: Links = PLAIN,
    viewer_id: UserId | None = None,
) -> Json:
    """A chat with its people; without ``viewer_id`` the same for every receiver."""
    return {
        "id": record.id,
        "title": record.title,
        "chat_type": record.type.value,
        "description": record.description,
        "photo_url": links.photo(record.photo_url),
        "created_by": record.created_by,
        "is_active": record.is_active,
        "created_at": timestamp(record.created_at),
        "updated_at": optional_timestamp(record.updated_at),
        "last_seq": record.last_seq,
        "members_count": record.members_count,
        "members": [member(one, viewer_id) for one in members],
    }


def chat_list_item(record: ChatListRecord, links: Links = PLAIN) -> Json:
    """One line of a person's chat list."""
    last = record.last_message
    return {
        "id": record.chat.id,
        "title": record.chat.title,
        "chat_type": record.chat.type.value,
        "photo_url": links.photo(record.chat.photo_url),
        "last_message": None if last is None else last.text,
        "last_message_time": None if last is None else timestamp(last.created_at),
        "unread_count": record.unread_count,
        "read_seq": record.read_seq,
        "last_seq": record.chat.last_seq,
        "members_count": record.chat.members_count,
        "role": record.role.value,
    }


def file_fields(media: MediaRecord | None, links: Links = PLAIN) -> Json:
    """What a message shows of its file, and an upload is answered with."""
    if media is None:
        return dict.fromkeys(_FILE_FIELDS)
    return {
        "media_id": media.id,
        "media_url": links.file(media),
        "media_type": media.media_type,
        "media_size": media.size_bytes,
        "media_duration": media.duration_seconds,
        "width": media.width,
        "height": media.height,
        "filename": media.filename,
        "thumbnail_url": links.thumbnail(media),
        "waveform": None if media.waveform is None else list(media.waveform),
    }


_FILE_FIELDS = (
    "media_id",
    "media_url",
    "media_type",
    "media_size",
    "media_duration",
    "width",
    "height",
    "filename",
    "thumbnail_url",
    "waveform",
)


def message(record: MessageRecord, links: Links = PLAIN) -> Json:
    """Encode a message; the same for every receiver."""
    return {
        "id": record.id,
        "chat_id": record.chat_id,
        "seq": record.seq,
        "sender_id": record.sender.id,
        "sender": person(record.sender),
        "text": record.text,
        "message_type": record.message_type,
        "reply_to_message_id": record.reply_to_message_id,
        **file_fields(record.media, links),
        "forward_from_user_id": record.forward_from_user_id,
        "forward_from_chat_id": record.forward_from_chat_id,
        "client_msg_id": record.client_msg_id,
        "is_edited": record.is_edited,
        "is_deleted": record.is_deleted,
        "read_by": list(record.read_by),
        "created_at": timestamp(record.created_at),
        "updated_at": optional_timestamp(record.updated_at),
    }
