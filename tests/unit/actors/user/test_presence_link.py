"""Presence over several nodes on one bus, in virtual time, over a network that is spoilt."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
import trio

from actors.delivery.fanout import Fanout
from actors.user.presence import Presence
from actors.user.presence_link import LinkTimes, PresenceLink, decode_changes, encode_changes
from aeon.wire.events import WireEncoder
from storage.bus import BusAway
from storage.bus_packet import Entry
from storage.ids import UserId
from tests.helpers.acquaintances import FakeAcquaintances
from tests.helpers.memory_bus import MemoryBus, Network

A, B, C = 1, 2, 3
TIMES = LinkTimes()
SETTLED_SECONDS = 2 * TIMES.sweep_seconds
CHECKED_SECONDS = (TIMES.sweeps_between_checks + 2) * TIMES.sweep_seconds


class Node:
    """One node's presence on the bus."""

    def __init__(self, bus: MemoryBus) -> None:
        self.bus = bus
        self.acquaintances = FakeAcquaintances()
        self.presence = Presence(self.acquaintances, Fanout(), WireEncoder())
        self.link = PresenceLink(bus, self.presence)
        self.scope = trio.CancelScope()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with self.scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.bus.run)
                await nursery.start(self.link.run)
                nursery.start_soon(self.presence.run)
                task_status.started()

    def come(self, user_id: int) -> None:
        self.presence.announce(UserId(user_id), is_online=True)

    def go(self, user_id: int) -> None:
        self.presence.announce(UserId(user_id), is_online=False)

    @property
    def online(self) -> set[int]:
        return {user_id for user_id in range(1, 50) if self.presence.is_online(UserId(user_id))}


@asynccontextmanager
async def nodes(count: int, network: Network) -> AsyncIterator[list[Node]]:
    made = [Node(network.bus()) for _ in range(count)]
    async with trio.open_nursery() as nursery:
        for node in made:
            await nursery.start(node.run)
        yield made
        nursery.cancel_scope.cancel()


async def test_online_on_any_node_is_online_on_all(autojump_clock: trio.abc.Clock) -> None:
    async with nodes(3, Network()) as (one, two, three):
        one.come(A)
        two.come(A)
        two.come(B)
        await trio.sleep(0.1)
        assert one.online == two.online == three.online == {A, B}
        one.go(A)
        await trio.sleep(0.1)
        assert three.online == {A, B}
        two.go(A)
        await trio.sleep(0.1)
        assert one.online == two.online == three.online == {B}


async def test_a_node_that_comes_later_learns_who_is_there(autojump_clock: trio.abc.Clock) -> None:
    network = Network()
    async with nodes(1, network) as (one,), trio.open_nursery() as nursery:
        one.come(A)
        await trio.sleep(0.1)
        late = Node(network.bus())
        await nursery.start(late.run)
        late.come(B)
        await trio.sleep(0.1)

        assert one.online == late.online == {A, B}
        assert late.presence.statistics().is_current
        nursery.cancel_scope.cancel()


