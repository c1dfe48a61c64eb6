"""PostgreSQL goes away under load and comes back: nothing told is lost, nobody is restarted.

``AEON_OUTAGE_SECONDS`` sets how long it is away (1.5 by default).
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from storage.database import Database, Query
from storage.embedded import EmbeddedPostgres
from storage.errors import CommitUnknown, Unavailable

OUTAGE_SECONDS = float(os.environ.get("AEON_OUTAGE_SECONDS", "1.5"))
WRITERS = 12
PATIENCE_SECONDS = 60.0
INSERT = Query("INSERT INTO halves VALUES (%(pair)s), (%(pair)s)")


class Load:
    """Writers that note what they were told."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.told: Counter[str] = Counter()
        self.stored: set[int] = set()
        self.unknown: set[int] = set()
        self.progress = trio.Event()
        self.is_refused = trio.Event()
        self._pairs = iter(range(1, 10**9))

    async def write(self) -> None:
        while True:
            pair = next(self._pairs)
            try:
                async with self.database.transaction("load") as connection:
                    await connection.execute(INSERT, {"pair": pair})
            except CommitUnknown:
                self.told["unknown"] += 1
                self.unknown.add(pair)
            except Unavailable as error:
                self.told["unavailable"] += 1
                self.is_refused.set()
                # As a polite client would.
                await trio.sleep(error.retry_after_seconds / 10)
            else:
                self.told["stored"] += 1
                self.stored.add(pair)
                self.progress.set()

    async def wait_for_progress(self) -> None:
        self.progress = trio.Event()
        with trio.fail_after(PATIENCE_SECONDS):
            await self.progress.wait()


@pytest.fixture
def data_dir() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="aeon-outage-"))
    directory.chmod(0o711)
    yield directory / "pg"
    shutil.rmtree(directory)


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
async def test_it_heals_by_itself(data_dir: Path, is_killed: bool) -> None:
    # Durable, as in production: what is acknowledged must survive the kill.
    async with EmbeddedPostgres.start(data_dir, keep_running=False) as server:
        async with Database.open(
            server.url, acquire_timeout_seconds=OUTAGE_SECONDS * 0.75
        ) as database:
            async with database.connection() as connection:
                await connection.execute("CREATE TABLE halves (pair bigint)")
            load = Load(database)
            async with trio.open_nursery() as nursery:
                for _ in range(WRITERS):
                    nursery.start_soon(load.write)
                await load.wait_for_progress()
                os.kill(server.pid, signal.SIGKILL if is_killed else signal.SIGINT)
                await trio.sleep(OUTAGE_SECONDS)
                with trio.fail_after(PATIENCE_SECONDS):
                    await load.is_refused.wait()
                again = await trio.to_thread.run_sync(EmbeddedPostgres, data_dir)
                await trio.to_thread.run_sync(again.enter)
                await load.wait_for_progress()
                await load.wait_for_progress()
                nursery.cancel_scope.cancel()
            async with database.connection() as connection:
                rows = await connection.fetch_all("SELECT pair, count(*) FROM halves GROUP BY pair")
            assert {count for _, count in rows} == {2}
            found = {pair for pair, _ in rows}
            assert load.stored <= found
            # The last writers were cancelled while committing: at most one each.
            assert len(found - load.stored - load.unknown) <= WRITERS
            assert database.statistics().in_use == 0
        await trio.to_thread.run_sync(again.leave)


async def test_a_long_outage_is_refused_at_once(data_dir: Path) -> None:
    """Nobody waits for what is known to be away."""
    timeout = 0.3

    async def ask() -> None:
        async with database.connection() as connection:
            await connection.fetch_one("SELECT 1")

    async def ask_for_ever() -> None:
        # A backend notices its postmaster's death a moment later.
        while True:
            await ask()

    async with (
        EmbeddedPostgres.start(data_dir, settings={"fsync": "off"}, keep_running=False) as server,
        Database.open(server.url, acquire_timeout_seconds=timeout) as database,
    ):
        os.kill(server.pid, signal.SIGKILL)
        with trio.fail_after(PATIENCE_SECONDS), pytest.raises(Unavailable):
            await ask_for_ever()
        with pytest.raises(Unavailable):
            await ask()
        asked = 200
        started = trio.current_time()
        for _ in range(asked):
            with pytest.raises(Unavailable) as caught:
                await ask()
            assert 0 < caught.value.retry_after_seconds <= 5
        assert trio.current_time() - started < asked * timeout / 4
