"""Backends killed, connections cut, servers gone silent: who is told what, and who heals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from storage import driver, pool
from storage.database import Database, Query
from storage.errors import CommitUnknown, StorageError, Unavailable
from tests.helpers.proxy import PostgresProxy

PATIENCE_SECONDS = 30.0
ONE = Query("SELECT 1")
COUNT = Query("SELECT count(*) FROM notes")
INSERT = Query("INSERT INTO notes VALUES (1)")
SLEEPING_COMMIT = """
CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_sleep(TG_ARGV[0]::float); RETURN NULL; END $$
"""


@pytest.fixture
async def notes(database: Database) -> Database:
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE notes (id bigint)")
    return database


async def count_notes(database: Database) -> int:
    async with database.connection() as connection:
        row = await connection.fetch_one(COUNT)
        assert row is not None
        return int(row[0])


async def make_commit_sleep(database: Database, seconds: float) -> None:
    """Every transaction that inserts a note sleeps while it commits."""
    async with database.connection() as connection:
        await connection.execute(SLEEPING_COMMIT)
        await connection.execute(
            "CREATE CONSTRAINT TRIGGER sleep AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED"
            f" FOR EACH ROW EXECUTE FUNCTION sleep({seconds})"
        )


async def wait_for_sleeper(database: Database, query: str) -> int:
    """The pid of the backend that sleeps in this query, as soon as it does."""
    sleeping = (
        "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query = %(query)s"
        " AND datname = current_database()"
    )
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            async with database.connection() as connection:
                row = await connection.fetch_one(sleeping, {"query": query})
            if row is not None:
                return int(row[0])


@asynccontextmanager
async def killed_in(database: Database, query: str) -> AsyncIterator[None]:
    """Terminate the backend that sleeps in this query, which the block runs."""

    async def kill() -> None:
        pid = await wait_for_sleeper(database, query)
        async with database.connection() as connection:
            await connection.execute("SELECT pg_terminate_backend(%(pid)s::int)", {"pid": pid})

    async with trio.open_nursery() as nursery:
        nursery.start_soon(kill)
        yield


async def run_alone(database: Database, query: str) -> None:
    async with database.connection() as connection:
        await connection.execute(query)


async def run_in_the_end(database: Database, query: str) -> None:
    """Once there is time for it: with deadlines as short as in a test, not always the first."""
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            try:
                return await run_alone(database, query)
            except StorageError:
                continue


async def run_in_transaction(database: Database, query: str) -> None:
    async with database.transaction("killed") as connection:
        await connection.execute(query)


@pytest.mark.parametrize("run", [run_alone, run_in_transaction])
@pytest.mark.parametrize(
    "query", ["SELECT pg_sleep(30)", "INSERT INTO notes SELECT 1 FROM pg_sleep(30)"]
)
async def test_backend_killed_in_a_statement(
    notes: Database, run: Callable[[Database, str], Awaitable[None]], query: str
) -> None:
    """PostgreSQL says farewell, so even a write is known not to have happened."""
    async with killed_in(notes, query):
        with pytest.raises(Unavailable):
            await run(notes, query)
    assert await count_notes(notes) == 0


async def commit_at_the_end(database: Database) -> None:
    async with database.transaction("commits") as connection:
        await connection.execute(INSERT)


async def commit_in_one_trip(database: Database) -> None:
    async with database.transaction("commits") as connection:
        await connection.fetch_many([(INSERT, {})], commit=True)


async def commit_by_itself(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(INSERT)


COMMITS = pytest.mark.parametrize("commit", [commit_at_the_end, commit_in_one_trip])
WRITES = pytest.mark.parametrize(
    "commit", [commit_at_the_end, commit_in_one_trip, commit_by_itself]
)


@COMMITS
async def test_backend_killed_in_commit(
    notes: Database, commit: Callable[[Database], Awaitable[None]]
) -> None:
    await make_commit_sleep(notes, 30)
    async with killed_in(notes, "COMMIT"):
        with pytest.raises(CommitUnknown):
            await commit(notes)
    assert await count_notes(notes) == 0


@WRITES
async def test_reply_lost_after_commit(
    notes: Database, database_url: str, commit: Callable[[Database], Awaitable[None]]
) -> None:
    """It took effect, and only the database knows."""
    async with PostgresProxy.open(database_url) as proxy, Database.open(proxy.url) as database:
        proxy.cut_reply_after = b"INSERT" if commit is commit_by_itself else b"COMMIT"
        with pytest.raises(CommitUnknown):
            await commit(database)
        while await count_notes(notes) == 0:
            await trio.lowlevel.checkpoint()
        proxy.cut_reply_after = None
        async with database.connection() as connection:
            assert await connection.fetch_one(ONE) == (1,)


@WRITES
async def test_request_lost_before_commit(
    notes: Database, database_url: str, commit: Callable[[Database], Awaitable[None]]
) -> None:
    async with PostgresProxy.open(database_url) as proxy, Database.open(proxy.url) as database:
        proxy.cut_request_at = b"INSERT" if commit is commit_by_itself else b"COMMIT"
        with pytest.raises(CommitUnknown):
            await commit(database)
        assert await count_notes(notes) == 0


async def test_reply_lost_before_commit_was_sent(notes: Database, database_url: str) -> None:
    async with PostgresProxy.open(database_url) as proxy, Database.open(proxy.url) as database:
        proxy.cut_reply_after = b"INSERT"
        with pytest.raises(Unavailable):
            await commit_at_the_end(database)
        assert await count_notes(notes) == 0


async def test_a_read_may_be_tried_again(database_url: str) -> None:
    async with PostgresProxy.open(database_url) as proxy, Database.open(proxy.url) as database:
        proxy.cut_reply_after = b"SELECT"
        with pytest.raises(Unavailable):
            await run_alone(database, "SELECT 1")


async def test_a_silent_server_is_given_up(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_GRACE_SECONDS", 0.1)
    monkeypatch.setattr(pool, "_WATCH_INTERVAL_SECONDS", 0.05)
    async with (
        PostgresProxy.open(database_url) as proxy,
        Database.open(proxy.url, statement_timeout_seconds=0.1) as database,
    ):
        proxy.flowing = trio.Event()
        with trio.fail_after(PATIENCE_SECONDS), pytest.raises(Unavailable):
            await run_alone(database, "SELECT 1")
        proxy.flowing.set()
        await run_in_the_end(database, "SELECT 1")


async def test_a_server_that_takes_nothing_in_is_given_up(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is sent does not fit into the socket: both directions are waited for."""
    monkeypatch.setattr(pool, "_GRACE_SECONDS", 0.1)
    monkeypatch.setattr(pool, "_WATCH_INTERVAL_SECONDS", 0.05)
    async with (
        PostgresProxy.open(database_url) as proxy,
        Database.open(proxy.url, statement_timeout_seconds=0.1) as database,
    ):
        proxy.taking = trio.Event()
        with trio.fail_after(PATIENCE_SECONDS), pytest.raises(Unavailable):
            await run_alone(database, f"SELECT length('{'x' * 2**22}')")
        proxy.taking.set()
        await run_in_the_end(database, "SELECT 1")


