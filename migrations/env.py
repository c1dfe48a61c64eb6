"""Alembic's entry: runs the migrations on the connection it is given, or opens one itself.

Aeon's own commands (``aeon db ...``) hand a connection over in the configuration's attributes, and
see to it that there is only one. Alembic's command line has none: it reads ``DATABASE_URL``, for
whoever writes a migration (``alembic revision --autogenerate``).
"""

from __future__ import annotations

import os

import psycopg
from alembic import context
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from storage.database import libpq_url
from storage.tables import metadata

target_metadata = metadata


def run(connection: Connection) -> None:
    """Run what was asked for, each migration in a transaction of its own."""
    context.configure(
        connection=connection,
        target_metadata=target_metadata,
        transaction_per_migration=True,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def run_from_command_line() -> None:
    """Open the connection ``DATABASE_URL`` names."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        raise SystemExit("Set DATABASE_URL to the database to work on.")
    libpq = libpq_url(url)
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(libpq), poolclass=NullPool
    )
    with engine.connect() as connection:
        run(connection)


def print_sql() -> None:
    """``alembic upgrade --sql``: write the statements instead of running them."""
    context.configure(
        dialect_name="postgresql",
        target_metadata=target_metadata,
        transaction_per_migration=True,
        literal_binds=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    run(given)
elif context.is_offline_mode():
    print_sql()
else:
    run_from_command_line()
