"""Several nodes: the deployment's own id, and finding who joined lately.

Revision ID: 0003
Revises: 0002
Create Date: 2026-11-23
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deployment",
        sa.Column("is_this", sa.Boolean, server_default=sa.text("true"), nullable=False),
        sa.Column(
            "id",
            sa.Uuid,
            server_default=sa.text("gen_random_uuid()"),
            nullable=False,
        ),
        sa.CheckConstraint("is_this", name=op.f("ck_deployment_is_one")),
        sa.PrimaryKeyConstraint("is_this", name=op.f("pk_deployment")),
    )
    op.execute("INSERT INTO deployment DEFAULT VALUES")
    op.create_index("ix_members_joined_at", "members", ["joined_at"])


def downgrade() -> None:
    op.drop_index("ix_members_joined_at", "members")
    op.drop_table("deployment")
