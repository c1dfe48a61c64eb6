"""What can go wrong, each with its own healing; chosen and timed by chance, by the run's seed."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import trio

from aeon.load.cluster.bus_proxy import Weather
from aeon.load.cluster.kinds import KINDS
from aeon.load.cluster.world import Node, World
from storage.errors import StorageError

AT_ONCE: Final = 3
HEAL_SECONDS: Final = 3.0
"""Before the end of the load no new fault begins."""
NODE_AWAY_SECONDS: Final = 60.0
POSTGRES_AWAY_SECONDS: Final = 60.0
_UNDO_AGAIN_SECONDS: Final = 0.1
_REFUSALS: Final = {
    "redis-full": ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
    "redis-read-only": ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
    "redis-mute": ("ACL SETUSER default -publish", "ACL SETUSER default +publish"),
}
"""What makes Redis refuse some of what nodes ask, and what undoes it."""
STUBBORN: Final = "node-did-not-stop"
"""In the report: a node that a signal did not end in time, and that was killed."""


class Faults:
    """Breaks a world, one thing after the other, and heals each again."""

    def __init__(
        self, world: World, *, seed: int, kinds: Collection[str] = (), pause_seconds: float = 4.0
    ) -> None:
        """Prepare faults.

        Args:
            world: what they befall.
            seed: decides what happens when.
            kinds: what to choose from; empty: everything.
            pause_seconds: mean time between the beginnings of two; they may overlap.
        """
        self._world = world
        self._chance = random.Random(f"{seed}/faults")
        self._pause_seconds = pause_seconds
        self._busy: set[object] = set()
        self._under_way = 0
        self.injected: Counter[str] = Counter()
        self.kinds = {name: self._all_kinds()[name] for name in kinds or KINDS}

    async def inject(self, seconds: float) -> None:
        """Break things for a time; returns when everything is healed.

        Cancellation leaves things broken: the world is about to be torn down.
        """
        end = trio.current_time() + seconds - HEAL_SECONDS
        async with trio.open_nursery() as nursery:
            while True:
                pause = self._chance.expovariate(1 / self._pause_seconds)
                if trio.current_time() + pause >= end:
                    return
                await trio.sleep(pause)
                if self._under_way < AT_ONCE:
                    name = self._chance.choice(sorted(self.kinds))
                    nursery.start_soon(self._break, name)

    async def _break(self, name: str) -> None:
        self._under_way += 1
        try:
            if await self.kinds[name]():
                self.injected[name] += 1
        finally:
            self._under_way -= 1

    def _all_kinds(self) -> Mapping[str, Callable[[], Awaitable[bool]]]:
        return {
            "node-kill": lambda: self._end_node(signal.SIGKILL),
            "node-restart": lambda: self._end_node(signal.SIGTERM),
            "node-hold": self._hold_node,
            "redis-restart": self._restart_redis,
            "redis-hold": self._hold_redis,
            "redis-flush": self._flush_redis,
            **{name: partial(self._make_redis_refuse, name) for name in _REFUSALS},
            "bus-weather": self._bad_weather,
            "bus-cut": self._cut_bus,
            "bus-hang-up": self._hang_up,
            "postgres-restart": self._restart_postgres,
            "postgres-crash": lambda: self._signal_backends(signal.SIGKILL, 1),
            "backend-kill": lambda: self._signal_backends(signal.SIGTERM, 3),
        }

    # Nodes: one at least is always left alone, so that somebody serves.

    async def _end_node(self, number: signal.Signals) -> bool:
        node = self._take_node()
        if node is None:
            return False
        try:
            has_ended = node.has_ended
            node.may_start = trio.Event()
            node.server.send(number)
            with trio.move_on_after(NODE_AWAY_SECONDS):
                await has_ended.wait()
            if not has_ended.is_set():
                self.injected[STUBBORN] += 1
                node.server.send(signal.SIGKILL)
                await has_ended.wait()
            await self._wait(0.0, 3.0)
            node.may_start.set()
            with trio.move_on_after(NODE_AWAY_SECONDS):
                await node.is_up.wait()
        finally:
            self._busy.discard(node)
        return True

    async def _hold_node(self) -> bool:
        node = self._take_node()
        if node is None:
            return False
        try:
            node.server.send(signal.SIGSTOP)
            await self._wait(0.5, 6.0)
        finally:
            node.server.send(signal.SIGCONT)
            self._busy.discard(node)
        return True

    def _take_node(self) -> Node | None:
        free = [
            node for node in self._world.nodes if node not in self._busy and node.is_up.is_set()
        ]
        if len(free) < 2:
            return None
        node = self._chance.choice(free)
        self._busy.add(node)
        return node

    # Redis, and the way to it

    async def _restart_redis(self) -> bool:
        if not self._take("redis"):
            return False
        try:
            await self._world.redis.kill()
            await self._wait(0.0, 4.0)
            await self._world.redis.start()
        finally:
            self._busy.discard("redis")
        return True

    async def _hold_redis(self) -> bool:
        if not self._take("redis"):
            return False
        try:
            self._world.redis.send(signal.SIGSTOP)
            await self._wait(0.5, 5.0)
        finally:
            self._world.redis.send(signal.SIGCONT)
            self._busy.discard("redis")
        return True

    async def _flush_redis(self) -> bool:
        if not self._take("redis"):
            return False
        try:
            return await self._world.redis.tell("FLUSHALL")
        finally:
            self._busy.discard("redis")

    async def _make_redis_refuse(self, name: str) -> bool:
        """Let it answer and say no, as a full, a demoted or a wrongly permitted one does."""
        if not self._take("redis"):
            return False
        command, undo = _REFUSALS[name]
        try:
            is_done = await self._world.redis.tell(command)
            await self._wait(2.0, 8.0)
            while not await self._world.redis.tell(undo):  # noqa: ASYNC110 - another process
                await trio.sleep(_UNDO_AGAIN_SECONDS)
        finally:
            self._busy.discard("redis")
        return is_done

    async def _bad_weather(self) -> bool:
        weather = Weather(
            delay_seconds=self._chance.choice((0.0, 0.05, 0.3)),
            reordered=self._chance.choice((0.0, 0.3)),
            doubled=self._chance.choice((0.0, 0.2)),
            lost=self._chance.choice((0.0, 0.1, 0.3)),
        )
        return await self._let_weather_be(weather, most_seconds=8.0)

    async def _cut_bus(self) -> bool:
        return await self._let_weather_be(Weather(is_cut=True), most_seconds=6.0)

    async def _let_weather_be(self, weather: Weather, *, most_seconds: float) -> bool:
        proxy = self._chance.choice(self._world.nodes).proxy
        if not self._take(proxy):
            return False
        try:
            proxy.change(weather)
            await self._wait(1.0, most_seconds)
        finally:
            proxy.change(Weather())
            self._busy.discard(proxy)
        return True

    async def _hang_up(self) -> bool:
        self._chance.choice(self._world.nodes).proxy.hang_up()
        return True

    # PostgreSQL: the embedded server's own watch starts it again.

    async def _restart_postgres(self) -> bool:
        if not self._take("postgres"):
            return False
        try:
            os.kill(self._world.postgres.pid, signal.SIGINT)
            await self._wait(3.0, 5.0)
            await self._until_postgres_serves()
        except ProcessLookupError:
            return False
        finally:
            self._busy.discard("postgres")
        return True

    async def _signal_backends(self, number: signal.Signals, most: int) -> bool:
        if not self._take("postgres"):
            return False
        try:
            backends = _client_backends(self._world.postgres.pid)
            chosen = self._chance.sample(backends, min(most, len(backends)))
            for pid in chosen:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue  # it ended by itself meanwhile
            await self._wait(0.5, 2.0)
            await self._until_postgres_serves()
        finally:
            self._busy.discard("postgres")
        return bool(chosen)

    async def _until_postgres_serves(self) -> None:
        """Wait for its recovery: a PostgreSQL 18 that is told to end during one never does."""
        with trio.move_on_after(POSTGRES_AWAY_SECONDS):
            while True:
                try:
                    async with self._world.database.connection() as conn:
                        await conn.fetch_one("select 1")
                except StorageError:
                    await trio.sleep(0.1)
                else:
                    return

    def _take(self, target: object) -> bool:
        if target in self._busy:
            return False
        self._busy.add(target)
        return True

    async def _wait(self, least: float, most: float) -> None:
        await trio.sleep(self._chance.uniform(least, most))


def _client_backends(postmaster: int) -> list[int]:
    """Find the processes that serve connections: PostgreSQL writes what each does in its title."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((directory / "stat").read_text().rpartition(")")[2].split()[1])
            title = (directory / "cmdline").read_bytes()
        except OSError:
            continue  # it ended while we looked
        if parent == postmaster and b"[local]" in title:
            found.append(int(directory.name))
    return sorted(found)
