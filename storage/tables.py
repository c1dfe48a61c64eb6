"""The schema: SQLAlchemy Core metadata, the one description of it.

Rules of this file:

- Every row that belongs to a chat carries ``chat_id``, first in its keys, so that all of a chat
  can be placed together (partitions, Citus).
- ``events`` holds references, never text: what its author took back is gone from the log.
- ``messages`` and ``events`` have no foreign key to ``chats``: they are written under the lock of
  the chat's row, and the two checks were a quarter of what a commit costs PostgreSQL (20 of 81 us
  per message; 2026-11-23, 2 cores of an Intel Xeon, batches of 100).
- Every constraint has a name; the writer and the tests rely on them.

Alembic (``migrations/``) brings a database to this shape; a test holds the two together.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    cast,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from storage.event_rows import EVENT_CODES
from storage.events import MemberAdded

TEXT_MAX_CHARACTERS: Final = 4096
"""Longest message text in Unicode code points (Telegram's own bound)."""
CAPTION_MAX_CHARACTERS: Final = 1024
TITLE_MAX_CHARACTERS: Final = 255
CLIENT_MSG_ID_MAX_CHARACTERS: Final = 64
MESSAGE_TYPE_MAX_CHARACTERS: Final = 16
MEDIA_ID_MAX_CHARACTERS: Final = 64
OBJECT_KEY_CHARACTERS: Final = 64

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_now = func.now()
_timestamp = DateTime(timezone=True)

users = Table(
    "users",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("first_name", Text, nullable=False),
    Column("last_name", Text),
    Column("username", Text),
    Column("language_code", String(35), nullable=False, server_default="en"),
    Column("is_premium", Boolean, nullable=False, server_default=text("false")),
    Column("profile_photo_url", Text),
    Column("bio", Text),
    Column("is_admin", Boolean, nullable=False, server_default=text("false")),
    Column("privacy", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("last_seen_at", _timestamp),
    Column("created_at", _timestamp, nullable=False, server_default=_now),
    Column("updated_at", _timestamp),
    CheckConstraint("id > 0 AND id < 9007199254740992", name="id_range"),
)
# A username belongs to one person at a time, whatever its case.
Index("uq_users_username_lower", func.lower(users.c.username), unique=True)

chat_ids = Sequence("chat_ids", metadata=metadata, data_type=BigInteger)
message_ids = Sequence("message_ids", metadata=metadata, data_type=BigInteger)

chats = Table(
    "chats",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("type", String(16), nullable=False),
    Column("title", String(TITLE_MAX_CHARACTERS)),
    Column("description", Text),
    Column("photo_url", Text),
    Column("created_by", BigInteger, ForeignKey("users.id"), nullable=False),
    # A member whose ``role`` is "owner"; of a pair's private chat both are, and this one made it.
    Column("owner_id", BigInteger, nullable=False),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("last_seq", BigInteger, nullable=False),
    Column("members_count", Integer, nullable=False),
    # Messages that are not deleted: a page's ``total`` without counting a million rows.
    Column("live_messages", BigInteger, nullable=False, server_default=text("0")),
    # Only a private chat of two has a pair: the smaller id first.
    Column("pair_low_id", BigInteger),
    Column("pair_high_id", BigInteger),
    # Events up to this seq may be gone from the log (retention): a resume from before it is told.
    Column("log_floor_seq", BigInteger, nullable=False, server_default=text("0")),
    Column("created_at", _timestamp, nullable=False),
    Column("updated_at", _timestamp),
    CheckConstraint("type IN ('private', 'group', 'channel')", name="type"),
    CheckConstraint("last_seq >= 1 AND log_floor_seq <= last_seq", name="seq"),
    CheckConstraint("members_count >= 1", name="members_count"),
    CheckConstraint("live_messages >= 0", name="live_messages"),
    CheckConstraint(
        "(pair_low_id IS NULL) = (pair_high_id IS NULL) AND pair_low_id < pair_high_id"
        " AND (pair_low_id IS NULL OR type = 'private')",
        name="pair",
    ),
    # A chat always has its owner among its members: checked at COMMIT, because the two rows need
    # each other.
    ForeignKeyConstraint(
        ["id", "owner_id"],
        ["members.chat_id", "members.user_id"],
        name="fk_chats_owner",
        deferrable=True,
        initially="DEFERRED",
        use_alter=True,
    ),
    # Every commit updates the row: leave room for HOT updates on its page.
    postgresql_with={"fillfactor": 70},
)
Index(
    "uq_chats_pair",
    chats.c.pair_low_id,
    chats.c.pair_high_id,
    unique=True,
    postgresql_where=chats.c.is_active & chats.c.pair_low_id.is_not(None),
)
Index("ix_chats_created_by_created_at", chats.c.created_by, chats.c.created_at)
# Chats whose photo is an uploaded file: it is kept as long as one shows it.
Index(
    "ix_chats_photo_media",
    chats.c.photo_url,
    postgresql_where=chats.c.photo_url.like("media:%"),
)

members = Table(
    "members",
    metadata,
    Column("chat_id", BigInteger, ForeignKey("chats.id"), nullable=False),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("role", String(16), nullable=False),
    Column("read_seq", BigInteger, nullable=False, server_default=text("0")),
    Column("read_message_id", BigInteger),
    Column("joined_at", _timestamp, nullable=False),
    PrimaryKeyConstraint("chat_id", "user_id"),
    CheckConstraint("role IN ('owner', 'admin', 'member')", name="role"),
    postgresql_with={"fillfactor": 80},
)
Index("ix_members_user_id_chat_id", members.c.user_id, members.c.chat_id)
# A node looks who came in lately, in case it was not told.
Index("ix_members_joined_at", members.c.joined_at)

# Stored contents, each once, named by the SHA-256 of its bytes. Who refers to one is found by
# ``media``'s indexes, so that no counter can drift.
objects = Table(
    "objects",
    metadata,
    Column("key", String(OBJECT_KEY_CHARACTERS), primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("created_at", _timestamp, nullable=False, server_default=_now),
)

media = Table(
    "media",
    metadata,
    Column("id", String(MEDIA_ID_MAX_CHARACTERS), primary_key=True),
    Column("uploader_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("message_type", String(MESSAGE_TYPE_MAX_CHARACTERS), nullable=False),
    Column("media_type", String(255), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("duration_seconds", Integer),
    Column("width", Integer),
    Column("height", Integer),
    Column("filename", String(255)),
    Column("created_at", _timestamp, nullable=False, server_default=_now),
    # What is stored, and its preview. Null only in rows that no file was stored for (seeds).
    Column("object_key", String(OBJECT_KEY_CHARACTERS), ForeignKey("objects.key")),
    Column("thumbnail_key", String(OBJECT_KEY_CHARACTERS), ForeignKey("objects.key")),
    # Also true while the preview is being made.
    Column("has_thumbnail", Boolean, nullable=False, server_default=text("false")),
    Column("waveform", JSONB),
)
# With the sizes: what a person has stored is summed up, twice for each file that they upload.
Index("ix_media_stored_bytes", media.c.uploader_id, postgresql_include=["size_bytes"])
Index("ix_media_object_key", media.c.object_key)
Index("ix_media_thumbnail_key", media.c.thumbnail_key)

# Uploads that can be resumed; ``received_bytes`` of each are safely in the staging area.
uploads = Table(
    "uploads",
    metadata,
    Column("id", String(MEDIA_ID_MAX_CHARACTERS), primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("received_bytes", BigInteger, nullable=False, server_default=text("0")),
    Column("filename", String(255)),
    Column("is_voice", Boolean, nullable=False, server_default=text("false")),
    # Set when it is complete: a client that missed the last answer asks again.
    Column("media_id", String(MEDIA_ID_MAX_CHARACTERS)),
    Column("created_at", _timestamp, nullable=False, server_default=_now),
    Column("expires_at", _timestamp, nullable=False),
    CheckConstraint("received_bytes BETWEEN 0 AND size_bytes", name="received_bytes"),
)
Index("ix_uploads_user_id", uploads.c.user_id)
Index("ix_uploads_expires_at", uploads.c.expires_at)

messages = Table(
    "messages",
    metadata,
    Column("chat_id", BigInteger, nullable=False),
    Column("id", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("sender_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("text", Text),
    Column("message_type", String(MESSAGE_TYPE_MAX_CHARACTERS), nullable=False),
    Column("reply_to_message_id", BigInteger),
    Column("media_id", String(MEDIA_ID_MAX_CHARACTERS), ForeignKey("media.id")),
    Column("forward_from_user_id", BigInteger),
    Column("forward_from_chat_id", BigInteger),
    Column("client_msg_id", String(CLIENT_MSG_ID_MAX_CHARACTERS)),
    Column("is_edited", Boolean, nullable=False, server_default=text("false")),
    Column("is_deleted", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", _timestamp, nullable=False),
    Column("updated_at", _timestamp),
    PrimaryKeyConstraint("chat_id", "id"),
    UniqueConstraint("id"),
    UniqueConstraint("chat_id", "seq"),
    CheckConstraint(f"char_length(text) <= {TEXT_MAX_CHARACTERS}", name="text_length"),
    CheckConstraint("NOT is_deleted OR (text IS NULL AND media_id IS NULL)", name="deleted_text"),
)
# Exactly once: a sender's key names one message for ever.
Index(
    "uq_messages_sender_id_client_msg_id",
    messages.c.sender_id,
    messages.c.client_msg_id,
    unique=True,
    postgresql_where=messages.c.client_msg_id.is_not(None),
)
# Unread counts and "the newest message" walk only what is still there.
Index(
    "ix_messages_live",
    messages.c.chat_id,
    messages.c.seq,
    postgresql_include=["sender_id"],
    postgresql_where=~messages.c.is_deleted,
)
Index(
    "ix_messages_media_id", messages.c.media_id, postgresql_where=messages.c.media_id.is_not(None)
)

events = Table(
    "events",
    metadata,
    Column("chat_id", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("type", SmallInteger, nullable=False),
    Column("actor_id", BigInteger, nullable=False),
    Column("message_id", BigInteger),
    # Ids and roles only (target user, read cursor): never text.
    Column("data", JSONB),
    Column("at", _timestamp, nullable=False),
    PrimaryKeyConstraint("chat_id", "seq"),
)
Index("ix_events_at", events.c.at, postgresql_using="brin")
# With which event somebody came into a chat; the key is spelt out in the statement, because a
# parameter in its place never matches an index.
adds_member: Final = events.c.type == literal_column(str(EVENT_CODES[MemberAdded]))
added_user_id: Final = cast(
    events.c.data.op("->>", return_type=Text())(literal_column("'user_id'")), BigInteger
)
Index(
    "ix_events_chat_id_added_user_id_seq",
    events.c.chat_id,
    added_user_id,
    events.c.seq,
    postgresql_where=adds_member,
)

invitations = Table(
    "invitations",
    metadata,
    Column("chat_id", BigInteger, ForeignKey("chats.id"), nullable=False),
    # Lower case, without "@".
    Column("username", String(64), nullable=False),
    Column("invited_by", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("created_at", _timestamp, nullable=False, server_default=_now),
    PrimaryKeyConstraint("chat_id", "username"),
)
Index("ix_invitations_username", invitations.c.username)

sessions = Table(
    "sessions",
    metadata,
    # The access token's jti.
    Column("id", String(64), primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("device", String(255)),
    Column("created_at", _timestamp, nullable=False, server_default=_now),
    Column("expires_at", _timestamp, nullable=False),
    Column("last_used_at", _timestamp),
    Column("revoked_at", _timestamp),
)
Index("ix_sessions_user_id", sessions.c.user_id)
Index("ix_sessions_expires_at", sessions.c.expires_at)

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("at", _timestamp, nullable=False, server_default=_now),
    # Null: whoever held the admin token.
    Column("actor_id", BigInteger),
    Column("action", String(64), nullable=False),
    Column("target", String(255)),
    Column("data", JSONB),
)

# One row: nodes that share this database find each other by it, and nobody else.
deployment = Table(
    "deployment",
    metadata,
    Column("is_this", Boolean, primary_key=True, server_default=text("true")),
    Column("id", Uuid, nullable=False, server_default=func.gen_random_uuid()),
    # When a node last began to walk over all chats, to trim their logs.
    Column("purged_at", _timestamp),
    CheckConstraint("is_this", name="is_one"),
)
