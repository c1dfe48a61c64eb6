"""Frozen rows: what storage hands out and the layers above pass around."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from storage.ids import ChatId, MediaId, MessageId, Seq, UserId


class ChatType(StrEnum):
    """What kind of chat it is; decides who may post and who may join."""

    PRIVATE = "private"
    """Two people (one such chat per pair), or one person's own notes."""
    GROUP = "group"
    CHANNEL = "channel"
    """Only the owner and admins post."""


class Role(StrEnum):
    """A member's rights in one chat."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A person as Telegram last described them, and what Aeon adds."""

    id: UserId
    first_name: str
    """May be empty, never null."""
    last_name: str | None
    username: str | None
    """Without ``@``; unique without regard to case; moves between people."""
    language_code: str
    is_premium: bool
    profile_photo_url: str | None
    bio: str | None
    is_admin: bool
    """Administrator of this server, not of a chat."""
    created_at: datetime
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ChatRecord:
    """A chat without its members."""

    id: ChatId
    type: ChatType
    title: str | None
    description: str | None
    photo_url: str | None
    created_by: UserId
    is_active: bool
    """False after deletion; a deleted chat refuses every write."""
    last_seq: Seq
    members_count: int
    created_at: datetime
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """One person's place in one chat."""

    user: UserRecord
    role: Role
    joined_at: datetime
    read_seq: Seq
    """Everything up to this position of the log is read."""
    read_message_id: MessageId | None
    shows_reading: bool = True
    """False: nobody else is to learn the two above."""


@dataclass(frozen=True, slots=True)
class MediaRecord:
    """A stored file, as a message carries it."""

    id: MediaId
    uploader_id: UserId
    message_type: str
    """photo, video, audio, voice or document."""
    media_type: str
    """MIME type found in the content."""
    size_bytes: int
    duration_seconds: int | None
    width: int | None
    height: int | None
    filename: str | None
    has_thumbnail: bool = False
    """There is a preview, or there will be one in a moment."""
    waveform: Sequence[int] | None = None
    """Up to 100 samples from 0 to 100: a voice message's outline."""


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """A message as it stands now: edits applied, text gone when deleted."""

    id: MessageId
    chat_id: ChatId
    seq: Seq
    """Position of the message's own ``MessageSent`` in the log."""
    sender: UserRecord
    text: str | None
    message_type: str
    reply_to_message_id: MessageId | None
    media: MediaRecord | None
    forward_from_user_id: UserId | None
    forward_from_chat_id: ChatId | None
    client_msg_id: str | None
    is_edited: bool
    is_deleted: bool
    created_at: datetime
    updated_at: datetime | None
    read_by: tuple[UserId, ...] = ()
    """Others whose cursor has passed it. Filled by history reads, empty in events."""


@dataclass(frozen=True, slots=True)
class ChatListRecord:
    """One line of a person's chat list."""

    chat: ChatRecord
    role: Role
    last_message: MessageRecord | None
    """Newest message that is not deleted."""
    unread_count: int
    """Exact: others' messages after the cursor that are not deleted."""
    read_seq: Seq
    """The cursor."""
