"""Invitations by username: who may promise, who is waited for, and what is forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio

from storage import invitations
from storage.commands import AddMember, ChangeRole, Committed
from storage.database import Database
from storage.ids import ChatId, UserId
from storage.invitations import InviteResult, normalize_username
from storage.records import Role
from tests.helpers.talk import Talk, open_talk

A, B, STRANGER = UserId(1), UserId(2), UserId(9)


@pytest.fixture
async def talk(database: Database) -> AsyncIterator[Talk]:
    async with open_talk(database) as opened:
        for user_id in (A, B, STRANGER):
            await opened.person(user_id)
        yield opened


async def invite(talk: Talk, chat_id: ChatId, username: str, by: UserId = A) -> InviteResult:
    async with talk.database.connection() as conn:
        return await invitations.invite(conn, chat_id, username, by)


async def pending(talk: Talk, username: str) -> list[ChatId]:
    async with talk.database.connection() as conn:
        return [one.chat_id for one in await invitations.list_pending(conn, username)]


@pytest.mark.parametrize("spelling", ["newbie", "@newbie", " @@NewBie "])
def test_spellings_of_one_name(spelling: str):
    assert normalize_username(spelling) == "newbie"


async def test_a_name_is_promised_once_per_chat(talk: Talk):
    chat_id = await talk.group(A, B)
    assert await invite(talk, chat_id, "@Newbie") is InviteResult.INVITED
    assert await invite(talk, chat_id, "newbie") is InviteResult.ALREADY_INVITED
    assert await pending(talk, "NEWBIE") == [chat_id]


async def test_parallel_invitations_are_one(talk: Talk):
    chat_id = await talk.group(A, B)
    results: list[InviteResult] = []

    async def one() -> None:
        results.append(await invite(talk, chat_id, "newbie"))

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(one)
    assert results.count(InviteResult.INVITED) == 1
    assert results.count(InviteResult.ALREADY_INVITED) == 7


async def test_only_owner_and_admins_of_an_active_chat_invite(talk: Talk):
    chat_id = await talk.group(A, B)
    refused = InviteResult.NOT_ALLOWED
    assert await invite(talk, chat_id, "newbie", by=B) is refused
    assert await invite(talk, chat_id, "newbie", by=STRANGER) is refused
    assert await invite(talk, ChatId(404), "newbie") is refused
    await talk.done(ChangeRole(chat_id=chat_id, actor_id=A, user_id=B, role=Role.ADMIN))
    assert await invite(talk, chat_id, "newbie", by=B) is InviteResult.INVITED
    await talk.delete_chat(chat_id, A)
    assert await invite(talk, chat_id, "other") is refused
    assert await pending(talk, "newbie") == []


async def test_nobody_is_promised_a_place_in_a_chat_of_a_pair(talk: Talk):
    chat_id = await talk.pair(A, B)
    assert await invite(talk, chat_id, "newbie") is InviteResult.NOT_ALLOWED
    assert await pending(talk, "newbie") == []


async def test_redeeming_adds_and_forgets(talk: Talk):
    chat_ids = [await talk.group(A, title=str(number)) for number in range(3)]
    for chat_id in chat_ids:
        await invite(talk, chat_id, "person_2")
    async with talk.database.connection() as conn:
        waiting = await invitations.list_pending(conn, "person_2")
    for one in waiting[:2]:
        outcome = await talk.do(
            AddMember(chat_id=one.chat_id, actor_id=one.invited_by, user_id=B, by_invitation=True)
        )
        assert isinstance(outcome, Committed)
    async with talk.database.connection() as conn:
        assert await invitations.discard(conn, "person_2", chat_ids[:2]) == 2
        assert await invitations.discard(conn, "person_2", []) == 0
        left = await invitations.list_pending(conn, "person_2")
    assert [(one.chat_id, one.username, one.invited_by) for one in left] == [
        (chat_ids[2], "person_2", A)
    ]
