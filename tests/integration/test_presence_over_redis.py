"""Presence over a real Redis: nodes are killed and stopped, Redis is flushed and restarted."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import trio

from actors.delivery.fanout import Fanout
from actors.user.presence import Presence
from actors.user.presence_link import LinkTimes, PresenceLink
from aeon.wire.events import WireEncoder
from storage.bus_redis import RedisBus, RedisOptions
from storage.ids import UserId
from tests.helpers.acquaintances import FakeAcquaintances
from tests.helpers.redis import RedisServer, running_redis

ROOT = Path(__file__).parents[2]
A, B = UserId(1), UserId(2)
OPTIONS = RedisOptions(heartbeat_seconds=0.1, node_expiry_seconds=0.5)
TIMES = LinkTimes(sweep_seconds=0.1, gone_seconds=0.3, sweeps_between_checks=3)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@asynccontextmanager
async def node(redis: RedisServer) -> AsyncIterator[Presence]:
    """One node's presence, in this process."""
    bus = RedisBus(redis.url, namespace="test", options=OPTIONS)
    presence = Presence(FakeAcquaintances(), Fanout(), WireEncoder())
    link = PresenceLink(bus, presence, times=TIMES)
    async with trio.open_nursery() as nursery:
        await nursery.start(bus.run)
        await nursery.start(link.run)
        nursery.start_soon(presence.run)
        yield presence
        nursery.cancel_scope.cancel()


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(60):
        while not condition():  # noqa: ASYNC110 - what comes over Redis comes when it comes
            await trio.sleep(0.01)


@contextmanager
def other_process(redis: RedisServer) -> Iterator[subprocess.Popen[bytes]]:
    """A node in a process of its own, where B is online."""
    process = subprocess.Popen([sys.executable, "-m", __spec__.name, redis.url], cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def test_people_of_a_killed_process_go_offline(redis: RedisServer) -> None:
    async with node(redis) as here:
        with other_process(redis) as process:
            await until(lambda: here.is_online(B))
            process.send_signal(signal.SIGKILL)
            await until(lambda: not here.is_online(B))

        assert here.statistics().other_nodes == 0


async def test_people_of_a_stopped_process_come_back_with_it(redis: RedisServer) -> None:
    async with node(redis) as here:
        with other_process(redis) as process:
            await until(lambda: here.is_online(B))
            process.send_signal(signal.SIGSTOP)
            await until(lambda: not here.is_online(B))
            process.send_signal(signal.SIGCONT)
            await until(lambda: here.is_online(B))


async def test_a_redis_that_restarts_empty_or_is_flushed_takes_nobody_offline(
    redis: RedisServer,
) -> None:
    async with node(redis) as one, node(redis) as two:
        one.announce(A, is_online=True)
        await until(lambda: two.is_online(A))
        redis.stop()
        two.announce(B, is_online=True)
        await until(lambda: not one.is_current and not two.is_current)
        assert two.is_online(A)
        redis.start()
        await until(lambda: one.is_online(B) and two.is_online(A))
        await until(lambda: one.is_current and two.is_current)
        redis.flush()
        async with node(redis) as late:
            await until(lambda: late.is_online(A) and late.is_online(B))
        assert one.is_online(B)
        assert two.is_online(A)


async def _main(url: str) -> None:
    server = RedisServer(Path())
    server.port = int(url.rpartition(":")[2].partition("/")[0])
    async with node(server) as presence:
        presence.announce(B, is_online=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    trio.run(_main, sys.argv[1])
