"""Sessions that expired: found by index, not by reading all of them.

Revision ID: 0005
Revises: 0004
Create Date: 2026-11-23
"""

from __future__ import annotations

from migrations.indexes import build_index, drop_index

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_INDEX = "ix_sessions_expires_at"


def upgrade() -> None:
    build_index(_INDEX, "sessions", ["expires_at"])


def downgrade() -> None:
    drop_index(_INDEX, "sessions")
