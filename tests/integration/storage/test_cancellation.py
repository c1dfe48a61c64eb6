"""Random cancellation everywhere: no wrong answer, nothing torn, no connection lost.

``AEON_FUZZ_SECONDS`` makes it longer (6 by default), ``AEON_FUZZ_SEED`` repeats a run's choices.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from contextlib import suppress

import pytest
import trio

from storage.database import Connection, Database, Query
from storage.errors import Conflict, StorageError

SECONDS = float(os.environ.get("AEON_FUZZ_SECONDS", "6"))
SEED = os.environ.get("AEON_FUZZ_SEED")
TASKS = 16
POOL_SIZE = 8
COPY_ROWS = 300
WANTED = 50
"""Operations that were cut off, at least."""
PATIENCE_SECONDS = 60.0

ECHO = Query("SELECT %(value)s::bigint, pg_sleep(%(seconds)s)")
DOUBLE = Query("SELECT %(value)s::bigint * 2")
ECHO_TEXT = Query("SELECT length(%(text)s), %(text)s::text")
SERIES = Query("SELECT n FROM generate_series(1, %(count)s::bigint) AS n")
INSERT = Query("INSERT INTO halves (pair, half) VALUES (%(pair)s, %(half)s)")
DUPLICATE = Query("INSERT INTO halves (pair, half) VALUES (0, 0)")


class Fuzz:
    """Operations that know what they must answer, and the pairs they were told are stored."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.random = random.Random(SEED)
        self.counts: Counter[str] = Counter()
        self.acknowledged: set[int] = set()
        self.last_pair = 0

    async def run_task(self) -> None:
        operations = [
            self.query,
            self.slow_query,
            self.many,
            self.rows,
            self.large_value,
            self.transaction,
            self.one_trip,
            self.copy,
            self.refused,
            self.swallowed,
            self.broken_body,
        ]
        while True:
            operation = self.random.choice(operations)
            # Most of the time it strikes while something is on the wire; sometimes never.
            patience = self.random.choice([0, 0.001, 0.003, 0.01, 0.03, 1])
            with trio.move_on_after(self.random.random() * patience) as scope:
                await operation()
            self.counts["operations"] += 1
            self.counts["cancelled"] += scope.cancelled_caught

    async def query(self) -> None:
        value = self.random.randrange(2**40)
        async with self.database.connection() as connection:
            assert await connection.fetch_one(DOUBLE, {"value": value}) == (value * 2,)

    async def slow_query(self) -> None:
        value = self.random.randrange(2**40)
        async with self.database.connection() as connection:
            params = {"value": value, "seconds": self.random.random() * 0.01}
            row = await connection.fetch_one(ECHO, params)
            assert row is not None
            assert row[0] == value

    async def many(self) -> None:
        values = [self.random.randrange(2**40) for _ in range(20)]
        async with self.database.connection() as connection:
            # The text form is parsed each time, the query prepared once.
            statements = [
                (DOUBLE if value % 2 else "SELECT %(value)s::bigint * 2", {"value": value})
                for value in values
            ]
            answers = await connection.fetch_many(statements)
            assert answers == [[(value * 2,)] for value in values]

    async def rows(self) -> None:
        async with self.database.connection() as connection:
            rows = await connection.fetch_all(SERIES, {"count": 5000})
            assert rows == [(n,) for n in range(1, 5001)]

    async def large_value(self) -> None:
        """More than the socket takes at once: sending has to wait as well."""
        async with self.database.connection() as connection:
            size = self.random.randrange(10**6)
            assert await connection.fetch_one(ECHO_TEXT, {"text": "x" * size}) == (size, "x" * size)

    async def transaction(self) -> None:
        pair = self.next_pair()
        async with self.database.transaction("fuzz") as connection:
            await connection.execute(INSERT, {"pair": pair, "half": 1})
            await trio.lowlevel.checkpoint()
            await connection.execute(INSERT, {"pair": pair, "half": 2})
        self.acknowledged.add(pair)

    async def one_trip(self) -> None:
        pair = self.next_pair()
        async with self.database.transaction("fuzz") as connection:
            await connection.fetch_many(
                [(INSERT, {"pair": pair, "half": half}) for half in (1, 2)], commit=True
            )
        self.acknowledged.add(pair)

    async def copy(self) -> None:
        pair = self.next_pair()
        chunks = [f"{pair}\t{half}\n".encode() for half in range(1, COPY_ROWS + 1)]
        async with self.database.connection() as connection:
            stored = await connection.copy_in("COPY copied (pair, half) FROM STDIN", chunks)
            assert stored == COPY_ROWS

    async def refused(self) -> None:
        with pytest.raises(Conflict) as caught:
            await self.insert_duplicate()
        assert caught.value.constraint == "one_half"

    async def swallowed(self) -> None:
        """Leaving as if nothing had happened must not pass for a commit."""
        with pytest.raises(StorageError, match="nothing was written"):
            await self.insert_duplicate(Conflict)

    async def insert_duplicate(self, *swallowed: type[Exception]) -> None:
        async with self.database.transaction("fuzz") as connection:
            await connection.execute(INSERT, {"pair": self.next_pair(), "half": 1})
            with suppress(*swallowed):
                await connection.execute(DUPLICATE)

    async def broken_body(self) -> None:
        try:
            async with self.database.transaction("fuzz") as connection:
                await connection.execute(INSERT, {"pair": self.next_pair(), "half": 1})
                raise LookupError
        except LookupError:
            pass

    def next_pair(self) -> int:
        self.last_pair += 1
        return self.last_pair


