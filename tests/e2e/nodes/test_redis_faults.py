"""Redis is never the truth: whatever becomes of it, nothing is lost, doubled or reordered."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio

from storage.bus import Bus
from tests.e2e.nodes.conftest import Node, RunNode
from tests.helpers.clients import DEADLINE_SECONDS, Rest, Socket
from tests.helpers.redis import RedisServer

ANNA, BEN = 1001, 1002


class Talk:
    """Anna writes on one node; Ben listens on the other."""

    def __init__(self, a: Node, b: Node, anna: Rest, chat: int, socket: Socket) -> None:
        self.a, self.b = a, b
        self.anna = anna
        self.chat = chat
        self.socket = socket
        self.sent = 1

    async def say(self) -> None:
        await self.anna.send(self.chat, f"{self.sent}")
        self.sent += 1

    async def is_heard(self) -> None:
        """Everything said so far arrived, once and in order."""
        await self.socket.event("new_message", seq=self.sent)
        assert [event["seq"] for event in self.socket.events] == list(range(2, self.sent + 1))

    async def until_connected(self, *, connected: bool) -> None:
        with trio.fail_after(DEADLINE_SECONDS):
            for node in (self.a, self.b):
                while bus_of(node).is_connected is not connected:  # noqa: ASYNC110
                    await trio.sleep(0.01)

    async def until_refused(self, *, refused: bool) -> None:
        with trio.fail_after(10):
            while bus_of(self.a).is_refused is not refused:  # noqa: ASYNC110
                await trio.sleep(0.01)


def bus_of(node: Node) -> Bus:
    assert node.services.bus is not None
    return node.services.bus


@pytest.fixture
async def talk(a: Node, b: Node) -> AsyncIterator[Talk]:
    async with a.person(ANNA, "Anna") as anna, b.person(BEN, "Ben") as ben:
        chat = await anna.create_group(ben.user_id)
        await b.has_passed_by(1)
        async with b.connected(BEN, "Ben") as socket:
            talk = Talk(a, b, anna, chat, socket)
            await talk.say()
            await talk.is_heard()
            yield talk


async def test_redis_goes_and_comes_back(talk: Talk, redis: RedisServer) -> None:
    redis.stop()
    await talk.until_connected(connected=False)
    for _ in range(3):
        await talk.say()
    ready = await talk.anna.get("/api/v1/ready")
    assert ready == {"status": "ready", "redis": "away"}
    await talk.is_heard()

    redis.start()
    await talk.until_connected(connected=True)
    assert (await talk.anna.get("/api/v1/health"))["redis"] == "connected"
    await talk.say()
    await talk.is_heard()


async def test_redis_falls_silent(talk: Talk, redis: RedisServer) -> None:
    redis.pause()
    await talk.say()
    await talk.until_connected(connected=False)
    await talk.say()
    await talk.is_heard()
    redis.resume()
    await talk.until_connected(connected=True)
    await talk.say()
    await talk.is_heard()


async def test_redis_answers_and_refuses(talk: Talk, redis: RedisServer) -> None:
    assert redis.command("ACL", "SETUSER", "default", "-publish") == b"+OK\r\n"
    await talk.say()
    await talk.until_refused(refused=True)
    ready = await talk.anna.get("/api/v1/ready")
    assert ready == {"status": "ready", "redis": "refuses"}
    assert (await talk.anna.get("/api/v1/health"))["redis"] == "refuses"
    await talk.is_heard()

    assert redis.command("ACL", "SETUSER", "default", "+publish") == b"+OK\r\n"
    await talk.until_refused(refused=False)
    assert (await talk.anna.get("/api/v1/ready"))["redis"] == "connected"
    await talk.say()
    await talk.is_heard()


async def test_redis_is_emptied(talk: Talk, redis: RedisServer) -> None:
    redis.flush()
    for _ in range(3):
        await talk.say()
    await talk.is_heard()


async def test_a_packet_that_never_arrives_is_found(talk: Talk) -> None:
    bus = bus_of(talk.a)
    publish, bus.publish = bus.publish, lambda topic, payload: False  # type: ignore[method-assign]
    await talk.say()
    await talk.say()
    assert talk.b.services.cluster is not None
    await talk.b.services.cluster.sweep.hurry()
    await talk.is_heard()
    # A gap is read at once, without a sweep.
    await talk.say()
    bus.publish = publish  # type: ignore[method-assign]
    await talk.say()
    with trio.fail_after(4):
        await talk.is_heard()


async def test_a_lost_joining_is_found(talk: Talk) -> None:
    bus = bus_of(talk.a)
    bus.publish = lambda topic, payload: False  # type: ignore[method-assign]
    chat = await talk.anna.create_group(BEN)
    await talk.anna.send(chat, "hello")
    assert talk.b.services.cluster is not None
    await talk.b.services.cluster.sweep.hurry()
    await talk.socket.event("new_message", chat_id=chat)
    seen = [event["seq"] for event in talk.socket.events if event["chat_id"] == chat]
    assert seen == [1, 2]


async def test_a_node_that_dies_between_commit_and_publish(run_node: RunNode, b: Node) -> None:
    async with b.person(BEN, "Ben") as ben, b.connected(BEN, "Ben") as socket:
        with trio.CancelScope() as life:
            async with run_node() as dying, dying.person(ANNA, "Anna") as anna:
                chat = await anna.create_group(ben.user_id)
                await anna.send(chat, "one")

                def die(topic: str, payload: bytes) -> bool:
                    life.cancel()
                    return False

                bus_of(dying).publish = die  # type: ignore[method-assign]
                await anna.send(chat, "last words")
        assert life.cancelled_caught
        assert b.services.cluster is not None
        await b.services.cluster.sweep.hurry()
        await socket.event("new_message", chat_id=chat, seq=3)
        assert [event["seq"] for event in socket.events] == [1, 2, 3]


async def test_a_node_starts_without_redis_and_joins_later(
    redis: RedisServer, run_node: RunNode
) -> None:
    redis.stop()
    async with (
        run_node() as a,
        run_node() as b,
        a.person(ANNA, "Anna") as anna,
        b.person(BEN, "Ben") as ben,
    ):
        assert await anna.get("/api/v1/ready") == {"status": "ready", "redis": "away"}
        chat = await anna.create_group(ben.user_id)
        async with b.connected(BEN, "Ben") as socket:
            talk = Talk(a, b, anna, chat, socket)
            await talk.say()
            await talk.is_heard()
            redis.start()
            await talk.until_connected(connected=True)
            await talk.say()
            await talk.is_heard()
