"""Connections, transactions and the pool on a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest
import trio
import trio.testing

from storage.database import Database, Query
from storage.errors import (
    Conflict,
    InvalidData,
    PoolExhausted,
    StatementTimeout,
    StorageError,
    Unavailable,
)

ONE = Query("SELECT 1")
ADD = Query("SELECT %(a)s + %(b)s, %(text)s::text")
INSERT = Query("INSERT INTO notes (id, body) VALUES (%(id)s, %(body)s)")
BODIES = Query("SELECT body FROM notes ORDER BY id")
SLEEP = "SELECT pg_sleep(10)"


@pytest.fixture
async def notes(database: Database) -> Database:
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE notes (id bigint PRIMARY KEY, body varchar(10))")
        await connection.execute(
            "CREATE TABLE pages (note bigint CONSTRAINT page_of_note REFERENCES notes"
            " DEFERRABLE INITIALLY DEFERRED)"
        )
    return database


async def test_rows_come_back_as_tuples(database: Database) -> None:
    async with database.connection() as connection:
        assert await connection.fetch_all(ONE) == [(1,)]
        # The second time it runs prepared.
        for _ in range(3):
            row = await connection.fetch_one(ADD, {"a": 1, "b": 2, "text": "x"})
            assert row == (3, "x")
        assert await connection.fetch_one("SELECT 1 WHERE false") is None
        assert await connection.fetch_all("SELECT 1 WHERE false") == []


async def test_values_survive_the_way(database: Database) -> None:
    values: dict[str, object] = {
        "bigint": 2**53 - 1,
        "text": "naïve 🦊 \x01",
        "boolean": True,
        "timestamptz": datetime(2026, 11, 23, 9, 0, 0, 123456, tzinfo=UTC),
        "jsonb": '{"a": [1, "two"]}',
        "bigint[]": [1, 2**40],
        "bytea": b"\x00\xff",
    }
    expected = {**values, "jsonb": {"a": [1, "two"]}}
    async with database.connection() as connection:
        for kind, value in values.items():
            row = await connection.fetch_one(f"SELECT %(value)s::{kind}", {"value": value})
            assert row == (expected[kind],)
            assert await connection.fetch_one(f"SELECT %(value)s::{kind}", {"value": None}) == (
                None,
            )


async def test_many_statements_are_one_round_trip(notes: Database) -> None:
    before = notes.statistics()
    async with notes.connection() as connection:
        rows = await connection.fetch_many(
            [(INSERT, {"id": n, "body": str(n)}) for n in (1, 2)] + [(BODIES, {}), (ONE, {})]
        )
    after = notes.statistics()
    assert rows == [[], [], [("1",), ("2",)], [(1,)]]
    assert after.round_trips - before.round_trips == 1
    assert after.queries - before.queries == 4


async def test_statements_of_one_trip_succeed_or_fail_together(notes: Database) -> None:
    async with notes.connection() as connection:
        with pytest.raises(Conflict) as caught:
            await connection.fetch_many([(INSERT, {"id": 1, "body": "x"})] * 2)
        assert caught.value.constraint == "notes_pkey"
        assert await connection.fetch_all(BODIES) == []


async def test_a_transaction_in_two_round_trips(notes: Database) -> None:
    before = notes.statistics()
    async with notes.transaction("two_trips") as connection:
        await connection.fetch_all(BODIES)
        await connection.fetch_many([(INSERT, {"id": 1, "body": "x"})], commit=True)
    after = notes.statistics()
    assert after.round_trips - before.round_trips == 2
    assert (after.transactions - before.transactions, after.commits - before.commits) == (1, 1)
    async with notes.connection() as connection:
        assert await connection.fetch_all(BODIES) == [("x",)]


async def test_an_untouched_transaction_costs_nothing(database: Database) -> None:
    before = database.statistics()
    async with database.transaction("nothing"):
        pass
    assert database.statistics() == before


async def test_an_exception_rolls_back(notes: Database) -> None:
    async def fail() -> None:
        async with notes.transaction("fails") as connection:
            await connection.execute(INSERT, {"id": 1, "body": "x"})
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with notes.connection() as connection:
        assert await connection.fetch_all(BODIES) == []


async def test_nothing_follows_a_commit(notes: Database) -> None:
    async with notes.transaction("over") as connection:
        await connection.fetch_many([(INSERT, {"id": 1, "body": "x"})], commit=True)
        with pytest.raises(RuntimeError, match="ended"):
            await connection.fetch_all(BODIES)


async def test_a_connection_given_back_is_somebody_elses(database: Database) -> None:
    async with database.connection() as connection:
        pass
    with pytest.raises(RuntimeError, match="ended"):
        await connection.fetch_all(ONE)
    with pytest.raises(RuntimeError, match="ended"):
        await connection.copy_in("COPY notes FROM STDIN", [])


async def test_a_block_left_while_a_child_still_asks(database: Database) -> None:
    """A defect of the caller, but not one that may hang or poison the pool."""
    async with trio.open_nursery() as nursery, database.connection() as connection:

        async def ask() -> None:
            with pytest.raises(Unavailable):
                await connection.fetch_all(SLEEP)

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
    async with database.connection() as connection:
        assert await connection.fetch_all(ONE) == [(1,)]
    assert database.statistics().reconnects == 1


async def test_a_failed_statement_can_not_be_committed(notes: Database) -> None:
    async def swallow() -> None:
        async with notes.transaction("swallows") as connection:
            await connection.execute(INSERT, {"id": 1, "body": "x"})
            with pytest.raises(Conflict):
                await connection.execute(INSERT, {"id": 1, "body": "x"})

    with pytest.raises(StorageError, match="nothing was written"):
        await swallow()


@pytest.mark.parametrize("queries", [1, 2])
async def test_a_deferred_constraint_is_heard(notes: Database, queries: int) -> None:
    """Outside a transaction it refuses after the statement's own success."""
    page = Query("INSERT INTO pages (note) VALUES (1)")
    async with notes.connection() as connection:
        for _ in range(2):  # parsed, then prepared
            with pytest.raises(Conflict) as caught:
                await connection.fetch_many([(page, {})] * queries)
            assert caught.value.constraint == "page_of_note"
        assert await connection.fetch_one("SELECT count(*) FROM pages") == (0,)


