"""Files: stored contents, previews, waveforms, and uploads that can be resumed.

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-23
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_timestamp = sa.DateTime(timezone=True)
_key = sa.String(64)


def upgrade() -> None:
    op.create_table(
        "objects",
        sa.Column("key", _key, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("created_at", _timestamp, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_objects")),
    )
    op.add_column("media", sa.Column("object_key", _key))
    op.add_column("media", sa.Column("thumbnail_key", _key))
    op.add_column(
        "media",
        sa.Column("has_thumbnail", sa.Boolean, server_default=sa.text("false"), nullable=False),
    )
    op.add_column("media", sa.Column("waveform", postgresql.JSONB))
    for column in ("object_key", "thumbnail_key"):
        op.create_foreign_key(op.f(f"fk_media_{column}"), "media", "objects", [column], ["key"])
        op.create_index(f"ix_media_{column}", "media", [column])
    op.create_index(
        "ix_chats_photo_media",
        "chats",
        ["photo_url"],
        postgresql_where=sa.text("photo_url LIKE 'media:%'"),
    )
    _create_uploads()


def downgrade() -> None:
    op.drop_table("uploads")
    op.drop_index("ix_chats_photo_media", "chats")
    for column in ("waveform", "has_thumbnail", "thumbnail_key", "object_key"):
        op.drop_column("media", column)
    op.drop_table("objects")


def _create_uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("received_bytes", sa.BigInteger, server_default=sa.text("0"), nullable=False),
        sa.Column("filename", sa.String(255)),
        sa.Column("is_voice", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("media_id", sa.String(64)),
        sa.Column("created_at", _timestamp, server_default=sa.func.now(), nullable=False),
        sa.Column("expires_at", _timestamp, nullable=False),
        sa.CheckConstraint(
            "received_bytes BETWEEN 0 AND size_bytes", name=op.f("ck_uploads_received_bytes")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_uploads_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )
    op.create_index("ix_uploads_user_id", "uploads", ["user_id"])
    op.create_index("ix_uploads_expires_at", "uploads", ["expires_at"])
