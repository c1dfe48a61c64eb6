"""First schema: people, chats, members, media, messages, events, invitations, sessions, audit.

Revision ID: 0001
Revises:
Create Date: 2026-11-23
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_timestamp = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("chat_ids", data_type=sa.BigInteger)))
    op.execute(sa.schema.CreateSequence(sa.Sequence("message_ids", data_type=sa.BigInteger)))
    _create_users()
    _create_chats()
    _create_media()
    _create_members()
    _create_messages()
    _create_events()
    _create_invitations()
    _create_sessions()
    _create_audit()
    # Chats and their owners' memberships need each other, so this comes last.
    op.create_foreign_key(
        op.f("fk_chats_owner"),
        "chats",
        "members",
        ["id", "owner_id"],
        ["chat_id", "user_id"],
        deferrable=True,
        initially="DEFERRED",
    )


def downgrade() -> None:
    op.drop_constraint(op.f("fk_chats_owner"), "chats", type_="foreignkey")
    for table in (
        "audit",
        "sessions",
        "invitations",
        "events",
        "messages",
        "members",
        "media",
        "chats",
        "users",
    ):
        op.drop_table(table)
    op.execute(sa.schema.DropSequence(sa.Sequence("message_ids")))
    op.execute(sa.schema.DropSequence(sa.Sequence("chat_ids")))


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("first_name", sa.Text, nullable=False),
        sa.Column("last_name", sa.Text),
        sa.Column("username", sa.Text),
        sa.Column("language_code", sa.String(35), nullable=False, server_default="en"),
        sa.Column("is_premium", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("profile_photo_url", sa.Text),
        sa.Column("bio", sa.Text),
        sa.Column("is_admin", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column(
            "privacy", postgresql.JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")
        ),
        sa.Column("last_seen_at", _timestamp),
        sa.Column("created_at", _timestamp, nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", _timestamp),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.CheckConstraint("id > 0 AND id < 9007199254740992", name=op.f("ck_users_id_range")),
    )
    op.create_index("uq_users_username_lower", "users", [sa.text("lower(username)")], unique=True)


def _create_chats() -> None:
    op.create_table(
        "chats",
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("title", sa.String(255)),
        sa.Column("description", sa.Text),
        sa.Column("photo_url", sa.Text),
        sa.Column("created_by", sa.BigInteger, nullable=False),
        sa.Column("owner_id", sa.BigInteger, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.text("true")),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("members_count", sa.Integer, nullable=False),
        sa.Column("live_messages", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("pair_low_id", sa.BigInteger),
        sa.Column("pair_high_id", sa.BigInteger),
        sa.Column("log_floor_seq", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("created_at", _timestamp, nullable=False),
        sa.Column("updated_at", _timestamp),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chats")),
        sa.CheckConstraint("type IN ('private', 'group', 'channel')", name=op.f("ck_chats_type")),
        sa.CheckConstraint(
            "last_seq >= 1 AND log_floor_seq <= last_seq", name=op.f("ck_chats_seq")
        ),
        sa.CheckConstraint("members_count >= 1", name=op.f("ck_chats_members_count")),
        sa.CheckConstraint("live_messages >= 0", name=op.f("ck_chats_live_messages")),
        sa.CheckConstraint(
            "(pair_low_id IS NULL) = (pair_high_id IS NULL) AND pair_low_id < pair_high_id"
            " AND (pair_low_id IS NULL OR type = 'private')",
            name=op.f("ck_chats_pair"),
        ),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_chats_created_by")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "uq_chats_pair",
        "chats",
        ["pair_low_id", "pair_high_id"],
        unique=True,
        postgresql_where=sa.text("is_active AND pair_low_id IS NOT NULL"),
    )
    op.create_index("ix_chats_created_by_created_at", "chats", ["created_by", "created_at"])


def _create_media() -> None:
    op.create_table(
        "media",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("uploader_id", sa.BigInteger, nullable=False),
        sa.Column("message_type", sa.String(16), nullable=False),
        sa.Column("media_type", sa.String(255), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("duration_seconds", sa.Integer),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("filename", sa.String(255)),
        sa.Column("created_at", _timestamp, nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media")),
        sa.ForeignKeyConstraint(["uploader_id"], ["users.id"], name=op.f("fk_media_uploader_id")),
    )
    op.create_index("ix_media_uploader_id", "media", ["uploader_id"])


def _create_members() -> None:
    op.create_table(
        "members",
        sa.Column("chat_id", sa.BigInteger, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("read_seq", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("read_message_id", sa.BigInteger),
        sa.Column("joined_at", _timestamp, nullable=False),
        sa.PrimaryKeyConstraint("chat_id", "user_id", name=op.f("pk_members")),
        sa.CheckConstraint("role IN ('owner', 'admin', 'member')", name=op.f("ck_members_role")),
        sa.ForeignKeyConstraint(["chat_id"], ["chats.id"], name=op.f("fk_members_chat_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_members_user_id")),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index("ix_members_user_id_chat_id", "members", ["user_id", "chat_id"])


def _create_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("chat_id", sa.BigInteger, nullable=False),
        sa.Column("id", sa.BigInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("sender_id", sa.BigInteger, nullable=False),
        sa.Column("text", sa.Text),
        sa.Column("message_type", sa.String(16), nullable=False),
        sa.Column("reply_to_message_id", sa.BigInteger),
        sa.Column("media_id", sa.String(64)),
        sa.Column("forward_from_user_id", sa.BigInteger),
        sa.Column("forward_from_chat_id", sa.BigInteger),
        sa.Column("client_msg_id", sa.String(64)),
        sa.Column("is_edited", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("is_deleted", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("created_at", _timestamp, nullable=False),
        sa.Column("updated_at", _timestamp),
        sa.PrimaryKeyConstraint("chat_id", "id", name=op.f("pk_messages")),
        sa.UniqueConstraint("id", name=op.f("uq_messages_id")),
        sa.UniqueConstraint("chat_id", "seq", name=op.f("uq_messages_chat_id_seq")),
        sa.CheckConstraint("char_length(text) <= 4096", name=op.f("ck_messages_text_length")),
        sa.CheckConstraint(
            "NOT is_deleted OR (text IS NULL AND media_id IS NULL)",
            name=op.f("ck_messages_deleted_text"),
        ),
        sa.ForeignKeyConstraint(["sender_id"], ["users.id"], name=op.f("fk_messages_sender_id")),
        sa.ForeignKeyConstraint(["media_id"], ["media.id"], name=op.f("fk_messages_media_id")),
    )
    op.create_index(
        "uq_messages_sender_id_client_msg_id",
        "messages",
        ["sender_id", "client_msg_id"],
        unique=True,
        postgresql_where=sa.text("client_msg_id IS NOT NULL"),
    )
    op.create_index(
        "ix_messages_live",
        "messages",
        ["chat_id", "seq"],
        postgresql_include=["sender_id"],
        postgresql_where=sa.text("NOT is_deleted"),
    )
    op.create_index(
        "ix_messages_media_id",
        "messages",
        ["media_id"],
        postgresql_where=sa.text("media_id IS NOT NULL"),
    )


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("chat_id", sa.BigInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("type", sa.SmallInteger, nullable=False),
        sa.Column("actor_id", sa.BigInteger, nullable=False),
        sa.Column("message_id", sa.BigInteger),
        sa.Column("data", postgresql.JSONB),
        sa.Column("at", _timestamp, nullable=False),
        sa.PrimaryKeyConstraint("chat_id", "seq", name=op.f("pk_events")),
    )
    op.create_index("ix_events_at", "events", ["at"], postgresql_using="brin")


def _create_invitations() -> None:
    op.create_table(
        "invitations",
        sa.Column("chat_id", sa.BigInteger, nullable=False),
        sa.Column("username", sa.String(64), nullable=False),
        sa.Column("invited_by", sa.BigInteger, nullable=False),
        sa.Column("created_at", _timestamp, nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("chat_id", "username", name=op.f("pk_invitations")),
        sa.ForeignKeyConstraint(["chat_id"], ["chats.id"], name=op.f("fk_invitations_chat_id")),
        sa.ForeignKeyConstraint(
            ["invited_by"], ["users.id"], name=op.f("fk_invitations_invited_by")
        ),
    )
    op.create_index("ix_invitations_username", "invitations", ["username"])


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("device", sa.String(255)),
        sa.Column("created_at", _timestamp, nullable=False, server_default=sa.func.now()),
        sa.Column("expires_at", _timestamp, nullable=False),
        sa.Column("last_used_at", _timestamp),
        sa.Column("revoked_at", _timestamp),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id")),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("at", _timestamp, nullable=False, server_default=sa.func.now()),
        sa.Column("actor_id", sa.BigInteger),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("target", sa.String(255)),
        sa.Column("data", postgresql.JSONB),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
