"""When the sweep looks, in virtual time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import trio

from actors.cluster.audience import Audience
from actors.cluster.sweep import Sweep
from storage.errors import Unavailable
from storage.ids import ChatId, Seq, UserId
from storage.positions import Joined

CHAT, ANNA = ChatId(10), UserId(1)


class FakeRecord:
    """A database whose chat stands at ``seq``."""

    def __init__(self) -> None:
        self.looks: list[float] = []
        self.seq = Seq(1)
        self.is_away = False

    async def now(self) -> datetime:
        await trio.lowlevel.checkpoint()
        self.looks.append(trio.current_time())
        if self.is_away:
            raise Unavailable("away")
        return datetime(2026, 11, 23, tzinfo=UTC)

    async def newer(self, known: Sequence[tuple[ChatId, Seq]]) -> list[tuple[ChatId, Seq]]:
        return [(chat_id, self.seq) for chat_id, seq in known if seq < self.seq]

    async def joined(self, user_ids: Collection[UserId], since: datetime) -> list[Joined]:
        return []


class Setting:
    """A running sweep over one chat that somebody here is in."""

    def __init__(self) -> None:
        self.audience = Audience()
        self.audience.enter(ANNA, [(CHAT, Seq(1))])
        self.record = FakeRecord()
        self.is_connected = True
        self.caught_up: list[tuple[ChatId, Seq]] = []
        self.sweep = Sweep(
            self.audience,
            self.record,
            catch_up=lambda chat_id, seq: self.caught_up.append((chat_id, seq)),
            is_told=lambda: self.is_connected,
        )

    async def looks_in(self, seconds: float) -> int:
        before = len(self.record.looks)
        await trio.sleep(seconds)
        return len(self.record.looks) - before


async def test_it_looks_seldom_while_news_arrives_and_often_while_it_does_not(
    autojump_clock: trio.abc.Clock, nursery: trio.Nursery
) -> None:
    setting = Setting()
    await nursery.start(setting.sweep.run)
    assert await setting.looks_in(20.5) == 4
    setting.is_connected = False
    assert 9 <= await setting.looks_in(10) <= 11
    nursery.cancel_scope.cancel()


async def test_it_looks_at_once_when_the_bus_is_back(
    autojump_clock: trio.abc.Clock, nursery: trio.Nursery
) -> None:
    setting = Setting()
    await nursery.start(setting.sweep.run)
    await setting.sweep.hurry()
    assert await setting.looks_in(0.01) == 1
    nursery.cancel_scope.cancel()


async def test_what_arrives_in_a_moment_is_left_alone(
    autojump_clock: trio.abc.Clock, nursery: trio.Nursery
) -> None:
    setting = Setting()
    await nursery.start(setting.sweep.run)
    setting.record.seq = Seq(5)
    await setting.sweep.hurry()
    await trio.sleep(0.1)
    setting.audience.reached(CHAT, Seq(5))
    await trio.sleep(1)
    assert setting.caught_up == []
    setting.record.seq = Seq(6)
    await setting.sweep.hurry()
    await trio.sleep(1)
    assert setting.caught_up == [(CHAT, 6)]
    nursery.cancel_scope.cancel()


async def test_a_database_that_is_away_is_tried_again(
    autojump_clock: trio.abc.Clock, nursery: trio.Nursery
) -> None:
    setting = Setting()
    setting.record.is_away = True
    await nursery.start(setting.sweep.run)
    await trio.sleep(11)
    assert setting.sweep.statistics().failed == 2
    nursery.cancel_scope.cancel()


async def test_losing_track_makes_it_hurry_and_never_spin(
    autojump_clock: trio.abc.Clock, nursery: trio.Nursery
) -> None:
    setting = Setting()
    setting.audience.expect(UserId(2))
    setting.audience._has_lost_track = True
    await nursery.start(setting.sweep.run)
    assert 9 <= await setting.looks_in(10) <= 11
    nursery.cancel_scope.cancel()
