"""PostgreSQL dies, lies down or refuses while the group writer commits.

``AEON_OUTAGE_SECONDS`` sets how long it lies down (10 by default).
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from storage import migrate
from storage.commands import AnyCommand, Committed, Duplicate, Outcome, SendMessage
from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.errors import CommitUnknown, Contention, Overloaded, Unavailable
from storage.writer import GroupWriter
from tests.helpers.commands import create, send
from tests.helpers.people import add_people
from tests.helpers.proxy import PostgresProxy
from tests.helpers.soundness import assert_sound
from tests.helpers.writing import append_one, running_writer

OUTAGE_SECONDS = float(os.environ.get("AEON_OUTAGE_SECONDS", "10"))


@pytest.fixture
async def people(database: Database) -> Database:
    await add_people(database, range(1, 20))
    async with running_writer(database) as writer:
        for chat in range(1, 6):
            await append_one(writer, create(chat, chat, 10, title=f"{chat}"))
    return database


async def keys(database: Database) -> list[str]:
    async with database.connection() as conn:
        rows = await conn.fetch_all("SELECT client_msg_id FROM messages ORDER BY chat_id, seq")
    return [row[0] for row in rows]


async def execute(database: Database, *statements: str) -> None:
    async with database.connection() as conn:
        for statement in statements:
            await conn.execute(statement)


async def persist(writer: GroupWriter, command: SendMessage) -> Outcome:
    """What a client does: send the same key again until there is an answer."""
    while True:
        try:
            return await append_one(writer, command)
        except (Unavailable, CommitUnknown):
            await trio.sleep(0.01)


@pytest.mark.parametrize("took_effect", [True, False])
async def test_connection_lost_during_commit(
    people: Database, database_url: str, *, took_effect: bool
) -> None:
    async with (
        PostgresProxy.open(database_url) as proxy,
        Database.open(proxy.url) as database,
        running_writer(database) as writer,
    ):
        if took_effect:
            proxy.cut_reply_after = b"COMMIT"
        else:
            proxy.cut_request_at = b"COMMIT"
        command = send(1, 1, client_msg_id="k")
        with pytest.raises(CommitUnknown):
            await append_one(writer, command)
        assert writer.statistics().unknown == 1
        proxy.cut_reply_after = proxy.cut_request_at = None
        outcome = await persist(writer, command)
    # The retry waits for the lost backend, if it is still at it: both hold the chat's lock.
    assert isinstance(outcome, Duplicate if took_effect else Committed)
    assert await keys(people) == ["k"]
    await assert_sound(people)


async def test_connection_lost_before_commit(people: Database, database_url: str) -> None:
    async with (
        PostgresProxy.open(database_url) as proxy,
        Database.open(proxy.url) as database,
        running_writer(database) as writer,
    ):
        proxy.cut_request_at = b"INSERT INTO messages"
        with pytest.raises((Unavailable, CommitUnknown)):
            await append_one(writer, send(1, 1, client_msg_id="k"))
        proxy.cut_request_at = None
        assert isinstance(await persist(writer, send(1, 1, client_msg_id="k")), Committed)
    assert await keys(people) == ["k"]


async def test_backends_killed_again_and_again(people: Database) -> None:
    """Each of 100 messages is stored once, whatever happened to the connections."""
    async with running_writer(people, lanes=2) as writer:
        is_done = False

        async def kill() -> None:
            while not is_done:
                await trio.sleep(0.02)
                try:
                    await execute(
                        people,
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
                    )
                except (Unavailable, CommitUnknown):
                    continue

        async def talk(chat: int) -> None:
            for n in range(20):
                await persist(writer, send(chat, 10, client_msg_id=f"{chat}-{n:02}"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(kill)
            async with trio.open_nursery() as talkers:
                for chat in range(1, 6):
                    talkers.start_soon(talk, chat)
            is_done = True
    assert await keys(people) == [f"{chat}-{n:02}" for chat in range(1, 6) for n in range(20)]
    await assert_sound(people)


@pytest.mark.parametrize(
    "state", ["53100", "53200", "57P01", "58030", "25006"], ids=lambda state: f"sqlstate {state}"
)
async def test_disk_full_and_the_like(people: Database, state: str) -> None:
    await execute(
        people,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION 'told' USING ERRCODE = '{state}'; END $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON events EXECUTE FUNCTION refuse()",
    )
    async with running_writer(people) as writer:
        with pytest.raises(Unavailable):
            await append_one(writer, send(1, 1, client_msg_id="k"))
        await execute(people, "DROP TRIGGER refuse ON events")
        assert isinstance(await append_one(writer, send(1, 1, client_msg_id="k")), Committed)
        assert writer.statistics().unavailable == 1
    assert await keys(people) == ["k"]


async def test_read_only(people: Database, database_url: str) -> None:
    """What a standby answers after a failover went wrong."""
    await execute(
        people,
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I SET default_transaction_read_only = on',"
        " current_database()); END $$",
    )
    async with Database.open(database_url) as database, running_writer(database) as writer:
        with pytest.raises(Unavailable):
            await append_one(writer, send(1, 1))
    assert await keys(people) == []


async def deadlock(people: Database, *, times: int) -> None:
    """Somebody else locks in another order, and PostgreSQL makes us its victim so often."""
    await execute(
        people,
        "CREATE SEQUENCE attempts",
        "CREATE FUNCTION deadlock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF nextval('attempts') <= {times} THEN"
        " RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END IF; RETURN NULL; END $$",
        "CREATE TRIGGER deadlock BEFORE INSERT ON events EXECUTE FUNCTION deadlock()",
    )


async def test_a_victim_of_a_deadlock_is_tried_again(people: Database) -> None:
    await deadlock(people, times=2)
    async with running_writer(people) as writer:
        assert isinstance(await append_one(writer, send(1, 1)), Committed)
        assert writer.statistics().retries == 2


async def test_an_eternal_victim_is_told_so(people: Database) -> None:
    """Nothing was written, and nothing is wrong with the database: each is told to come back."""
    await deadlock(people, times=3)
    async with running_writer(people) as writer:
        with pytest.raises(Contention) as caught:
            await append_one(writer, send(1, 1, client_msg_id="k"))
        assert caught.value.retry_after_seconds <= 0.1
        assert isinstance(await append_one(writer, send(1, 1, client_msg_id="k")), Committed)
    assert await keys(people) == ["k"]
    await assert_sound(people)


@pytest.fixture
def own_server() -> Iterator[EmbeddedPostgres]:
    """A cluster of this test's own, to be stopped and started."""
    with tempfile.TemporaryDirectory(prefix="aeon-stop-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o711)
        server = EmbeddedPostgres(Path(directory) / "pg")
        server.enter()
        try:
            yield server
        finally:
            server.leave()


async def test_postgresql_stops_under_load_and_comes_back(own_server: EmbeddedPostgres) -> None:
    """Bounded queue, answers to all, nothing acked lost, nothing doubled, no restart of ours."""
    talkers, queue = 60, 20
    acked: dict[int, list[str]] = {talker: [] for talker in range(talkers)}
    told: Counter[type[Exception]] = Counter()
    news = trio.Condition()
    is_over = False
    await migrate.upgrade(own_server.url)
    async with (
        Database.open(own_server.url, acquire_timeout_seconds=0.5) as database,
        running_writer(database, max_queued_commands=queue) as writer,
    ):
        await add_people(database, range(1, 20))
        for chat in range(1, 6):
            await append_one(writer, create(chat, chat, 10, title=f"{chat}"))

        async def talk(talker: int) -> None:
            while not is_over:
                key = f"{talker:02}-{len(acked[talker]):05}"
                try:
                    await append_one(writer, send(talker % 5 + 1, 10, client_msg_id=key))
                except (Unavailable, CommitUnknown) as error:
                    told[type(error)] += 1
                    # A polite client waits ten times as long.
                    await trio.sleep(getattr(error, "retry_after_seconds", 1.0) / 10)
                    continue
                assert writer.statistics().queued_commands <= queue
                async with news:
                    acked[talker].append(key)
                    news.notify_all()

        async def wait_for_all(count: int) -> None:
            with trio.fail_after(120):
                async with news:
                    while min(map(len, acked.values())) < count:
                        await news.wait()

        async with trio.open_nursery() as nursery:
            for talker in range(talkers):
                nursery.start_soon(talk, talker)
            await wait_for_all(2)
            await trio.to_thread.run_sync(own_server.leave)
            told.clear()
            await trio.sleep(OUTAGE_SECONDS)
            assert told[Unavailable] > 0
            assert told[Overloaded] > 0
            assert writer.statistics().queued_commands <= queue
            before = max(map(len, acked.values()))
            await trio.to_thread.run_sync(own_server.enter)
            await wait_for_all(before + 2)
            is_over = True
        stored = await keys(database)
        assert sorted(stored) == sorted(key for keys in acked.values() for key in keys)
        await assert_sound(database)


async def test_a_statement_that_takes_too_long(people: Database, database_url: str) -> None:
    commands: list[AnyCommand] = [send(1, 1, client_msg_id="k")]
    async with (
        Database.open(database_url, statement_timeout_seconds=1.0) as database,
        running_writer(database) as writer,
    ):
        async with people.transaction("hold") as conn:
            await conn.execute("SELECT 1 FROM chats WHERE id = 1 FOR UPDATE")
            with pytest.raises(Unavailable):
                await writer.append(commands)
        assert isinstance((await writer.append(commands))[0], Committed)
