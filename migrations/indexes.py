"""Indexes that are built while everybody goes on writing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alembic import op
from sqlalchemy import TextClause


def build_index(name: str, table: str, columns: Sequence[str | TextClause], **options: Any) -> None:
    """Build an index outside of a transaction; what came before in the migration is committed.

    It takes longer than one that writers wait for, and waits for every transaction that is open
    when it begins. If it is interrupted, an invalid index is left behind, which the next attempt
    replaces.
    """
    with op.get_context().autocommit_block():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
        op.create_index(name, table, columns, postgresql_concurrently=True, **options)


def drop_index(name: str, table: str) -> None:
    """Drop an index without making writers wait."""
    with op.get_context().autocommit_block():
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
