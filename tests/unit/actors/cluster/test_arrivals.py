"""Arrivals: look-ups are shared, and nobody is counted in who will not be counted out."""

from __future__ import annotations

from collections.abc import Collection

import pytest
import trio
import trio.testing

from actors.cluster.arrivals import Arrivals
from actors.cluster.audience import Audience
from storage.errors import Unavailable
from storage.ids import ChatId, Seq, UserId

ANNA, BEN, CARA = UserId(1), UserId(2), UserId(3)
CHAT = ChatId(10)


class SlowPositions:
    """Answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[set[UserId]] = []
        self.may_answer = trio.Event()
        self.is_away = False

    async def of(self, user_ids: Collection[UserId]) -> dict[UserId, list[tuple[ChatId, Seq]]]:
        self.asked.append(set(user_ids))
        await self.may_answer.wait()
        if self.is_away:
            raise Unavailable("away")
        return {user_id: [(CHAT, Seq(1))] for user_id in user_ids}


class Turns(trio.abc.Instrument):
    """Notes how many people are in whenever some task has its turn."""

    def __init__(self, audience: Audience) -> None:
        self.seen: set[int] = set()
        self._audience = audience

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.seen.add(len(self._audience.users()))


def made() -> tuple[Arrivals, Audience, SlowPositions]:
    audience, positions = Audience(), SlowPositions()
    return Arrivals(audience, positions, lambda _chat_id, _seq: None), audience, positions


async def test_who_comes_during_a_look_up_shares_the_next(nursery: trio.Nursery) -> None:
    arrivals, audience, positions = made()
    await nursery.start(arrivals.run)
    for user_id in (ANNA, BEN, CARA):
        nursery.start_soon(arrivals.enter, user_id)
        await trio.testing.wait_all_tasks_blocked()
    positions.may_answer.set()
    await trio.testing.wait_all_tasks_blocked()
    assert positions.asked == [{ANNA}, {BEN, CARA}]
    assert set(audience.users()) == {ANNA, BEN, CARA}
    assert audience.statistics().arriving == 0
    nursery.cancel_scope.cancel()


async def test_others_get_a_turn_between_two_who_come(nursery: trio.Nursery) -> None:
    arrivals, audience, positions = made()
    await nursery.start(arrivals.run)
    nursery.start_soon(arrivals.enter, ANNA)
    await trio.testing.wait_all_tasks_blocked()
    for user_id in (BEN, CARA):
        nursery.start_soon(arrivals.enter, user_id)
        await trio.testing.wait_all_tasks_blocked()
    turns = Turns(audience)
    trio.lowlevel.add_instrument(turns)
    positions.may_answer.set()
    await trio.testing.wait_all_tasks_blocked()
    trio.lowlevel.remove_instrument(turns)
    assert turns.seen == {0, 1, 2, 3}
    nursery.cancel_scope.cancel()


async def test_who_was_cut_off_meanwhile_is_not_counted_in(nursery: trio.Nursery) -> None:
    arrivals, audience, positions = made()
    await nursery.start(arrivals.run)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as waiting:
            waiting.start_soon(arrivals.enter, ANNA)
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
    positions.may_answer.set()
    await trio.testing.wait_all_tasks_blocked()
    assert positions.asked == [{ANNA}]
    assert audience.users() == []
    assert audience.statistics().arriving == 0
    nursery.cancel_scope.cancel()


async def test_a_database_that_is_away_refuses_each_who_asked(nursery: trio.Nursery) -> None:
    arrivals, audience, positions = made()
    await nursery.start(arrivals.run)
    positions.is_away = True
    positions.may_answer.set()
    for user_id in (ANNA, BEN):
        with pytest.raises(Unavailable):
            await arrivals.enter(user_id)
    assert audience.users() == []
    nursery.cancel_scope.cancel()


async def test_who_waits_when_looking_up_ends_is_refused(nursery: trio.Nursery) -> None:
    arrivals, audience, _ = made()
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as inner:
            await inner.start(arrivals.run)

            async def refused() -> None:
                with pytest.raises(Unavailable):
                    await arrivals.enter(ANNA)

            nursery.start_soon(refused)
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
    await trio.testing.wait_all_tasks_blocked()
    assert audience.users() == []
