"""Reads cost the same in a small chat and in a large one, and never a query per row.

Counted in pages that PostgreSQL touches and in queries, not in time: a loaded machine proves
nothing either way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from aeon.seed import add_filled_chat, fill
from storage import chats, event_log, history, one_message, positions, seeding, users
from storage.database import Connection, Database
from storage.ids import ChatId, MessageId, Seq, UserId
from tests.helpers.explained import explained

SMALL, LARGE = 300, 30_000

Read = Callable[[Connection, ChatId, UserId, MessageId], Awaitable[object]]


async def middle_id(conn: Connection, chat_id: ChatId) -> MessageId:
    row = await conn.fetch_one(
        "SELECT id FROM messages WHERE chat_id = %(chat_id)s ORDER BY id"
        " OFFSET (SELECT live_messages / 2 FROM chats WHERE id = %(chat_id)s) LIMIT 1",
        {"chat_id": chat_id},
    )
    assert row is not None
    return MessageId(row[0])


async def last_page(conn: Connection, chat_id: ChatId, user_id: UserId) -> object:
    first = await history.page(conn, chat_id, user_id, 1, 50)
    assert first is not None
    return await history.page(conn, chat_id, user_id, -(-first.total // 50))


READS: dict[str, Read] = {
    "first page": lambda conn, chat, user, _: history.page(conn, chat, user),
    "second page": lambda conn, chat, user, _: history.page(conn, chat, user, 2),
    "last page": lambda conn, chat, user, _: last_page(conn, chat, user),
    "before": lambda conn, chat, user, at: history.window(conn, chat, user, before_id=at),
    "after": lambda conn, chat, user, at: history.window(conn, chat, user, after_id=at),
    "around": lambda conn, chat, user, at: history.window(conn, chat, user, around_id=at),
    "before the first": lambda conn, chat, user, _: history.window(
        conn, chat, user, before_id=MessageId(1)
    ),
    "after the last": lambda conn, chat, user, _: history.window(
        conn, chat, user, after_id=MessageId(2**53)
    ),
    "catching up": lambda conn, chat, user, _: event_log.read_events(conn, chat, Seq(100), 50),
    "unread": lambda conn, chat, user, _: chats.count_unread(conn, chat, user),
    "chat": lambda conn, chat, user, _: chats.get_chat(conn, chat, user),
    "state": lambda conn, chat, user, _: chats.load_chat_state(conn, chat),
    "list": lambda conn, chat, user, _: chats.list_chats(conn, user),
    "locate": lambda conn, chat, user, at: one_message.locate_message(conn, at, user),
    "readers": lambda conn, chat, user, at: one_message.readers(conn, at, user),
    "who joined lately": lambda conn, chat, user, _: positions.joined_since(
        conn, [user], datetime.now(UTC), overlap=timedelta(days=3650)
    ),
    "who had joined": lambda conn, chat, user, _: positions.entries_into(
        conn, chat, [user], Seq(2**53)
    ),
}


async def test_cost_does_not_grow_with_the_chat(database_url: str):
    """Also for a person with one chat among many people, where a hash of all is tempting."""
    costs: dict[str, list[int]] = {name: [] for name in READS}
    async with explained(database_url) as (database, plans):
        seeded = await fill(database, users=3000, chats=20, messages=4000)
        # People of no other chat, so that their list is this chat alone.
        quiet = seeded.people.member_ids(1, 3000)[-20:]
        small = await add_filled_chat(database, quiet[:10], SMALL)
        large = await add_filled_chat(database, quiet[10:], LARGE)
        async with database.connection() as conn:
            await seeding.analyze(conn)
            for chat_id, user_id in ((small, quiet[0]), (large, quiet[10])):
                place = await middle_id(conn, chat_id)
                for name, read in READS.items():
                    plans.forget()
                    assert await read(conn, chat_id, user_id, place) is not None
                    costs[name].append(plans.blocks)
                    unbounded = {"messages", "events", "users"} & plans.scans
                    assert not unbounded, f"{name} reads all of {unbounded}"
    for name, (in_small, in_large) in costs.items():
        assert in_large <= in_small * 1.5 + 8, f"{name}: {in_small} pages, then {in_large}"


async def test_the_list_of_two_hundred_chats_is_one_query(database: Database):
    seeded = await fill(database, users=50, chats=200, messages=2000, members_per_chat=50)
    user_id = seeded.people.first_id
    async with database.connection() as conn:
        before = database.statistics()
        listed = await chats.list_chats(conn, user_id)
        after = database.statistics()
    assert len(listed) == 200
    assert all(line.last_message is not None for line in listed)
    assert after.queries - before.queries == 1


@pytest.mark.parametrize(
    ("name", "queries", "round_trips"),
    [
        ("first page", 2, 1),
        ("around", 2, 1),
        ("unread", 1, 1),
        ("chat", 2, 1),
        ("state", 1, 1),
        ("locate", 1, 1),
        ("readers", 1, 1),
        ("catching up", 2, 2),
    ],
)
async def test_queries_of_each_read(database: Database, name: str, queries: int, round_trips: int):
    seeded = await fill(database, users=40, chats=1, messages=400, members_per_chat=40)
    (chat_id,) = seeded.chat_ids
    async with database.connection() as conn:
        place = await middle_id(conn, chat_id)
        before = database.statistics()
        await READS[name](conn, chat_id, seeded.people.first_id, place)
        after = database.statistics()
    assert after.queries - before.queries == queries
    assert after.round_trips - before.round_trips == round_trips


async def test_a_seeded_database_keeps_every_invariant(database: Database):
    await fill(database, users=30, chats=7, messages=1000, members_per_chat=5)
    seeded = await fill(database, users=30, chats=7, messages=1000, members_per_chat=5)
    viewer = seeded.people.first_id
    async with database.connection() as conn:
        assert (await users.list_users(conn)).total == 60
        torn = await conn.fetch_all(
            "SELECT chats.id FROM chats WHERE"
            " last_seq <> (SELECT count(*) FROM events WHERE chat_id = chats.id)"
            " OR last_seq <> (SELECT max(seq) FROM events WHERE chat_id = chats.id)"
            " OR live_messages <> (SELECT count(*) FROM messages WHERE chat_id = chats.id)"
            " OR members_count <> (SELECT count(*) FROM members WHERE chat_id = chats.id)"
            " OR EXISTS (SELECT FROM members JOIN messages ON messages.id = read_message_id"
            "  WHERE members.chat_id = chats.id"
            "  AND (messages.chat_id <> chats.id OR messages.seq <> read_seq))"
        )
        disordered = await conn.fetch_all(
            "SELECT 1 FROM (SELECT chat_id, id, lag(id) OVER"
            " (PARTITION BY chat_id ORDER BY seq) AS before FROM messages) WHERE before > id"
        )
        total = await conn.fetch_all("SELECT count(*) FROM messages")
        (line, *_) = await chats.list_chats(conn, viewer)
        log = await event_log.read_events(conn, line.chat.id, Seq(0), 10_000)
        page = await history.page(conn, line.chat.id, viewer, per_page=100)
    assert (torn, disordered, total) == ([], [], [(2000,)])
    assert [event.seq for event in log.events] == list(range(1, line.chat.last_seq + 1))
    assert page is not None
    read_by_viewer = sum(viewer in message.read_by for message in page.messages)
    assert 0 < read_by_viewer < len(page.messages)