async def test_a_deferred_constraint_refuses_the_commit(notes: Database) -> None:
    async def insert() -> None:
        async with notes.transaction("defers") as connection:
            await connection.execute("INSERT INTO pages (note) VALUES (1)")

    with pytest.raises(Conflict):
        await insert()


@pytest.mark.parametrize(
    "params",
    [
        {"id": 1, "body": "nul\x00"},
        {"id": 1, "body": "surrogate \ud800"},
        {"id": 1, "body": "longer than ten"},
        {"id": 2**63, "body": "x"},
        {"id": 2**80, "body": "x"},
    ],
)
async def test_what_postgresql_can_not_store(notes: Database, params: dict[str, object]) -> None:
    for _ in range(2):
        with pytest.raises(InvalidData):
            async with notes.connection() as connection:
                await connection.execute(INSERT, params)
    async with notes.connection() as connection:
        assert await connection.fetch_all(BODIES) == []


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("53100", Unavailable),  # disk full
        ("53200", Unavailable),  # out of memory
        ("58030", Unavailable),  # I/O error
        ("40001", Unavailable),  # serialization failure
        ("40P01", Unavailable),  # deadlock
        ("57P03", Unavailable),  # starting up
        ("22003", InvalidData),
        ("23514", Conflict),
    ],
)
async def test_faults_have_their_names(
    database: Database, state: str, error: type[StorageError]
) -> None:
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'told' USING ERRCODE = '{state}'; END $$"
    async with database.connection() as connection:
        with pytest.raises(error, match="told"):
            await connection.execute(raising)
        assert await connection.fetch_one(ONE) == (1,)


