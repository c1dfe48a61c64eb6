"""Random life on several nodes over a bus that loses, doubles, delays and reorders.

However it goes: every session sees each chat as one dense run of what is its person's to see,
nothing twice, nothing of others, and everything that was committed after it was greeted.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial

import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.chat.errors import ChatRefused
from actors.runtime import ActorError
from actors.runtime.testkit import run_virtual
from actors.system import ActorLimits
from actors.user.ports import AttachRefused
from storage.bus_packet import Entry
from storage.errors import CommitUnknown, StorageError, Unavailable
from storage.ids import ChatId
from tests.helpers.actor_world import Device
from tests.helpers.cluster_world import Node, SharedLog, node_on, receivers_of
from tests.helpers.commands import add, create, remove, send
from tests.helpers.memory_bus import Network

EXAMPLES = int(os.environ.get("AEON_NODES_EXAMPLES", "20"))
PEOPLE = (1, 2, 3, 4)
CHATS = (10, 11)
STEPS = 40
QUIET_SECONDS = 30.0


@dataclass
class Watch:
    """A session, and how much had been committed when it was greeted."""

    device: Device
    node: Node
    committed_before: int
    is_open: bool = True


class Life:
    """What happens, drawn from one random source."""

    def __init__(self, rng: random.Random, log: SharedLog, nodes: list[Node]) -> None:
        self.rng = rng
        self.log = log
        self.nodes = nodes
        self.watches: list[Watch] = []
        self.is_spoiled = True

    def spoil(self, entries: list[Entry]) -> Iterable[Entry]:
        if not self.is_spoiled or self.rng.random() < 0.5:
            return entries
        kept = [entry for entry in entries if self.rng.random() < 0.8]
        kept += [entry for entry in entries if self.rng.random() < 0.2]
        self.rng.shuffle(kept)
        return kept

    def fault(self, access: str) -> Exception | None:
        if not self.is_spoiled or self.rng.random() > 0.03:
            return None
        return CommitUnknown("cut off") if access == "commit" else Unavailable("away")

    async def live(self, name: int) -> None:
        for step in range(STEPS):
            await trio.sleep(self.rng.choice((0, 0, 0, 0.01, 0.3)))
            chance = self.rng.random()
            if chance < 0.18:
                await self._connect(f"{name}/{step}")
            elif chance < 0.28:
                self._disconnect()
            else:
                await self._act()

    async def _connect(self, name: str) -> None:
        node = self.rng.choice(self.nodes)
        try:
            device = await node.connect(self.rng.choice(PEOPLE), name)
        except (ActorError, AttachRefused):
            return
        self.watches.append(Watch(device, node, len(self.log.appender.events)))

    def _disconnect(self) -> None:
        open_ones = [watch for watch in self.watches if watch.is_open]
        if open_ones:
            watch = self.rng.choice(open_ones)
            watch.is_open = False
            watch.node.disconnect(watch.device)

    async def _act(self) -> None:
        rng, chat = self.rng, self.rng.choice(CHATS)
        actor, other = rng.choice(PEOPLE), rng.choice(PEOPLE)
        deed = rng.choice(["send"] * 5 + ["create", "add", "add", "remove"])
        command = {
            "send": send(chat, actor),
            "create": create(chat, 1, 2),
            "add": add(chat, 1, other),
            "remove": remove(chat, 1, other),
        }[deed]
        with suppress(ActorError, ChatRefused, StorageError):
            await rng.choice(self.nodes).ask(chat, command)


async def live_and_settle(seed: int) -> Life:
    rng = random.Random(seed)
    log, network = SharedLog(PEOPLE), Network()
    limits = ActorLimits(idle_seconds=0.2, user_idle_seconds=0.2)
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(node_on(log, network, limits=limits)) for _ in range(3)
        ]
        life = Life(rng, log, nodes)
        network.spoil, log.fault = life.spoil, life.fault

        async def cut() -> None:
            while True:
                await trio.sleep(rng.random())
                network.set_up(rng.random() < 0.7)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(cut)
            async with trio.open_nursery() as living:
                for name in range(4):
                    living.start_soon(life.live, name)
            nursery.cancel_scope.cancel()
        life.is_spoiled = False
        network.set_up(True)
        await trio.sleep(QUIET_SECONDS)
        for watch in life.watches:
            assert watch.device.ended == []
    return life


def check(life: Life) -> None:
    order = {id(event): at for at, event in enumerate(life.log.appender.events)}
    for chat in CHATS:
        events = life.log.appender.events_of(ChatId(chat))
        receivers = receivers_of(events)
        for watch in life.watches:
            user_id = watch.device.session.user_id
            theirs = [event for event, who in zip(events, receivers, strict=True) if user_id in who]
            seen = [frame["seq"] for frame in watch.device.frames if frame.get("chat_id") == chat]
            story = f"{watch.device.session.id} of {user_id} in {chat}: {seen}"
            # One dense run of what is theirs: no gap, no repeat, nothing of others.
            first = next((at for at, event in enumerate(theirs) if [event.seq] == seen[:1]), 0)
            assert seen == [event.seq for event in theirs[first : first + len(seen)]], story
            owed = [e.seq for e in theirs if order[id(e)] >= watch.committed_before]
            if watch.is_open:
                assert seen[-len(owed) :] == owed or not owed, f"{story}, owed {owed}"
            elif seen and owed:
                assert seen[0] <= owed[0], story


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), schedule=st.random_module())
def test_every_session_sees_what_is_its_own_once_and_in_order(seed: int, schedule: object) -> None:
    check(run_virtual(partial(live_and_settle, seed)))
