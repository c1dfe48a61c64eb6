"""What every bus promises, shown on the one in memory and the one over a real Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import trio

from storage.bus import Bus, BusAway
from storage.bus_packet import MAX_PAYLOAD_BYTES
from storage.bus_redis import RedisBus
from tests.helpers.memory_bus import Network
from tests.helpers.redis import RedisServer, running_redis

Connect = Callable[[], AbstractAsyncContextManager[Bus]]


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
def make(request: pytest.FixtureRequest) -> Callable[[], Bus]:
    """Makes buses of one deployment."""
    if request.param == "memory":
        return Network().bus
    server: RedisServer = request.getfixturevalue("redis_server")
    namespace = f"test:{request.node.name}"
    return lambda: RedisBus(server.url, namespace=namespace)


@asynccontextmanager
async def running(*buses: Bus) -> Any:
    async with trio.open_nursery() as nursery:
        for bus in buses:
            await nursery.start(bus.run)
        with trio.fail_after(60):
            yield nursery
        nursery.cancel_scope.cancel()


class Inbox:
    """What one bus heard of a topic."""

    def __init__(self, bus: Bus, topic: str = "t") -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._changed = trio.Event()
        bus.on(topic, self._hear)

    def _hear(self, sender: str, payload: bytes) -> None:
        self.heard.append((sender, payload))
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def wait(self, count: int) -> list[tuple[str, bytes]]:
        while len(self.heard) < count:
            await self._changed.wait()
        return self.heard


async def test_the_others_hear_it_in_order_and_oneself_does_not(make: Callable[[], Bus]) -> None:
    a, b, c = make(), make(), make()
    boxes = [Inbox(bus) for bus in (a, b, c)]
    async with running(a, b, c):
        for number in range(200):
            assert a.publish("t", b"%d" % number)
        assert b.publish("t", b"last")
        expected = [(a.node_id, b"%d" % number) for number in range(200)]
        assert await boxes[0].wait(1) == [(b.node_id, b"last")]
        assert [entry for entry in await boxes[2].wait(201) if entry[0] == a.node_id] == expected
        assert await boxes[1].wait(200) == expected
        assert a.statistics().published == 200
        assert c.statistics().received == 201


async def test_a_topic_reaches_its_handlers_only(make: Callable[[], Bus]) -> None:
    a, b = make(), make()
    one, other = Inbox(b, "one"), Inbox(b, "other")
    async with running(a, b):
        a.publish("nobody", b"x")
        a.publish("other", b"y")
        a.publish("one", bytes(range(256)))
        assert await one.wait(1) == [(a.node_id, bytes(range(256)))]
        assert other.heard == [(a.node_id, b"y")]


async def test_a_large_entry_arrives_and_a_too_large_one_is_dropped(
    make: Callable[[], Bus],
) -> None:
    a, b = make(), make()
    box = Inbox(b)
    async with running(a, b):
        assert not a.publish("t", bytes(MAX_PAYLOAD_BYTES + 1))
        for _ in range(6):
            assert a.publish("t", bytes(MAX_PAYLOAD_BYTES))
        assert [len(payload) for _, payload in await box.wait(6)] == [MAX_PAYLOAD_BYTES] * 6
        assert a.statistics().dropped == 1


async def test_the_queue_is_bounded(make: Callable[[], Bus]) -> None:
    a = make()
    async with running(a):
        taken = [a.publish("t", bytes(MAX_PAYLOAD_BYTES)) for _ in range(100)]
        assert 1 < sum(taken) < 100
        assert a.statistics().dropped == 100 - sum(taken)
        assert a.statistics().waiting_bytes <= 16 * 1024 * 1024


async def test_nothing_is_sent_before_it_runs(make: Callable[[], Bus]) -> None:
    a = make()
    assert not a.is_connected
    assert not a.publish("t", b"x")
    assert a.statistics().dropped == 1
    with pytest.raises(BusAway):
        await a.live_nodes()


async def test_hooks_run_when_it_is_connected(make: Callable[[], Bus]) -> None:
    a = make()
    seen: list[bool] = []
    done = trio.Event()

    async def look() -> None:
        seen.append(a.is_connected)
        done.set()

    a.on_connect(look)
    async with running(a):
        await done.wait()
    assert seen == [True]


async def test_a_hook_that_is_refused_is_awaited_again_and_holds_up_no_other(
    make: Callable[[], Bus],
) -> None:
    a, b = make(), make()
    box = Inbox(b)
    called: list[str] = []
    done = trio.Event()

    async def refused_twice() -> None:
        called.append("refused")
        await trio.lowlevel.checkpoint()
        if called.count("refused") < 3:
            raise BusAway("redis_out_of_memory")
        done.set()

    async def other() -> None:
        called.append("other")
        await trio.lowlevel.checkpoint()

    a.on_connect(refused_twice)
    a.on_connect(other)
    async with running(a, b):
        await done.wait()
        assert called.count("other") == 1
        assert a.publish("t", b"still")
        await box.wait(1)
        assert a.statistics().connects == 1


async def test_sets_belong_to_a_node(make: Callable[[], Bus]) -> None:
    a, b = make(), make()
    async with running(a, b):
        await a.add_members("online", range(2_500))
        await a.remove_members("online", range(10, 2_500))
        await b.add_members("online", [7])
        assert await b.members_of(a.node_id, "online") == frozenset(range(10))
        await a.replace_members("online", [1, 2])
        assert await b.members_of(a.node_id, "online") == {1, 2}
        await a.replace_members("online", [])
        assert await b.members_of(a.node_id, "online") == frozenset()
        assert await a.members_of(b.node_id, "online") == {7}
        assert await a.members_of("00" * 8, "online") == frozenset()


async def test_nodes_know_each_other(make: Callable[[], Bus]) -> None:
    a, b = make(), make()
    async with running(a, b):
        while await a.live_nodes() != {a.node_id, b.node_id}:
            await trio.lowlevel.checkpoint()


async def test_a_farewell_sends_what_waits_and_takes_the_node_off(
    make: Callable[[], Bus],
) -> None:
    a, b = make(), make()
    box = Inbox(b)
    async with running(a, b):
        await a.add_members("online", [1])
        for _ in range(30):
            assert a.publish("t", bytes(100_000))
        await a.farewell()
        assert a.statistics().published == 30
        assert await b.members_of(a.node_id, "online") == frozenset()
        await box.wait(30)
