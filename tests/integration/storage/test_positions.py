"""How far logs go, and who came in lately: what a node asks to find what it was not told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from storage import positions
from storage.commands import AddMember, DeleteChat, RemoveMember
from storage.database import Database
from storage.deployment import deployment_id
from storage.ids import ChatId, Seq, UserId
from storage.positions import Joined
from tests.helpers.talk import Talk, open_talk

A, B, C = UserId(1), UserId(2), UserId(2**52)
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def talk(database: Database) -> AsyncIterator[Talk]:
    async with open_talk(database) as opened:
        for user_id in (A, B, C):
            await opened.person(user_id)
        yield opened


async def test_positions_of_people(talk: Talk, database: Database) -> None:
    chat = await talk.group(A, B)
    await talk.send(chat, A, "x")
    other = await talk.group(A)
    gone = await talk.group(A)
    await talk.done(DeleteChat(chat_id=gone, actor_id=A))
    async with database.connection() as conn:
        found = await positions.positions_of(conn, [A, B, C])
    assert {user: sorted(chats) for user, chats in found.items()} == {
        A: [(chat, 2), (other, 1)],
        B: [(chat, 2)],
        C: [],
    }


async def test_only_what_is_newer_is_named(talk: Talk, database: Database) -> None:
    one, two = await talk.group(A), await talk.group(A)
    await talk.send(two, A, "x")
    async with database.connection() as conn:
        known = [(one, Seq(1)), (two, Seq(1)), (ChatId(99), Seq(0))]
        assert await positions.find_newer(conn, known) == [(two, 2)]
        assert await positions.find_newer(conn, []) == []


async def test_who_came_in_lately_and_with_which_event(talk: Talk, database: Database) -> None:
    async with database.connection() as conn:
        before = await positions.database_now(conn)
    chat = await talk.group(A, B)
    await talk.done(AddMember(chat_id=chat, actor_id=A, user_id=C))
    await talk.done(RemoveMember(chat_id=chat, actor_id=A, user_id=C))
    await talk.send(chat, A, "x")
    await talk.done(AddMember(chat_id=chat, actor_id=A, user_id=C))
    await talk.send(chat, A, "y")
    async with database.connection() as conn:
        after = await positions.database_now(conn)
        found = await positions.joined_since(conn, [B, C], before, overlap=MINUTE)
        later = await positions.joined_since(conn, [B, C], after, overlap=timedelta(0))
    assert sorted(found, key=lambda joined: joined.user_id) == [
        Joined(chat, B, Seq(1), Seq(6)),
        Joined(chat, C, Seq(5), Seq(6)),
    ]
    assert later == []


async def test_with_which_event_a_member_of_then_had_come_in(
    talk: Talk, database: Database
) -> None:
    chat = await talk.group(A, B)
    await talk.done(AddMember(chat_id=chat, actor_id=A, user_id=C))
    await talk.done(RemoveMember(chat_id=chat, actor_id=A, user_id=C))
    await talk.done(AddMember(chat_id=chat, actor_id=A, user_id=C))
    async with database.connection() as conn:
        then = await positions.entries_into(conn, chat, [B, C], Seq(3))
        now = await positions.entries_into(conn, chat, [B, C], Seq(4))
    assert sorted(then) == [(B, 1), (C, 2)]
    assert sorted(now) == [(B, 1), (C, 4)]


async def test_a_database_knows_its_deployment(database: Database) -> None:
    async with database.connection() as conn:
        first = await deployment_id(conn)
        assert first == await deployment_id(conn)
        with pytest.raises(Exception, match=r"is_one|pk_deployment"):
            await conn.execute("INSERT INTO deployment (is_this) VALUES (false)")
    assert len(first) == 36
