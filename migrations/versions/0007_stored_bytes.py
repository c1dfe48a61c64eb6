"""What a person has stored: summed up from an index, not from a page for each file.

Revision ID: 0007
Revises: 0006
Create Date: 2026-11-29
"""

from __future__ import annotations

from migrations.indexes import build_index, drop_index

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_INDEX = "ix_media_stored_bytes"
_FORMER = "ix_media_uploader_id"


def upgrade() -> None:
    build_index(_INDEX, "media", ["uploader_id"], postgresql_include=["size_bytes"])
    drop_index(_FORMER, "media")


def downgrade() -> None:
    build_index(_FORMER, "media", ["uploader_id"])
    drop_index(_INDEX, "media")
