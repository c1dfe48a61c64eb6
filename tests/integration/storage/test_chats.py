"""Chat lists and single chats as members see them, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from storage import chats, presence
from storage.commands import CreateChat
from storage.database import Database
from storage.ids import ChatId, UserId
from storage.records import ChatListRecord, ChatType, Role
from tests.helpers.talk import Talk, open_talk

A, B, C, STRANGER = UserId(1), UserId(2), UserId(3), UserId(9)


@pytest.fixture
async def talk(database: Database) -> AsyncIterator[Talk]:
    async with open_talk(database) as opened:
        for user_id in (A, B, C, STRANGER):
            await opened.person(user_id)
        yield opened


async def list_of(talk: Talk, user_id: UserId) -> list[ChatListRecord]:
    async with talk.database.connection() as conn:
        return await chats.list_chats(conn, user_id)


async def test_list_shows_the_newest_chat_first_with_its_last_message(talk: Talk):
    quiet = await talk.group(A, B, title="Quiet")
    busy = await talk.group(A, B, C, title="Busy")
    await talk.send(quiet, A, "old")
    await talk.send(busy, B, "one")
    gone = await talk.send(busy, C, "two")
    await talk.delete(gone)

    first, second = await list_of(talk, A)
    assert (first.chat.id, second.chat.id) == (busy, quiet)
    assert first.last_message is not None
    assert first.last_message.text == "one"
    assert first.last_message.sender == talk.people[B]
    assert first.unread_count == 1
    assert first.chat.members_count == 3
    assert first.chat.last_seq == 4
    assert first.role is Role.OWNER
    assert (await list_of(talk, B))[0].role is Role.MEMBER
    assert await list_of(talk, STRANGER) == []

    await talk.send(quiet, B, "news")
    assert [line.chat.title for line in await list_of(talk, A)] == ["Quiet", "Busy"]


async def test_an_empty_chat_is_listed_without_message(talk: Talk):
    await talk.group(A)
    (line,) = await list_of(talk, A)
    assert (line.last_message, line.unread_count) == (None, 0)


async def test_deleted_chats_leave_the_list_but_can_be_opened(talk: Talk):
    chat_id = await talk.group(A, B)
    await talk.delete_chat(chat_id, A)

    assert await list_of(talk, A) == []
    async with talk.database.connection() as conn:
        assert await chats.standings_of(conn, A) == {}
        assert list(await chats.standings_of(conn, A, [chat_id])) == [chat_id]
        assert await chats.standings_of(conn, STRANGER, [chat_id]) == {}
        view = await chats.get_chat(conn, chat_id, B)
        assert await chats.get_chat(conn, chat_id, STRANGER) is None
    assert view is not None
    assert not view.chat.is_active


async def test_a_chat_comes_with_its_members(talk: Talk):
    chat_id = await talk.group(A, B)
    await talk.add(chat_id, A, C)
    sent = await talk.send(chat_id, A)
    await talk.read(chat_id, B)

    async with talk.database.connection() as conn:
        view = await chats.get_chat(conn, chat_id, B)
        assert await chats.get_chat(conn, ChatId(404), B) is None
    assert view is not None
    assert view.role is Role.MEMBER
    assert [member.user for member in view.members] == [talk.people[id_] for id_ in (A, B, C)]
    assert [member.role for member in view.members] == [Role.OWNER, Role.MEMBER, Role.MEMBER]
    assert view.members[1].read_message_id == sent.id
    assert view.members[1].read_seq == sent.seq


async def test_state_for_the_actor(talk: Talk):
    chat_id = await talk.group(A, B)
    sent = await talk.send(chat_id, A)
    await talk.read(chat_id, B)
    async with talk.database.connection() as conn:
        state = await chats.load_chat_state(conn, chat_id)
        assert await chats.load_chat_state(conn, ChatId(404)) is None
    assert state is not None
    assert state.chat.last_seq == sent.seq + 1
    assert state.members == {
        A: chats.Membership(Role.OWNER, state.members[A].read_seq),
        B: chats.Membership(Role.MEMBER, sent.seq),
    }


async def test_who_shares_an_active_chat(talk: Talk):
    shared = await talk.group(A, B)
    await talk.group(C)
    closed = await talk.group(A, C)
    await talk.delete_chat(closed, A)
    async with talk.database.connection() as conn:
        assert await chats.shares_chat_with(conn, A, B)
        assert not await chats.shares_chat_with(conn, A, C)
        assert not await chats.shares_chat_with(conn, A, STRANGER)
        pairs = await presence.peers_among(conn, [A, B, C], [A, C, STRANGER], max_members=2)
        assert pairs == [(B, A)]
        assert await presence.peers_among(conn, [A], [], max_members=2) == []
        assert await presence.peers_among(conn, [A, B], [A, B], max_members=1) == []
        assert await presence.members_who_show(conn, shared, A) == [A, B]
        assert await presence.members_who_show(conn, shared, STRANGER) is None
        assert await presence.members_who_show(conn, ChatId(999_999), A) is None
    await talk.remove(shared, A, B)
    async with talk.database.connection() as conn:
        assert not await chats.shares_chat_with(conn, A, B)


async def test_unread_of_one_chat(talk: Talk):
    chat_id = await talk.group(A, B)
    for number in range(3):
        await talk.send(chat_id, A, str(number))
    await talk.send(chat_id, B, "mine")
    async with talk.database.connection() as conn:
        assert await chats.count_unread(conn, chat_id, B) == 3
        assert await chats.count_unread(conn, chat_id, A) == 1
        assert await chats.count_unread(conn, chat_id, STRANGER) is None
    await talk.read(chat_id, B)
    async with talk.database.connection() as conn:
        assert await chats.count_unread(conn, chat_id, B) == 0


async def test_notes_to_oneself_are_a_private_chat_of_one(talk: Talk):
    async with talk.database.connection() as conn:
        chat_id = await chats.next_chat_id(conn)
    await talk.done(CreateChat(chat_id=chat_id, actor_id=A, type=ChatType.PRIVATE, title="Notes"))
    await talk.send(chat_id, A, "remember")
    (line,) = await list_of(talk, A)
    assert (line.chat.type, line.unread_count) == (ChatType.PRIVATE, 0)
