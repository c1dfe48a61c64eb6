"""Catching up from the log: whole events, as things stand now, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from storage import event_log
from storage.commands import ChangeRole, Committed, UpdateChat
from storage.database import Database
from storage.event_log import EventPage
from storage.events import (
    ChatCreated,
    ChatDeleted,
    ChatUpdated,
    MemberAdded,
    MemberRemoved,
    MemberUpdated,
    MessageDeleted,
    MessageEdited,
    MessageSent,
    MessagesRead,
)
from storage.ids import ChatId, Seq, UserId
from storage.records import Role
from tests.helpers.talk import Talk, open_talk

A, B, C, STRANGER = UserId(1), UserId(2), UserId(3), UserId(9)


@pytest.fixture
async def talk(database: Database) -> AsyncIterator[Talk]:
    async with open_talk(database) as opened:
        for user_id in (A, B, C, STRANGER):
            await opened.person(user_id)
        yield opened


async def read(talk: Talk, chat_id: ChatId, after: int = 0, limit: int = 100) -> EventPage:
    async with talk.database.connection() as conn:
        return await event_log.read_events(conn, chat_id, Seq(after), limit)


async def lively_chat(talk: Talk) -> tuple[ChatId, list[object]]:
    """A chat with every kind of event, and the events as they were committed."""
    committed: list[object] = []

    def note(outcome: object) -> None:
        assert isinstance(outcome, Committed)
        committed.extend(outcome.events)

    chat_id = await talk.group(A, B)
    committed.extend((await read(talk, chat_id)).events)
    sent = await talk.send(chat_id, A, "first words")
    await talk.edit(sent, "better words")
    gone = await talk.send(chat_id, B, "regret")
    await talk.delete(gone)
    committed.extend((await read(talk, chat_id, after=1)).events)
    note(await talk.read(chat_id, B))
    note(await talk.add(chat_id, A, C))
    note(await talk.do(ChangeRole(chat_id=chat_id, actor_id=A, user_id=C, role=Role.ADMIN)))
    note(await talk.remove(chat_id, C, C))
    note(await talk.do(UpdateChat(chat_id=chat_id, actor_id=A, title="Renamed")))
    await talk.delete_chat(chat_id, A)
    return chat_id, committed


async def test_every_kind_of_event_comes_back_whole_and_in_order(talk: Talk):
    chat_id, committed = await lively_chat(talk)

    page = await read(talk, chat_id)

    assert [type(event) for event in page.events] == [
        ChatCreated,
        MessageSent,
        MessageEdited,
        MessageSent,
        MessageDeleted,
        MessagesRead,
        MemberAdded,
        MemberUpdated,
        MemberRemoved,
        ChatUpdated,
        ChatDeleted,
    ]
    assert [event.seq for event in page.events] == list(range(1, 12))
    assert (page.last_seq, page.has_more, page.too_far) == (11, False, False)
    # What does not show the chat's present state is equal to what was committed.
    assert page.events[5:9] == tuple(committed[5:9])


async def test_chat_events_show_the_chat_as_it_is_now(talk: Talk):
    chat_id, _ = await lively_chat(talk)
    created = (await read(talk, chat_id, limit=1)).events[0]
    assert isinstance(created, ChatCreated)
    assert created.chat.title == "Renamed"
    assert not created.chat.is_active
    assert [member.user.id for member in created.members] == [A, B]


async def test_no_replay_shows_what_was_edited_away_or_deleted(talk: Talk):
    chat_id = await talk.group(A, B)
    edited = await talk.send(chat_id, A, "SECRET one")
    deleted = await talk.send(chat_id, A, "SECRET two")
    await talk.edit(edited, "fine")
    await talk.edit(deleted, "SECRET three")
    await talk.delete(deleted)

    events = (await read(talk, chat_id)).events

    assert "SECRET" not in repr(events)
    shown = [event.message for event in events if isinstance(event, MessageSent | MessageEdited)]
    assert [(message.text, message.is_deleted) for message in shown] == [
        ("fine", False),
        (None, True),
        ("fine", False),
        (None, True),
    ]
    async with talk.database.connection() as conn:
        rows = await conn.fetch_all("SELECT events::text FROM events")
        kept = await conn.fetch_all("SELECT messages::text FROM messages")
    assert "SECRET" not in repr(rows) + repr(kept)


async def test_pages_join_without_gap_or_repeat(talk: Talk):
    chat_id, _ = await lively_chat(talk)
    whole = (await read(talk, chat_id)).events
    joined: list[object] = []
    after, has_more = 0, True
    while has_more:
        page = await read(talk, chat_id, after=after, limit=3)
        joined += page.events
        after, has_more = page.events[-1].seq, page.has_more
        assert page.last_seq == 11
    assert joined == list(whole)


async def test_at_and_beyond_the_end_there_is_nothing(talk: Talk):
    chat_id, _ = await lively_chat(talk)
    for after in (11, 12, 2**53):
        page = await read(talk, chat_id, after=after)
        assert (page.events, page.has_more, page.too_far, page.last_seq) == ((), False, False, 11)
    assert await read(talk, ChatId(404)) == EventPage((), Seq(0), False, False)


async def test_only_members_read_the_log(talk: Talk):
    chat_id = await talk.group(A, B)
    async with talk.database.connection() as conn:
        mine = await event_log.read_events_for(conn, chat_id, B, Seq(0), 10)
        assert await event_log.read_events_for(conn, chat_id, STRANGER, Seq(0), 10) is None
        assert await event_log.read_events_for(conn, ChatId(404), B, Seq(0), 10) is None
    assert mine == replace(await read(talk, chat_id), read_seq=Seq(1))
    await talk.remove(chat_id, A, B)
    async with talk.database.connection() as conn:
        assert await event_log.read_events_for(conn, chat_id, B, Seq(0), 10) is None


async def test_queries_do_not_grow_with_the_events(talk: Talk):
    chat_id, _ = await lively_chat(talk)
    for number in range(30):
        await talk.person(100 + number)
        await talk.add(chat_id, A, UserId(100 + number))
    for limit in (1, 100):
        before = talk.database.statistics().queries
        await read(talk, chat_id, limit=limit)
        assert talk.database.statistics().queries - before <= 3
