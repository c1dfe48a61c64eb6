"""Records with every field set, for tests of what is made of them."""

from __future__ import annotations

from datetime import UTC, datetime

from storage.ids import ChatId, MediaId, MessageId, Seq, UserId
from storage.records import (
    ChatRecord,
    ChatType,
    MediaRecord,
    MemberRecord,
    MessageRecord,
    Role,
    UserRecord,
)

AT = datetime(2026, 11, 23, 5, 17, 6, 412466, UTC)


def user(user_id: int = 7, first_name: str = "Anna") -> UserRecord:
    return UserRecord(
        id=UserId(user_id),
        first_name=first_name,
        last_name="Smith",
        username="anna",
        language_code="en",
        is_premium=True,
        profile_photo_url="https://t.me/i/userpic/320/a.svg",
        bio="Reads",
        is_admin=False,
        created_at=AT,
        updated_at=AT,
    )


def media() -> MediaRecord:
    return MediaRecord(
        id=MediaId("m1"),
        uploader_id=UserId(7),
        message_type="photo",
        media_type="image/png",
        size_bytes=10,
        duration_seconds=None,
        width=2,
        height=3,
        filename="a.png",
    )


def message(
    message_id: int = 341, *, seq: int = 2, text: str | None = "Hello", with_media: bool = False
) -> MessageRecord:
    return MessageRecord(
        id=MessageId(message_id),
        chat_id=ChatId(12),
        seq=Seq(seq),
        sender=user(),
        text=text,
        message_type="photo" if with_media else "text",
        reply_to_message_id=MessageId(340),
        media=media() if with_media else None,
        forward_from_user_id=UserId(8),
        forward_from_chat_id=ChatId(9),
        client_msg_id="k",
        is_edited=False,
        is_deleted=False,
        created_at=AT,
        updated_at=None,
        read_by=(UserId(8),),
    )


def member(user_id: int = 7, role: Role = Role.OWNER) -> MemberRecord:
    return MemberRecord(
        user=user(user_id), role=role, joined_at=AT, read_seq=Seq(1), read_message_id=None
    )


def chat(*, last_seq: int = 1) -> ChatRecord:
    return ChatRecord(
        id=ChatId(12),
        type=ChatType.GROUP,
        title="Team",
        description="About",
        photo_url=None,
        created_by=UserId(7),
        is_active=True,
        last_seq=Seq(last_seq),
        members_count=2,
        created_at=AT,
        updated_at=None,
    )