async def test_a_killed_node_takes_its_people_offline_in_time(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with nodes(3, Network()) as (one, two, three):
        for user_id in (A, B, C):
            three.come(user_id)
        await trio.sleep(0.1)
        three.scope.cancel()
        two.come(C)
        await trio.sleep(TIMES.gone_seconds - 0.1)
        assert one.online == {A, B, C}, "a node that may be back in a moment is waited for"
        await trio.sleep(TIMES.sweep_seconds + 0.2)

        assert one.online == two.online == {C}
        assert one.presence.statistics().other_nodes == 1
        await trio.sleep(2)
        assert (one.acquaintances.seen, two.acquaintances.seen) == ([A, B], [])


async def test_a_lost_change_is_noticed_by_the_next_or_by_the_sweep(
    autojump_clock: trio.abc.Clock,
) -> None:
    network = Network()
    async with nodes(2, network) as (one, two):
        await trio.sleep(1)
        network.spoil = lambda _entries: ()
        one.come(A)
        await trio.sleep(0.1)
        network.spoil = lambda entries: entries
        assert two.online == set()
        one.come(B)
        await trio.sleep(0.1)
        assert two.online == {A, B}
        network.spoil = lambda _entries: ()
        one.go(A)
        await trio.sleep(0.1)
        network.spoil = lambda entries: entries
        await trio.sleep(SETTLED_SECONDS)
        assert two.online == {B}


async def test_while_the_bus_is_away_the_last_picture_stands(
    autojump_clock: trio.abc.Clock,
) -> None:
    network = Network()
    async with nodes(2, network) as (one, two):
        one.come(A)
        await trio.sleep(1)
        network.set_up(False)
        one.go(A)
        one.come(B)
        two.come(C)
        await trio.sleep(10 * TIMES.gone_seconds)
        assert (one.online, two.online) == ({B}, {A, C})
        assert not two.presence.statistics().is_current
        network.set_up(True)
        await trio.sleep(1)

        assert one.online == two.online == {B, C}
        assert two.presence.statistics().is_current


async def test_what_redis_forgot_is_written_anew(autojump_clock: trio.abc.Clock) -> None:
    network = Network()
    async with nodes(1, network) as (one,), trio.open_nursery() as nursery:
        one.come(A)
        await trio.sleep(1)
        network.forget_sets()
        late = Node(network.bus())
        await nursery.start(late.run)
        await trio.sleep(CHECKED_SECONDS)

        assert late.online == {A}
        nursery.cancel_scope.cancel()


class SlowReadingBus(MemoryBus):
    """Reads a set at once, and answers when the test lets it."""

    def __init__(self, network: Network, node_id: str) -> None:
        super().__init__(network, node_id)
        self.has_read = trio.Event()
        self.may_answer = trio.Event()
        self.is_to_fail = False

    async def members_of(self, node_id: str, name: str) -> frozenset[int]:
        members = await super().members_of(node_id, name)
        self.has_read.set()
        await self.may_answer.wait()
        if self.is_to_fail:
            raise BusAway("redis_unreachable")
        return members


@asynccontextmanager
async def slow_reader_beside(
    one: Node, network: Network
) -> AsyncIterator[tuple[Node, SlowReadingBus]]:
    """Give a node that has read what ``one`` wrote and waits for the answer."""
    bus = SlowReadingBus(network, "ff" * 8)
    network.buses.append(bus)
    late = Node(bus)
    async with trio.open_nursery() as nursery:
        await nursery.start(late.run)
        await bus.has_read.wait()
        yield late, bus
        nursery.cancel_scope.cancel()


async def test_what_is_heard_while_a_set_is_read_goes_on_top(
    autojump_clock: trio.abc.Clock,
) -> None:
    network = Network()
    async with nodes(1, network) as (one,):
        one.come(A)
        await trio.sleep(1)
        async with slow_reader_beside(one, network) as (late, bus):
            bus.may_answer.set()
            await trio.sleep(1)
            bus.may_answer, bus.has_read = trio.Event(), trio.Event()
            network.spoil = lambda _entries: ()
            one.come(C)
            await trio.sleep(0.1)
            network.spoil = lambda entries: entries
            await bus.has_read.wait()
            assert late.online == {A}, "the sweep has told of the loss; the answer is awaited"
            one.go(A)
            one.come(B)
            await trio.sleep(0.1)
            bus.has_read = trio.Event()
            bus.may_answer.set()
            await trio.sleep(0.1)
            assert late.online == {B, C}
            assert not bus.has_read.is_set(), "nothing was missing, nothing is read again"


async def test_a_change_lost_while_a_set_is_read_has_it_read_again(
    autojump_clock: trio.abc.Clock,
) -> None:
    network = Network()
    async with nodes(1, network) as (one,):
        one.come(A)
        await trio.sleep(1)
        async with slow_reader_beside(one, network) as (late, bus):
            one.come(C)
            await trio.sleep(0.1)
            network.spoil = lambda _entries: ()
            one.go(A)
            await trio.sleep(0.1)
            network.spoil = lambda entries: entries
            one.come(B)
            await trio.sleep(0.1)
            bus.may_answer.set()
            await trio.sleep(0.1)
            assert late.online == {B, C}


async def test_what_was_heard_during_a_reading_that_failed_is_forgotten(
    autojump_clock: trio.abc.Clock,
) -> None:
    network = Network()
    async with nodes(1, network) as (one,):
        await trio.sleep(1)
        async with slow_reader_beside(one, network) as (late, bus):
            noted: list[int] = []
            late.presence.note = lambda user_ids, **_: noted.extend(user_ids)  # type: ignore[method-assign]
            one.come(A)
            await trio.sleep(0.1)
            bus.is_to_fail = True
            bus.may_answer.set()
            await trio.sleep(0.1)
            network.set_up(False)
            one.go(A)
            await trio.sleep(1)
            bus.is_to_fail = False
            network.set_up(True)
            await trio.sleep(1)
            assert late.online == set()
            assert noted == []


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_is_lost_doubled_or_cut_all_nodes_agree_in_the_end(
    autojump_clock: trio.abc.Clock, seed: int
) -> None:
    random = Random(seed)
    network = Network()

    def spoil(entries: list[Entry]) -> list[Entry]:
        kept = [entry for entry in entries if random.random() > 0.2]
        return kept + [entry for entry in kept if random.random() < 0.1]

    async with nodes(3, network) as made:
        truth: list[set[int]] = [set(), set(), set()]
        network.spoil = spoil
        for _ in range(400):
            at, user_id = random.randrange(3), random.randrange(1, 20)
            if random.random() < 0.5:
                made[at].come(user_id)
                truth[at].add(user_id)
            else:
                made[at].go(user_id)
                truth[at].discard(user_id)
            if random.random() < 0.02:
                network.set_up(not network.is_up)
            if random.random() < 0.3:
                await trio.sleep(random.random())
        network.set_up(True)
        network.spoil = lambda entries: entries
        await trio.sleep(SETTLED_SECONDS)

        for node in made:
            assert node.online == set.union(*truth)


def test_changes_survive_their_encoding() -> None:
    changes = {UserId(2**52): True, UserId(7): False}

    assert decode_changes(encode_changes(9, changes)) == (9, changes)
    assert decode_changes(encode_changes(9, {})) == (9, {})


async def test_nonsense_of_others_is_ignored(autojump_clock: trio.abc.Clock) -> None:
    async with nodes(2, Network()) as (one, two):
        one.bus.publish("presence", b"nonsense")
        one.bus.publish("presence", b"")
        one.come(A)
        await trio.sleep(SETTLED_SECONDS)

        assert two.online == {A}


async def test_what_redis_refused_for_a_while_leaves_no_mark(
    autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse() -> frozenset[str]:
        raise BusAway("redis_loading")

    async with nodes(2, Network()) as (one, _):
        await trio.sleep(SETTLED_SECONDS)
        with monkeypatch.context() as patch:
            patch.setattr(one.bus, "live_nodes", refuse)
            await trio.sleep(SETTLED_SECONDS)
            assert not one.presence.statistics().is_current
        await trio.sleep(SETTLED_SECONDS)
        assert one.presence.statistics().is_current
