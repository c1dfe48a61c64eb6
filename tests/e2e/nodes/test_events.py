"""What is committed on one node reaches the sockets on another."""

from __future__ import annotations

from contextlib import AsyncExitStack
from itertools import product

import pytest
import trio

from tests.e2e.nodes.conftest import Node
from tests.helpers.clients import Rest

ANNA, BEN, CARA = 1001, 1002, 1003


@pytest.fixture
async def anna(a: Node) -> Rest:
    async with a.person(ANNA, "Anna") as rest:
        yield rest


@pytest.fixture
async def ben(b: Node) -> Rest:
    async with b.person(BEN, "Ben") as rest:
        yield rest


async def test_messages_cross_in_both_directions(a: Node, b: Node, anna: Rest, ben: Rest) -> None:
    chat = await anna.create_group(BEN)
    await b.has_passed_by(1)
    async with a.connected(ANNA) as at_a, b.connected(BEN, "Ben") as at_b:
        await anna.send(chat, "from a")
        await at_b.event("new_message", seq=2)
        await ben.send(chat, "from b")
        for socket in (at_a, at_b):
            await socket.event("new_message", seq=3)
            assert [event["seq"] for event in socket.events] == [2, 3]
            assert [event["message"]["text"] for event in socket.events] == ["from a", "from b"]
        assert at_a.events == at_b.events


async def test_a_new_chat_and_a_new_member_are_told_at_once(
    a: Node, b: Node, anna: Rest, ben: Rest
) -> None:
    async with b.connected(BEN, "Ben") as at_b, b.connected(CARA) as at_c:
        chat = await anna.create_group(BEN)
        created = await at_b.event("chat_created", chat_id=chat)
        assert created["seq"] == 1
        await anna.send(chat, "before")
        await anna.post(f"/api/v1/chats/{chat}/members/{CARA}")
        await anna.send(chat, "after")
        await at_c.event("new_message", chat_id=chat)
        assert [event["seq"] for event in at_c.events] == [3, 4]
        await at_b.event("new_message", seq=4)
        assert [event["seq"] for event in at_b.events] == [1, 2, 3, 4]


async def test_who_is_removed_hears_that_and_nothing_after(
    a: Node, b: Node, anna: Rest, ben: Rest
) -> None:
    chat = await anna.create_group(BEN)
    await b.has_passed_by(1)
    async with b.connected(BEN, "Ben") as at_b:
        await anna.send(chat, "one")
        await anna.delete(f"/api/v1/chats/{chat}/members/{BEN}")
        await anna.send(chat, "secret")
        await anna.post(f"/api/v1/chats/{chat}/members/{BEN}")
        await anna.send(chat, "again")
        await at_b.event("new_message", seq=6)
        assert [event["seq"] for event in at_b.events] == [2, 3, 5, 6]
        await anna.delete(f"/api/v1/chats/{chat}")
        await at_b.event("chat_deleted", seq=7)
        body = {"chat_id": chat, "text": "x"}
        response = await ben.request("POST", "/api/v1/messages/", json=body)
        assert response.json()["code"] == "chat_deleted"


async def test_typing_crosses(a: Node, b: Node, anna: Rest, ben: Rest) -> None:
    chat = await anna.create_group(BEN)
    await b.has_passed_by(1)
    async with a.connected(ANNA) as at_a, b.connected(BEN, "Ben") as at_b:
        await at_a.command("typing", chat_id=chat, is_typing=True)
        await at_b.event("typing", chat_id=chat, user_id=ANNA, is_typing=True)
        await at_a.command("typing", chat_id=chat, is_typing=False)
        await at_b.event("typing", chat_id=chat, user_id=ANNA, is_typing=False)


async def test_a_silent_cursor_reaches_own_devices_on_other_nodes_and_nobody_else(
    a: Node, b: Node, anna: Rest, ben: Rest
) -> None:
    chat = await anna.create_group(BEN)
    message = await anna.send(chat, "read me")
    await ben.put("/api/v1/me", {"privacy": {"show_read_receipts": False}})
    async with (
        a.connected(BEN, "Ben") as phone,
        b.connected(BEN, "Ben") as laptop,
        b.connected(ANNA) as at_b,
    ):
        await phone.command("mark_read", chat_id=chat, message_id=message["id"])
        for device in (phone, laptop):
            told = await device.event("read_cursor", chat_id=chat)
            assert (told["message_id"], told["read_seq"]) == (message["id"], message["seq"])
        await anna.send(chat, "after")
        await at_b.event("new_message", seq=3)
        assert not any(frame["type"] == "read_cursor" for frame in at_b.frames)


async def test_both_nodes_write_to_one_chat_at_once(
    a: Node, b: Node, anna: Rest, ben: Rest
) -> None:
    chat = await anna.create_group(BEN)
    await b.has_passed_by(1)
    async with AsyncExitStack() as stack:
        people = ((ANNA, "Anna"), (BEN, "Ben"))
        sockets = [
            await stack.enter_async_context(node.connected(*person))
            for node, person in product((a, b), people)
        ]

        async def write(rest: Rest) -> None:
            for number in range(25):
                await rest.send(chat, str(number))

        async with trio.open_nursery() as nursery:
            for rest in (anna, anna, ben, ben):
                nursery.start_soon(write, rest)
        for socket in sockets:
            await socket.event("new_message", seq=101)
            assert [event["seq"] for event in socket.events] == list(range(2, 102))
            assert socket.events == sockets[0].events
