"""The feed over several nodes, in the moments that random life seldom meets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trio

from actors.chat.ports import NewsArrived
from actors.chat.view import ChatView
from actors.delivery import fanout
from actors.delivery.session import CloseReason
from actors.runtime import ActorFailed, ActorSystem, Address
from actors.system import CHAT, ActorLimits
from actors.user.ports import AttachRefused
from storage.bus_packet import Entry
from storage.errors import Unavailable
from storage.ids import ChatId, Seq, UserId
from tests.helpers.actor_world import Device, World, world
from tests.helpers.cluster_world import Node, SharedLog, node_on
from tests.helpers.commands import add, create, remove, send
from tests.helpers.memory_bus import Network

ANNA, BEN, CARA = 1, 2, 3
ROOM = 10


class Pair:
    """Two nodes; what one tells the other may be held back."""

    def __init__(self, log: SharedLog, network: Network, a: Node, b: Node) -> None:
        self.log = log
        self.network = network
        self.a = a
        self.b = b
        self.held: list[Entry] = []

    def lose_news(self) -> None:
        self.network.spoil = lambda _entries: ()

    def hold_news(self) -> None:
        def hold(entries: list[Entry]) -> Sequence[Entry]:
            self.held += entries
            return ()

        self.network.spoil = hold

    def let_news_pass(self) -> None:
        self.network.spoil = lambda entries: entries

    async def say(self, node: Node, times: int = 1) -> None:
        for _ in range(times):
            await node.ask(ROOM, send(ROOM, ANNA))
        await trio.sleep(0.01)


@asynccontextmanager
async def pair(log: SharedLog | None = None, *, idle_seconds: float = 300.0) -> AsyncIterator[Pair]:
    log, network = log or SharedLog((ANNA, BEN, CARA)), Network()
    limits = ActorLimits(idle_seconds=idle_seconds)
    async with AsyncExitStack() as stack:
        a, b = [
            await stack.enter_async_context(node_on(log, network, limits=limits)) for _ in range(2)
        ]
        await trio.sleep(0.01)
        yield Pair(log, network, a, b)


async def test_news_from_before_the_greeting_that_comes_after_it_is_dense(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with pair() as nodes:
        nodes.hold_news()
        await nodes.a.ask(ROOM, create(ROOM, ANNA, BEN))
        await trio.sleep(0.01)

        def during_the_look_up(access: str) -> None:
            if access == "positions":
                nodes.b.bus.take(nodes.a.bus.node_id, nodes.held)

        nodes.log.fault = during_the_look_up
        ben = await nodes.b.connect(BEN)
        nodes.let_news_pass()
        await nodes.say(nodes.a, 3)

    assert ben.seqs == [1, 2, 3, 4]


class HeldLog(SharedLog):
    """Answers one ``load`` late."""

    def __init__(self, people: Sequence[int]) -> None:
        super().__init__(people)
        self.has_loaded = trio.Event()
        self.may_answer = trio.Event()
        self.is_holding = False

    async def load(self, chat_id: ChatId) -> ChatView | None:
        view = await super().load(chat_id)
        if self.is_holding:
            self.is_holding = False
            self.has_loaded.set()
            await self.may_answer.wait()
        return view


async def test_a_place_is_not_confirmed_by_a_picture_that_is_older_than_it(
    autojump_clock: trio.abc.Clock,
) -> None:
    log = HeldLog((ANNA, BEN, CARA))
    async with pair(log) as nodes, trio.open_nursery() as nursery:
        await nodes.a.ask(ROOM, create(ROOM, ANNA, BEN))
        cara = await nodes.b.connect(CARA)
        nodes.lose_news()
        # Node b's actor has read the chat, without Cara, and does not know yet.
        log.is_holding = True
        nodes.b.system.ref(CHAT, ROOM).tell(NewsArrived())
        await log.has_loaded.wait()
        await nodes.a.ask(ROOM, add(ROOM, ANNA, CARA))
        await nodes.say(nodes.a, 2)
        # Ben gives the chat its place, further on than Cara has heard.
        ben = await nodes.b.connect(BEN)
        log.may_answer.set()
        await trio.sleep(0.01)
        nodes.let_news_pass()
        await nodes.say(nodes.a)
        nursery.cancel_scope.cancel()

    assert cara.seqs == [2, 3, 4, 5]
    assert ben.seqs == [2, 3, 4, 5]


@pytest.mark.parametrize("is_asleep", [False, True])
async def test_who_joined_unnoticed_and_is_removed_hears_the_whole_stay(
    autojump_clock: trio.abc.Clock, is_asleep: bool
) -> None:
    async with pair(idle_seconds=1.0) as nodes:
        await nodes.a.ask(ROOM, create(ROOM, ANNA, BEN))
        cara = await nodes.b.connect(CARA)
        nodes.lose_news()
        await nodes.a.ask(ROOM, add(ROOM, ANNA, CARA))
        await nodes.say(nodes.b)
        if is_asleep:
            await trio.sleep(3)
        await nodes.b.connect(BEN)
        nodes.let_news_pass()
        await (nodes.a if is_asleep else nodes.b).ask(ROOM, remove(ROOM, ANNA, CARA))
        await nodes.say(nodes.a)

    assert cara.seqs == [2, 3, 4]


async def test_who_could_not_be_attached_is_counted_out(autojump_clock: trio.abc.Clock) -> None:
    async with pair() as nodes:

        async def join() -> None:
            await nodes.a.ask(ROOM, create(ROOM, ANNA, BEN))

        def fault(access: str) -> Exception | None:
            if access == "positions":
                nursery.start_soon(join)
            return None

        async def late(user_ids: object) -> dict[UserId, list[tuple[ChatId, Seq]]]:
            await nodes.log._access("positions")
            await trio.sleep(1)
            raise Unavailable("away")

        nodes.log.fault = fault
        nodes.log.of = late  # type: ignore[method-assign]
        async with trio.open_nursery() as nursery:
            with pytest.raises(AttachRefused):
                await nodes.b.connect(BEN)
        assert nodes.b.cluster.relay.statistics().heard == 1
        assert nodes.b.cluster.statistics().audience.users == 0
        assert nodes.b.cluster.statistics().audience.chats == 0


async def test_news_of_an_actor_that_was_stopped_is_told_again(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with pair() as nodes:
        await nodes.a.ask(ROOM, create(ROOM, ANNA, BEN))
        ben = await nodes.b.connect(BEN)
        await nodes.say(nodes.a)

        stop_when_told(nodes.b)
        await nodes.say(nodes.a, 2)
        assert ben.seqs == [2]
        assert nodes.b.cluster.relay.statistics().waiting == 2
        await trio.sleep(6)

    assert ben.seqs == [2, 3, 4]


async def test_a_command_starts_an_actor_that_was_stopped_with_news_in_its_mailbox(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with pair() as nodes:
        await nodes.a.ask(ROOM, create(ROOM, ANNA, BEN))
        ben = await nodes.b.connect(BEN)
        await nodes.say(nodes.a)
        stop_when_told(nodes.b)
        await nodes.say(nodes.a)
        await nodes.say(nodes.b)
        await nodes.say(nodes.a)

    assert ben.seqs == [2, 3, 4, 5]


def stop_when_told(node: Node) -> None:
    """Have an operator stop the chat's actor with the next news still in its mailbox."""
    tell = node.cluster.relay._tell

    def tell_and_stop(chat_id: ChatId, message: object) -> bool:
        node.cluster.relay._tell = tell
        is_told = tell(chat_id, NewsArrived())
        node.system.stop(Address(CHAT, ROOM))
        return is_told

    node.cluster.relay._tell = tell_and_stop


