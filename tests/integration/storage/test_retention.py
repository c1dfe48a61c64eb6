"""Trimming the log: by age, by count, under load, and what a resume is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import trio

from storage import event_log, history
from storage.database import Database
from storage.ids import ChatId, Seq, UserId
from storage.retention import RetentionJob, RetentionPolicy, claim, find_due, purge_chat
from tests.helpers.talk import Talk, open_talk

A, B = UserId(1), UserId(2)
KEEP_FIVE = RetentionPolicy(max_events_per_chat=5)


@pytest.fixture
async def talk(database: Database) -> AsyncIterator[Talk]:
    async with open_talk(database) as opened:
        await opened.person(A)
        await opened.person(B)
        yield opened


async def chat_of(talk: Talk, messages: int) -> ChatId:
    chat_id = await talk.group(A, B)
    for number in range(messages):
        await talk.send(chat_id, A, str(number))
    return chat_id


async def read(talk: Talk, chat_id: ChatId, after: int) -> event_log.EventPage:
    async with talk.database.connection() as conn:
        return await event_log.read_events(conn, chat_id, Seq(after), 100)


def job(talk: Talk, policy: RetentionPolicy) -> RetentionJob:
    return RetentionJob(talk.database, policy, pause_seconds=0)


async def test_beyond_the_count_old_events_go_and_a_resume_is_too_far(talk: Talk):
    chat_id = await chat_of(talk, 9)  # seq 1 to 10

    assert await job(talk, KEEP_FIVE).purge() == 5

    for after in (0, 4):
        page = await read(talk, chat_id, after)
        assert (page.too_far, page.events, page.last_seq) == (True, (), 10)
    page = await read(talk, chat_id, 5)
    assert not page.too_far
    assert [event.seq for event in page.events] == [6, 7, 8, 9, 10]
    async with talk.database.connection() as conn:
        kept = await history.page(conn, chat_id, A)
    assert kept is not None
    assert kept.total == 9, "messages stay"


async def test_beyond_the_age_old_events_go(talk: Talk):
    chat_id = await chat_of(talk, 4)
    await chat_of(talk, 1)
    async with talk.database.connection() as conn:
        await conn.execute(
            "UPDATE events SET at = at - interval '40 days'"
            " WHERE chat_id = %(chat_id)s AND seq < 4",
            {"chat_id": chat_id},
        )
    policy = RetentionPolicy(max_age=timedelta(days=30))
    worker = job(talk, policy)

    assert await worker.purge() == 3
    assert await worker.purge() == 0
    assert (await read(talk, chat_id, 2)).too_far
    assert [event.seq for event in (await read(talk, chat_id, 3)).events] == [4, 5]
    statistics = worker.statistics()
    assert (statistics.rounds, statistics.deleted_events, statistics.trimmed_chats) == (2, 3, 1)


async def test_what_lies_below_the_floor_is_gone_whatever_the_clock_did(talk: Talk):
    """The first event looks younger than the next: nodes follow PostgreSQL's clock, also back."""
    chat_id = await chat_of(talk, 4)
    async with talk.database.connection() as conn:
        await conn.execute("UPDATE events SET at = at - interval '40 days' WHERE seq IN (2, 3)")
        policy = RetentionPolicy(max_age=timedelta(days=30))
        assert await purge_chat(conn, chat_id, policy) == 3
        left = await conn.fetch_all("SELECT seq FROM events ORDER BY seq")
    assert left == [(4,), (5,)]


async def test_a_statement_deletes_no_more_than_it_may(talk: Talk):
    chat_id = await chat_of(talk, 19)
    deleted = []
    async with talk.database.connection() as conn:
        while count := await purge_chat(conn, chat_id, KEEP_FIVE, max_events=4):
            deleted.append(count)
            assert (await read(talk, chat_id, sum(deleted))).events[0].seq == sum(deleted) + 1
    assert deleted == [4, 4, 4, 3]


async def test_a_whole_log_may_go_and_the_chat_goes_on(talk: Talk):
    chat_id = await chat_of(talk, 3)
    nothing = RetentionPolicy(max_age=timedelta(seconds=-5))
    assert await job(talk, nothing).purge() == 4
    page = await read(talk, chat_id, 4)
    assert (page.too_far, page.events) == (False, ())
    assert (await read(talk, chat_id, 3)).too_far
    assert (await talk.send(chat_id, A)).seq == 5
    assert [event.seq for event in (await read(talk, chat_id, 4)).events] == [5]


async def test_chats_are_looked_at_in_bounded_steps(talk: Talk):
    chat_ids = [await chat_of(talk, number % 2 * 9) for number in range(5)]
    found: list[ChatId] = []
    after_id: ChatId | None = ChatId(0)
    async with talk.database.connection() as conn:
        while after_id is not None:
            due, after_id = await find_due(conn, KEEP_FIVE, after_id=after_id, max_chats=2)
            found += due
    assert found == chat_ids[1::2]


async def test_purging_while_people_write_leaves_a_dense_log(talk: Talk):
    chat_id = await chat_of(talk, 1)
    worker = job(talk, KEEP_FIVE)

    async def write() -> None:
        for number in range(40):
            await talk.send(chat_id, A, str(number))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        for _ in range(20):
            await worker.purge()
    await worker.purge()

    async with talk.database.connection() as conn:
        rows = await conn.fetch_all("SELECT seq FROM events ORDER BY seq")
        floor = await conn.fetch_all("SELECT log_floor_seq, last_seq FROM chats")
    assert [row[0] for row in rows] == [38, 39, 40, 41, 42]
    assert floor == [(37, 42)]


async def test_of_many_nodes_one_walks(talk: Talk):
    """All chats of a deployment are not looked at once an hour by each of a hundred nodes."""
    claims: list[bool] = []

    async def claim_one() -> None:
        async with talk.database.connection() as conn:
            claims.append(await claim(conn, timedelta(hours=1)))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(claim_one)
    assert sorted(claims) == [False, False, False, False, True]

    worker = RetentionJob(talk.database, KEEP_FIVE, interval_seconds=3600)
    before = talk.database.statistics().queries
    async with trio.open_nursery() as nursery:
        await nursery.start(worker.run)
        with trio.fail_after(60):
            while talk.database.statistics().queries == before or talk.database.statistics().in_use:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert talk.database.statistics().queries == before + 1, "the walk is another's"

    async with talk.database.connection() as conn:
        assert await claim(conn, timedelta(0))


async def test_the_job_runs_until_cancelled(talk: Talk):
    await chat_of(talk, 9)
    worker = RetentionJob(talk.database, KEEP_FIVE, interval_seconds=0.01, pause_seconds=0)
    async with trio.open_nursery() as nursery:
        await nursery.start(worker.run)
        with trio.fail_after(60):
            while worker.statistics().rounds < 2:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert worker.statistics().deleted_events == 5