async def test_random_cancellation(database_url: str) -> None:
    async with Database.open(
        database_url, pool_size=POOL_SIZE, application_name="aeon_fuzz"
    ) as database:
        async with database.connection() as connection:
            await connection.execute(
                "CREATE TABLE halves (pair bigint, half int,"
                " CONSTRAINT one_half UNIQUE (pair, half))"
            )
            await connection.execute("CREATE TABLE copied (pair bigint, half int)")
            await connection.execute(DUPLICATE)
        fuzz = Fuzz(database)
        with trio.fail_after(SECONDS + PATIENCE_SECONDS):
            async with trio.open_nursery() as nursery:
                for _ in range(TASKS):
                    nursery.start_soon(fuzz.run_task)
                await trio.sleep(SECONDS)
                # A machine that has other things to do gets through less of it.
                while fuzz.counts["cancelled"] <= WANTED:  # noqa: ASYNC110 - they only count
                    await trio.sleep(0.01)
                nursery.cancel_scope.cancel()

        await _all_slots_work(database, database_url)
        statistics = database.statistics()
        assert statistics.in_use == 0
        assert statistics.waiting == 0
        async with database.connection() as connection:
            assert await connection.execute("DELETE FROM halves WHERE pair = 0") == 1
            assert await _torn(connection, "halves", 2) == 0
            assert await _torn(connection, "copied", COPY_ROWS) == 0
            stored = {pair for (pair,) in await connection.fetch_all("SELECT pair FROM halves")}
        assert fuzz.acknowledged <= stored
    # For the figures of a long run: pytest -s.
    print(dict(fuzz.counts), len(stored), "stored", len(fuzz.acknowledged), "acknowledged")  # noqa: T201
    print(statistics)  # noqa: T201
    await _wait_for_backends(database_url, "TRUE", 0)


async def _torn(connection: Connection, table: str, size: int) -> int:
    row = await connection.fetch_one(
        f"SELECT count(*) FROM (SELECT FROM {table} GROUP BY pair HAVING count(*) != {size}) torn"
    )
    assert row is not None
    return int(row[0])


async def _all_slots_work(database: Database, database_url: str) -> None:
    """As many connections as the pool promises, at once, each idle on the server."""
    pids = set()
    everybody_checked = trio.Event()

    async def hold(task_status: trio.TaskStatus[None]) -> None:
        async with database.connection() as connection:
            row = await connection.fetch_one("SELECT pg_backend_pid()")
            assert row is not None
            pids.add(row[0])
            task_status.started()
            await everybody_checked.wait()

    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            for _ in range(POOL_SIZE):
                await nursery.start(hold)
            await _wait_for_backends(database_url, "state != 'idle'", 0)
            await _wait_for_backends(database_url, "state = 'idle'", POOL_SIZE)
            everybody_checked.set()
    assert len(pids) == POOL_SIZE


async def _wait_for_backends(database_url: str, condition: str, expected: int) -> None:
    """Until so many of the pool's backends are as described; PostgreSQL lags a moment behind."""
    count = (
        "SELECT count(*) FROM pg_stat_activity"
        f" WHERE application_name = 'aeon_fuzz' AND {condition}"
    )
    with trio.fail_after(PATIENCE_SECONDS):
        async with Database.open(database_url, pool_size=1) as database:
            while True:
                async with database.connection() as connection:
                    if await connection.fetch_one(count) == (expected,):
                        return