async def test_a_defect_of_ours_keeps_its_own_name(database: Database) -> None:
    async with database.connection() as connection:
        with pytest.raises(psycopg.errors.UndefinedTable):
            await connection.execute("SELECT * FROM nowhere")
        with pytest.raises(KeyError, match="text"):
            await connection.execute(ADD, {"a": 1, "b": 2})
        assert await connection.fetch_one(ONE) == (1,)


async def test_a_read_only_server_is_unavailable(notes: Database) -> None:
    async with notes.connection() as connection:
        await connection.execute("SET default_transaction_read_only = on")
        with pytest.raises(Unavailable, match="read-only") as caught:
            await connection.execute(INSERT, {"id": 1, "body": "x"})
        assert caught.value.retry_after_seconds > 1
        await connection.execute("SET default_transaction_read_only = off")


async def test_a_statement_has_a_deadline(database_url: str) -> None:
    async with (
        Database.open(database_url, statement_timeout_seconds=0.5) as database,
        database.connection() as connection,
    ):
        with pytest.raises(StatementTimeout):
            await connection.execute(SLEEP)
        assert await connection.fetch_one(ONE) == (1,)


async def test_slow_queries_exhaust_the_pool(database_url: str) -> None:
    async with Database.open(database_url, pool_size=2, acquire_timeout_seconds=1.0) as database:

        async def slow() -> None:
            async with database.connection() as connection:
                await connection.execute(SLEEP)

        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(slow)
            while database.statistics().in_use < 2:
                await trio.lowlevel.checkpoint()
            with pytest.raises(PoolExhausted):
                async with database.connection():
                    raise AssertionError
            assert database.statistics().waiting == 0
            nursery.cancel_scope.cancel()
        # The slow ones were cancelled on the server, and their connections kept.
        statistics = database.statistics()
        assert (statistics.idle, statistics.in_use, statistics.connects) == (2, 0, 2)
        assert statistics.cancels >= 2


async def test_one_task_at_a_time(database: Database) -> None:
    async with database.connection() as connection, trio.open_nursery() as nursery:
        nursery.start_soon(connection.execute, SLEEP)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await connection.fetch_one(ONE)
        nursery.cancel_scope.cancel()


async def test_a_schema_change_under_prepared_statements(notes: Database) -> None:
    everything = Query("SELECT * FROM notes")
    async with notes.connection() as connection:
        await connection.fetch_all(everything)
        await connection.execute("ALTER TABLE notes ADD COLUMN color text")
        with pytest.raises(Unavailable, match="stale"):
            await connection.fetch_all(everything)
    async with notes.connection() as connection:
        assert await connection.fetch_all(everything) == []


async def test_copy(notes: Database) -> None:
    async with notes.connection() as connection:
        lines = [f"{n}\tbody {n}\n".encode() for n in range(1000)]
        assert await connection.copy_in("COPY notes FROM STDIN", lines) == 1000
        with pytest.raises(Conflict):
            await connection.copy_in("COPY notes FROM STDIN", [b"1\tagain\n"])
        with pytest.raises(InvalidData):
            await connection.copy_in("COPY notes FROM STDIN", [b"2000\tlonger than ten\n"])
        assert await connection.fetch_one("SELECT count(*) FROM notes") == (1000,)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
async def test_url_forms(database_url: str, scheme: str) -> None:
    url = database_url.replace("postgresql", scheme, 1)
    async with Database.open(url) as database, database.connection() as connection:
        assert await connection.fetch_one(ONE) == (1,)


async def test_nobody_there(database_url: str) -> None:
    url = database_url.replace("port=5432", "port=5433")
    with trio.fail_after(30), pytest.raises(Unavailable, match="reached"):
        async with Database.open(url, acquire_timeout_seconds=0.3):
            raise AssertionError