@pytest.mark.parametrize("is_asleep", [False, True])
async def test_who_missed_what_the_log_no_longer_holds_has_to_resume(
    autojump_clock: trio.abc.Clock, is_asleep: bool
) -> None:
    async with pair(idle_seconds=1.0) as nodes:
        await nodes.a.ask(ROOM, create(ROOM, ANNA, BEN))
        ben, cara = await nodes.b.connect(BEN), await nodes.b.connect(CARA)
        await nodes.say(nodes.a)
        if is_asleep:
            await trio.sleep(3)
        nodes.lose_news()
        await nodes.say(nodes.a, 3)
        nodes.log.floor = 4
        nodes.let_news_pass()
        await nodes.say(nodes.a)
        again = await nodes.b.connect(BEN, "again")
        await nodes.say(nodes.a)

    assert (ben.ended, ben.seqs) == ([CloseReason.MISSED_EVENTS], [2])
    assert (again.ended, again.seqs) == ([], [7])
    assert cara.ended == []


async def test_who_was_removed_in_what_the_log_no_longer_holds_has_to_resume_too(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with pair() as nodes:
        await nodes.a.ask(ROOM, create(ROOM, ANNA, BEN))
        ben = await nodes.b.connect(BEN)
        await nodes.say(nodes.a)
        nodes.lose_news()
        await nodes.a.ask(ROOM, remove(ROOM, ANNA, BEN))
        await nodes.say(nodes.a, 2)
        nodes.log.floor = 4
        await trio.sleep(6)

    assert (ben.ended, ben.seqs) == ([CloseReason.MISSED_EVENTS], [2])


async def test_news_of_an_event_that_does_not_exist_ends_nothing(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with pair() as nodes:
        await nodes.a.ask(ROOM, create(ROOM, ANNA, BEN))
        ben = await nodes.b.connect(BEN)
        nodes.b.cluster.relay.catch_up(ChatId(ROOM), Seq(99))
        await nodes.say(nodes.a, 2)

    assert (ben.ended, ben.seqs) == ([], [2, 3])


@pytest.mark.parametrize("is_alone", [True, False])
async def test_an_actor_cut_off_in_the_middle_of_a_hand_out_goes_on_with_it(
    autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch, is_alone: bool
) -> None:
    monkeypatch.setattr(fanout, "SLICE_SESSIONS", 1)
    async with AsyncExitStack() as stack:
        place: Node | World
        if is_alone:
            place = await stack.enter_async_context(world(ANNA, BEN))
        else:
            place = (await stack.enter_async_context(pair())).a
        await place.ask(ROOM, create(ROOM, ANNA, BEN))
        devices = [await place.connect(BEN, f"device {number}") for number in range(3)]
        cut_off_at(devices[0], place.system)
        with pytest.raises(ActorFailed):
            await place.ask(ROOM, send(ROOM, ANNA))
        await trio.sleep(0.1)
        await place.ask(ROOM, send(ROOM, ANNA))

    assert [device.seqs for device in devices] == [[2, 3]] * 3


def cut_off_at(device: Device, system: ActorSystem) -> None:
    """Have an operator restart the chat's actor when a device gets its next event."""
    send_nowait = device.transport.send_nowait

    def send_and_cut(payloads: Sequence[bytes], *, transient: bool = False) -> bool:
        device.transport.send_nowait = send_nowait  # type: ignore[method-assign]
        system.restart(Address(CHAT, ROOM), patience_seconds=0)
        return send_nowait(payloads, transient=transient)

    device.transport.send_nowait = send_and_cut  # type: ignore[method-assign]
