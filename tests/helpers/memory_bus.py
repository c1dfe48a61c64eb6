"""A bus in memory, with a network between the nodes that tests may spoil.

``tests/contract/test_buses.py`` runs the same cases against it and the one over Redis.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable

import trio

from storage.bus import BusAway, BusStatistics, ConnectHook, Handler
from storage.bus_outgoing import Outgoing
from storage.bus_packet import Entry, decode_packet, encode_packet

HOOK_AGAIN_SECONDS = 0.1
Spoil = Callable[[list[Entry]], Iterable[Entry]]
"""What becomes of a packet's entries on their way to one receiver."""


class Network:
    """What connects memory buses. ``spoil`` may drop, double and reorder; ``is_up`` cuts all."""

    def __init__(self) -> None:
        self.buses: list[MemoryBus] = []
        self.is_up = True
        self.spoil: Spoil = lambda entries: entries
        self.changed = trio.Event()
        self._numbers = itertools.count(1)

    def bus(self) -> MemoryBus:
        made = MemoryBus(self, f"{next(self._numbers):016x}")
        self.buses.append(made)
        return made

    def set_up(self, is_up: bool) -> None:
        self.is_up = is_up
        changed, self.changed = self.changed, trio.Event()
        changed.set()

    def carry(self, sender: MemoryBus, entries: list[Entry]) -> None:
        packet = encode_packet(sender.node_id, entries)
        for bus in self.buses:
            if bus is not sender and bus.is_connected:
                node_id, arrived = decode_packet(packet)
                bus.take(node_id, list(self.spoil(arrived)))

    def forget_sets(self) -> None:
        """As when Redis is flushed."""
        for bus in self.buses:
            bus.sets.clear()


class MemoryBus:
    """``storage.bus.Bus`` without anything outside the process."""

    def __init__(self, network: Network, node_id: str) -> None:
        self.network = network
        self.sets: dict[str, set[int]] = {}
        self._node_id = node_id
        self._handlers: dict[str, list[Handler]] = {}
        self._hooks: list[ConnectHook] = []
        self._outgoing = Outgoing()
        self._has_waiting = trio.Event()
        self._is_connected = False
        self.is_refused = False
        self._published = self._received = self._dropped = self._connects = 0

    @property
    def node_id(self) -> str:
        return self._node_id

    @property
    def is_connected(self) -> bool:
        return self._is_connected

    def publish(self, topic: str, payload: bytes) -> bool:
        if not self._is_connected or not self._outgoing.offer(topic, payload):
            self._dropped += 1
            return False
        self._has_waiting.set()
        return True

    def on(self, topic: str, handler: Handler) -> None:
        self._handlers.setdefault(topic, []).append(handler)

    def on_connect(self, hook: ConnectHook) -> None:
        self._hooks.append(hook)

    def take(self, sender: str, entries: list[Entry]) -> None:
        self._received += len(entries)
        for topic, payload in entries:
            for handler in self._handlers.get(topic, ()):
                handler(sender, payload)

    async def live_nodes(self) -> frozenset[str]:
        await self._ask()
        return frozenset(bus.node_id for bus in self.network.buses if bus.is_connected)

    async def add_members(self, name: str, members: Collection[int]) -> None:
        await self._ask()
        self.sets.setdefault(name, set()).update(members)

    async def remove_members(self, name: str, members: Collection[int]) -> None:
        await self._ask()
        self.sets.setdefault(name, set()).difference_update(members)

    async def replace_members(self, name: str, members: Collection[int]) -> None:
        await self._ask()
        self.sets[name] = set(members)

    async def members_of(self, node_id: str, name: str) -> frozenset[int]:
        await self._ask()
        for bus in self.network.buses:
            if bus.node_id == node_id and bus.is_connected:
                return frozenset(bus.sets.get(name, ()))
        return frozenset()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        try:
            while True:
                if self.network.is_up:
                    self._is_connected = True
                    self._connects += 1
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._send)
                        for hook in self._hooks:
                            nursery.start_soon(self._greet, hook)
                        await self._wait_until(is_up=False)
                        nursery.cancel_scope.cancel()
                self._is_connected = False
                self._dropped += self._outgoing.clear()
                await self._wait_until(is_up=True)
        finally:
            self._is_connected = False

    async def farewell(self) -> None:
        self.sets.clear()
        while self._is_connected and len(self._outgoing):
            await trio.lowlevel.checkpoint()

    def statistics(self) -> BusStatistics:
        return BusStatistics(
            is_connected=self._is_connected,
            is_refused=self.is_refused,
            published=self._published,
            received=self._received,
            dropped=self._dropped,
            ignored=0,
            packets_sent=0,
            packets_received=0,
            connects=self._connects,
            waiting=len(self._outgoing),
            waiting_bytes=self._outgoing.waiting_bytes,
            last_error=None,
        )

    async def _send(self) -> None:
        while True:
            await self._has_waiting.wait()
            self._has_waiting = trio.Event()
            # As over a network: the entry is on its way when others have had a turn.
            await trio.lowlevel.checkpoint()
            while entries := self._outgoing.take():
                self._published += len(entries)
                self.network.carry(self, entries)

    async def _greet(self, hook: ConnectHook) -> None:
        while True:
            try:
                await hook()
            except BusAway:
                await trio.sleep(HOOK_AGAIN_SECONDS)
            else:
                return

    async def _ask(self) -> None:
        await trio.lowlevel.checkpoint()
        if not self._is_connected:
            raise BusAway("redis_unreachable")

    async def _wait_until(self, *, is_up: bool) -> None:
        while self.network.is_up is not is_up:
            await self.network.changed.wait()
