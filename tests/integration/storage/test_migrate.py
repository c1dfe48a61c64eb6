"""Migrations up, down and sideways, and the gate that refuses a schema nobody knows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio
from sqlalchemy import Constraint
from sqlalchemy.dialects import postgresql

from aeon.seed import fill
from storage import migrate, tables
from storage.database import Database
from storage.errors import SchemaMismatch, Unavailable
from tests.helpers.postgres import TestServer

EVERYTHING = """
SELECT 'table', table_name, column_name, data_type || is_nullable || coalesce(column_default, '')
  FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL
SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT 'sequence', sequencename, data_type::text, start_value::text FROM pg_sequences
ORDER BY 1, 2, 3
"""


@pytest.fixture
def empty_url(postgres_server: TestServer) -> Iterator[str]:
    url = postgres_server.create_database(migrated=False)
    yield url
    postgres_server.drop_database(url)


async def describe(url: str) -> list[tuple[object, ...]]:
    async with Database.open(url) as database, database.connection() as connection:
        return await connection.fetch_all(EVERYTHING)


async def test_up_and_down_and_up(empty_url: str) -> None:
    before = await describe(empty_url)
    await migrate.upgrade(empty_url)
    upgraded = await describe(empty_url)
    assert {"chats", "messages", "events"} <= {row[1] for row in upgraded}
    await migrate.downgrade(empty_url, "base")
    left = [row for row in await describe(empty_url) if row[1] != "alembic_version"]
    assert left == before
    await migrate.upgrade(empty_url)
    assert await describe(empty_url) == upgraded


CONTENT = """
SELECT 'user', id::text, first_name FROM users
UNION ALL SELECT 'chat', id::text, last_seq || ' ' || live_messages FROM chats
UNION ALL SELECT 'member', chat_id || ' ' || user_id, role || read_seq FROM members
UNION ALL SELECT 'message', id::text, chat_id || ' ' || seq || ' ' || text FROM messages
UNION ALL SELECT 'event', chat_id || ' ' || seq, type || ' ' || message_id FROM events
ORDER BY 1, 2
"""


async def content(url: str) -> list[tuple[object, ...]]:
    async with Database.open(url) as database, database.connection() as connection:
        return await connection.fetch_all(CONTENT)


async def test_data_survives_every_step_down_and_up(empty_url: str) -> None:
    await migrate.upgrade(empty_url)
    async with Database.open(empty_url) as database:
        await fill(database, users=5, chats=3, messages=40)
        revisions = migrate.revisions()
    before = await content(empty_url)
    assert len(before) > 80
    assert revisions[0] == migrate.head_revision()
    for revision in revisions[1:]:
        await migrate.downgrade(empty_url, revision)
        assert await content(empty_url) == before, revision
    for revision in reversed(revisions[:-1]):
        await migrate.upgrade(empty_url, revision)
        assert await content(empty_url) == before, revision
    async with Database.open(empty_url) as database:
        await migrate.require_head(database)
    await migrate.check(empty_url)


async def test_every_constraint_has_the_name_that_is_described(database: Database) -> None:
    """Alembic compares neither checks nor names; ``faults`` and the writer go by names."""
    async with database.connection() as connection:
        rows = await connection.fetch_all(
            "SELECT conname FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'p', 'u', 'x')"
            " AND conrelid <> 'alembic_version'::regclass"
        )
    described = {
        str(described_name(constraint))
        for table in tables.metadata.tables.values()
        for constraint in table.constraints
    }
    assert {name for (name,) in rows} == described


def described_name(constraint: Constraint) -> str:
    preparer = postgresql.dialect().identifier_preparer
    name = preparer.format_constraint(constraint)
    assert name is not None, f"a constraint of {constraint.table} has no name"
    return name.strip('"')


async def test_the_migrated_schema_is_the_described_one(database_url: str) -> None:
    await migrate.check(database_url)


async def test_drift_is_found(database_url: str) -> None:
    async with Database.open(database_url) as database, database.connection() as connection:
        await connection.execute("ALTER TABLE users ADD COLUMN shoe_size int")
    with pytest.raises(Exception, match="shoe_size"):
        await migrate.check(database_url)


async def test_two_upgrades_at_once(empty_url: str) -> None:
    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(migrate.upgrade, empty_url)
    async with Database.open(empty_url) as database:
        assert await migrate.current_revision(database) == migrate.head_revision()


async def test_an_upgrade_that_waits_can_be_interrupted(database_url: str) -> None:
    """By Ctrl-C, for one: the statement that waits is ended on the server."""
    async with Database.open(database_url) as database:
        async with database.transaction("in the way") as connection:
            # Were it waited for, this would break off.
            await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '20s'")
            await connection.execute("LOCK TABLE alembic_version")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(migrate.upgrade, database_url)
                await _somebody_waits(database)
                nursery.cancel_scope.cancel()
            await connection.execute("SELECT 1")
        async with database.connection() as connection:
            waiting = await connection.fetch_all(
                "SELECT query FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND state = 'active'"
            )
    assert waiting == []


async def _somebody_waits(database: Database) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with trio.fail_after(15):
        async with database.connection() as connection:
            while await connection.fetch_one(waiting) == (0,):
                await trio.lowlevel.checkpoint()


async def test_a_migrated_schema_passes(database: Database) -> None:
    await migrate.require_head(database)


async def test_a_missing_schema_is_refused(empty_url: str) -> None:
    async with Database.open(empty_url) as database:
        with pytest.raises(SchemaMismatch, match="aeon db upgrade") as caught:
            await migrate.require_head(database)
    assert (caught.value.found, caught.value.expected) == (None, migrate.head_revision())


async def test_a_newer_schema_is_refused(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaMismatch, match="newer Aeon") as caught:
        await migrate.require_head(database)
    assert caught.value.found == "9999"


async def test_a_newer_schema_is_taken_nowhere(database_url: str) -> None:
    async with Database.open(database_url) as database, database.connection() as connection:
        await connection.execute("UPDATE alembic_version SET version_num = '9999'")

    for migration in (migrate.upgrade(database_url), migrate.downgrade(database_url, "base")):
        with pytest.raises(SchemaMismatch, match="newer Aeon"):
            await migration


async def test_an_older_schema_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "head_revision", lambda: "0009")
    with pytest.raises(SchemaMismatch, match=r"older .* aeon db upgrade"):
        await migrate.require_head(database)


async def test_nobody_to_migrate(database_url: str) -> None:
    with pytest.raises(Unavailable):
        await migrate.upgrade(database_url.replace("port=5432", "port=5433"))
