"""A disk without room: what was told is stored, the rest is refused, and room ends it.

The disks are real file systems. Mounting them takes root, or a mount namespace of one's own; where
there is neither, ``test_disk_full_and_the_like`` still shows what PostgreSQL's refusal becomes.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio

from storage import embedded, migrate
from storage.commands import Committed, SendMessage
from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.errors import CommitUnknown, Unavailable
from storage.writer import GroupWriter
from tests.helpers.commands import create, send
from tests.helpers.disk import INSIDE, fill, run_where_mounting_works, small_disk
from tests.helpers.people import add_people
from tests.helpers.soundness import assert_sound
from tests.helpers.writing import append_one, running_writer

CHATS = 5


@pytest.fixture
def disk(request: pytest.FixtureRequest) -> Iterator[Path]:
    try:
        with small_disk(120) as point:
            yield point
    except PermissionError as error:
        if INSIDE in os.environ:
            raise
        done = run_where_mounting_works(request.node.nodeid)
        if done is None:
            pytest.skip(f"no file system can be mounted here: {error}")
        assert done.returncode == 0, done.stdout
        pytest.skip("passed in a mount namespace of its own")


async def make_chats(database: Database) -> None:
    await add_people(database, range(1, 20))
    async with running_writer(database) as writer:
        for chat in range(1, CHATS + 1):
            await append_one(writer, create(chat, chat, 10, title=f"{chat}"))


async def execute(database: Database, *statements: str) -> None:
    async with database.connection() as conn:
        for statement in statements:
            await conn.execute(statement)


async def keys(database: Database) -> list[str]:
    async with database.connection() as conn:
        rows = await conn.fetch_all("SELECT client_msg_id FROM messages ORDER BY chat_id, seq")
    return [row[0] for row in rows]


def long_message(chat: int, number: int) -> SendMessage:
    """One that PostgreSQL can not compress."""
    text = random.Random(number).randbytes(2000).hex()
    return send(chat, 10, text, client_msg_id=f"{chat}-{number:05}")


@asynccontextmanager
async def messages_on(disk: Path, database: Database) -> AsyncIterator[None]:
    await execute(
        database,
        f"CREATE TABLESPACE small LOCATION '{disk}'",
        "ALTER TABLE messages SET TABLESPACE small",
    )
    try:
        yield
    finally:
        await execute(
            database,
            "ALTER TABLE messages SET TABLESPACE pg_default",
            "DROP TABLESPACE small",
        )


async def test_no_room_for_rows(database: Database, disk: Path) -> None:
    """The table can not grow; everything else goes on."""
    await make_chats(database)
    acked: list[str] = []
    async with messages_on(disk, database), running_writer(database) as writer:
        ballast = fill(disk, but_bytes=100_000)

        async def send_until_refused() -> Unavailable:
            while True:
                command = long_message(1, len(acked))
                try:
                    outcome = await append_one(writer, command)
                except Unavailable as error:
                    return error
                assert isinstance(outcome, Committed)
                assert command.client_msg_id is not None
                acked.append(command.client_msg_id)

        refusal = await send_until_refused()
        # What a full disk is answered with: it lasts until a person acts.
        assert refusal.retry_after_seconds == 5.0
        assert acked
        with pytest.raises(Unavailable):
            await append_one(writer, long_message(1, len(acked)))
        assert await keys(database) == acked
        ballast.unlink()
        assert isinstance(await append_one(writer, long_message(1, len(acked))), Committed)
        assert len(await keys(database)) == len(acked) + 1
        assert writer.statistics().unknown == 0
    await assert_sound(database)


class Talk:
    """Somebody writes long messages into each chat, each until it is answered."""

    def __init__(self, writer: GroupWriter) -> None:
        self.writer = writer
        self.acked: list[str] = []
        self.told: Counter[type[Exception]] = Counter()
        self.is_over = False
        self.news = trio.Event()

    async def write(self, chat: int) -> None:
        number = 0
        while not self.is_over:
            command = long_message(chat, number)
            try:
                await append_one(self.writer, command)
            except (Unavailable, CommitUnknown) as error:
                self.told[type(error)] += 1
                self.note()
                await trio.sleep(0.01)
                continue
            assert command.client_msg_id is not None
            self.acked.append(command.client_msg_id)
            self.note()
            number += 1

    async def wait_until(self, is_reached: Callable[[], bool]) -> None:
        with trio.fail_after(180):
            while not is_reached():
                await self.news.wait()

    def note(self) -> None:
        self.news.set()
        self.news = trio.Event()


async def test_no_room_for_anything(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under load, log and all: PostgreSQL ends again and again until there is room."""
    monkeypatch.setattr(embedded, "WATCH_INTERVAL_SECONDS", 0.1)
    async with EmbeddedPostgres.start(disk / "pg", settings={"min_wal_size": "32MB"}) as server:
        await migrate.upgrade(server.url)
        async with (
            Database.open(server.url, acquire_timeout_seconds=0.5) as database,
            running_writer(database, max_queued_commands=50) as writer,
        ):
            await make_chats(database)
            talk = Talk(writer)
            async with trio.open_nursery() as nursery:
                for chat in range(1, CHATS + 1):
                    nursery.start_soon(talk.write, chat)
                await talk.wait_until(lambda: len(talk.acked) >= 20)
                # Room for rows, but not for another 16 MB of log, which begins now.
                ballast = fill(disk, but_bytes=8_000_000)
                with suppress(Unavailable):
                    await execute(database, "SELECT pg_switch_wal()")
                await talk.wait_until(lambda: talk.told.total() >= 20)
                log = await trio.Path(disk / "pg" / "server.log").read_text()
                assert 'could not write to file "pg_wal/' in log
                before = len(talk.acked)
                ballast.unlink()
                await talk.wait_until(lambda: len(talk.acked) >= before + 50)
                talk.is_over = True
            assert await keys(database) == sorted(talk.acked)
            assert writer.statistics().queued_commands == 0
            await assert_sound(database)
