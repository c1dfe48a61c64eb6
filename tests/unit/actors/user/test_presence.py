"""Presence in rounds, in virtual time: who is told of whom, how often, and in how many writes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import orjson
import trio
import trio.testing

from actors.delivery.fanout import Fanout
from actors.delivery.session import Session
from actors.user.presence import FRAMES_BEFORE_TURN, Presence
from aeon.wire.events import WireEncoder
from storage.ids import UserId
from tests.helpers.acquaintances import FakeAcquaintances
from tests.helpers.transports import RecordingTransport


class Stage:
    """Presence, and people who come and go."""

    def __init__(self, acquaintances: FakeAcquaintances) -> None:
        self.acquaintances = acquaintances
        self.fanout = Fanout()
        self.presence = Presence(
            acquaintances, self.fanout, WireEncoder(), unix_time=trio.current_time
        )
        self.transports: dict[int, RecordingTransport] = {}
        self.sessions: dict[int, Session] = {}

    def come(self, user_id: int) -> None:
        transport = self.transports[user_id] = RecordingTransport()
        session = self.sessions[user_id] = Session(
            session_id=f"s{user_id}",
            user_id=UserId(user_id),
            transport=transport,
            on_close=lambda _reason: None,
        )
        self.fanout.attach(session)
        self.presence.announce(UserId(user_id), is_online=True)

    def go(self, user_id: int) -> None:
        self.fanout.detach(self.sessions[user_id])
        self.presence.announce(UserId(user_id), is_online=False)

    def told(self, receiver: int) -> list[tuple[int, bool]]:
        """What a receiver was told, in order."""
        frames = [orjson.loads(payload) for payload in self.transports[receiver].transient]
        return [(frame["user_id"], frame["is_online"]) for frame in frames]


@asynccontextmanager
async def stage(
    know_each_other: Callable[[int, int], bool] = lambda _a, _b: True,
) -> AsyncIterator[Stage]:
    made = Stage(FakeAcquaintances(know_each_other))
    async with trio.open_nursery() as nursery:
        await nursery.start(made.presence.run)
        yield made
        nursery.cancel_scope.cancel()


async def test_the_first_news_goes_out_at_once_and_the_next_a_second_later(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with stage() as on:
        on.come(1)
        await trio.sleep(5)
        on.come(2)
        await trio.testing.wait_all_tasks_blocked()
        assert on.told(1) == [(2, True)]
        on.come(3)
        await trio.sleep(0.9)
        assert on.told(1) == [(2, True)]
        await trio.sleep(0.2)
        assert on.told(1) == [(2, True), (3, True)]


async def test_who_comes_is_told_of_nobody_who_was_there_before(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with stage() as on:
        on.come(1)
        await trio.sleep(5)
        on.come(2)
        await trio.sleep(5)

        assert on.told(2) == []


async def test_of_two_who_come_in_one_round_the_earlier_is_told(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with stage() as on:
        on.come(1)
        await trio.testing.wait_all_tasks_blocked()
        on.come(2)
        on.come(3)
        await trio.sleep(5)

        assert on.told(1) == [(2, True), (3, True)]
        assert on.told(2) == [(3, True)]
        assert on.told(3) == []


async def test_who_flaps_within_a_round_is_not_told_of(autojump_clock: trio.abc.Clock) -> None:
    async with stage() as on:
        on.come(1)
        on.come(2)
        await trio.sleep(5)
        on.come(9)
        await trio.testing.wait_all_tasks_blocked()
        on.go(2)
        on.come(2)
        await trio.sleep(5)

        assert on.told(1) == [(2, True), (9, True)]
        assert on.acquaintances.seen == []


async def test_who_leaves_is_told_of_also_to_who_has_just_come(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with stage() as on:
        on.come(1)
        on.come(2)
        await trio.sleep(5)
        on.come(9)
        await trio.testing.wait_all_tasks_blocked()
        on.go(2)
        on.come(3)
        await trio.sleep(5)

        assert on.told(1) == [(2, True), (9, True), (2, False), (3, True)]
        assert on.told(3) == [(2, False)]
        assert on.acquaintances.seen == [2]


async def test_strangers_are_told_nothing(autojump_clock: trio.abc.Clock) -> None:
    async with stage(lambda one, other: one + other == 3) as on:
        for user_id in (1, 2, 3):
            on.come(user_id)
            await trio.sleep(2)

        assert (on.told(1), on.told(2), on.told(3)) == ([(2, True)], [], [])


async def test_a_storm_costs_each_pair_one_frame_and_each_receiver_one_write_a_round(
    autojump_clock: trio.abc.Clock,
) -> None:
    people = 500
    async with stage() as on:
        for user_id in range(1, people + 1):
            on.come(user_id)
            if user_id % 100 == 0:
                await trio.sleep(0.5)
        await trio.sleep(5)
        statistics = on.presence.statistics()

        assert statistics.frames == people * (people - 1) // 2 > FRAMES_BEFORE_TURN
        assert statistics.announced == people
        assert statistics.rounds == on.acquaintances.look_ups <= 4
        writes = [transport.transient_writes for transport in on.transports.values()]
        assert max(writes) <= statistics.rounds
        assert len(on.told(1)) == people - 1


async def test_news_is_lost_and_counted_while_the_database_is_away(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with stage() as on:
        on.come(1)
        await trio.sleep(5)
        on.acquaintances.is_away = True
        on.come(2)
        await trio.sleep(5)
        on.acquaintances.is_away = False
        on.come(3)
        await trio.sleep(5)
        on.go(2)
        await trio.sleep(5)

        assert on.told(1) == [(3, True), (2, False)]
        assert on.presence.statistics().lost == 1


async def test_when_the_node_stops_everybody_here_was_seen(autojump_clock: trio.abc.Clock) -> None:
    async with stage() as on:
        on.come(1)
        on.come(2)
        await trio.sleep(5)
        on.go(2)

    assert sorted(on.acquaintances.seen) == [1, 2]
