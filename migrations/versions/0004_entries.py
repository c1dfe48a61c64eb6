"""Who came into a chat with which event: found by index, not by walking the chat's log.

Revision ID: 0004
Revises: 0003
Create Date: 2026-11-23
"""

from __future__ import annotations

import sqlalchemy as sa

from migrations.indexes import build_index, drop_index

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_INDEX = "ix_events_chat_id_added_user_id_seq"


def upgrade() -> None:
    # Partial: of a log of a billion events it holds those that added a member.
    build_index(
        _INDEX,
        "events",
        ["chat_id", sa.text("CAST((data ->> 'user_id') AS BIGINT)"), "seq"],
        postgresql_where=sa.text("type = 8"),
    )


def downgrade() -> None:
    drop_index(_INDEX, "events")