async def test_hung_up_while_idle(notes: Database) -> None:
    """Found at checkout: the next user never notices."""
    async with notes.connection() as one, notes.connection() as other:
        assert await one.fetch_one(ONE) == await other.fetch_one(ONE) == (1,)
    async with notes.connection() as killer:
        killed = await killer.fetch_all(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid != pg_backend_pid()"
        )
    assert killed == [(True,)]
    async with notes.connection() as one, notes.connection() as other:
        assert await one.fetch_one(ONE) == await other.fetch_one(ONE) == (1,)
    assert notes.statistics().connects == 3


@COMMITS
async def test_a_cancelled_commit_is_waited_for(
    notes: Database, commit: Callable[[Database], Awaitable[None]]
) -> None:
    """Once COMMIT is out, the answer is worth more than a second."""
    await make_commit_sleep(notes, 1.5)
    is_done = False
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            nonlocal is_done
            await commit(notes)
            is_done = True

        nursery.start_soon(run)
        await wait_for_sleeper(notes, "COMMIT")
        nursery.cancel_scope.cancel()
    assert is_done
    assert await count_notes(notes) == 1


@COMMITS
async def test_but_not_for_ever(
    notes: Database,
    commit: Callable[[Database], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(driver, "SETTLE_SECONDS", 0.1)
    await make_commit_sleep(notes, 30)
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(commit, notes)
            await wait_for_sleeper(notes, "COMMIT")
            nursery.cancel_scope.cancel()
    assert notes.statistics().in_use == 0


async def test_cancelling_reaches_the_server(notes: Database) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            run_in_transaction, notes, "INSERT INTO notes SELECT 1 FROM pg_sleep(30)"
        )
        pid = await wait_for_sleeper(notes, "INSERT INTO notes SELECT 1 FROM pg_sleep(30)")
        nursery.cancel_scope.cancel()
    async with notes.connection() as connection:
        state = "SELECT state FROM pg_stat_activity WHERE pid = %(pid)s"
        # Its own backend would call itself active.
        if await connection.fetch_one("SELECT pg_backend_pid()") != (pid,):
            assert await connection.fetch_one(state, {"pid": pid}) == ("idle",)
    assert await count_notes(notes) == 0
    statistics = notes.statistics()
    assert (statistics.reconnects, statistics.rollbacks) == (0, 1)


async def test_a_cancel_that_overtakes_its_statement(notes: Database) -> None:
    """PostgreSQL ignores it when it has not read the statement yet: it is asked again."""
    for _ in range(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_alone, notes, "SELECT pg_sleep(30)")
            await trio.testing.wait_all_tasks_blocked()
            started = trio.current_time()
            nursery.cancel_scope.cancel()
        assert trio.current_time() - started < driver.SETTLE_SECONDS
    assert notes.statistics().reconnects == 0


async def test_every_slot_survives(notes: Database) -> None:
    """Failures of every kind, then as many connections at once as ever."""
    for _ in range(notes.statistics().size * 2):
        async with killed_in(notes, "SELECT pg_sleep(30)"):
            with pytest.raises(StorageError):
                await run_in_transaction(notes, "SELECT pg_sleep(30)")
    everybody = trio.Event()
    async with trio.open_nursery() as nursery:

        async def hold(task_status: trio.TaskStatus[None]) -> None:
            async with notes.connection() as connection:
                await connection.fetch_one(ONE)
                task_status.started()
                await everybody.wait()

        for _ in range(notes.statistics().size):
            await nursery.start(hold)
        everybody.set()
