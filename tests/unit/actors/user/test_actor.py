"""The user actor in virtual time."""

from collections.abc import Callable

import pytest
import trio

from actors.delivery.session import CloseReason
from actors.runtime import Address, DeadLetterReason
from actors.runtime.operable import Operable
from actors.system import USER, ActorLimits
from storage.ids import UserId
from tests.helpers.actor_world import Device, world

ANNA = 1


async def test_a_connection_is_greeted_and_attached(autojump_clock: trio.abc.Clock) -> None:
    async with world() as w:
        phone = await w.connect(ANNA)

        assert phone.frames == [{"type": "connection_established"}]
        assert w.fanout.sessions_of(UserId(ANNA)) == (phone.session,)


async def test_coming_and_going_is_announced_once_per_person(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with world() as w:
        phone, laptop = await w.connect(ANNA, "phone"), await w.connect(ANNA, "laptop")
        w.disconnect(phone)
        await trio.sleep(10)
        w.disconnect(laptop)
        await trio.sleep(10)

    assert w.presence.announced == [(ANNA, True), (ANNA, False)]


async def test_a_reload_does_not_flicker(autojump_clock: trio.abc.Clock) -> None:
    async with world() as w:
        phone = await w.connect(ANNA)
        w.disconnect(phone)
        await trio.sleep(1)
        await w.connect(ANNA)
        await trio.sleep(60)

    assert w.presence.announced == [(ANNA, True)]


async def test_one_connection_too_many_replaces_the_oldest(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with world() as w:
        devices: list[Device] = [await w.connect(ANNA, f"d{number}") for number in range(4)]

        assert [device.ended for device in devices] == [[CloseReason.REPLACED], [], [], []]
        assert len(w.fanout.sessions_of(UserId(ANNA))) == 3


async def test_a_connection_that_can_not_even_be_greeted_is_not_attached(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with world() as w:
        device = await w.connect(ANNA, room=0)

        assert device.ended == [CloseReason.TOO_SLOW]
        assert not w.fanout.is_connected(UserId(ANNA))


async def test_the_actor_stays_awake_while_its_person_is_there(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with world() as w:
        phone = await w.connect(ANNA)
        await trio.sleep(1000)
        while_connected = w.system.count("user")
        w.disconnect(phone)
        await trio.sleep(1000)

        assert (while_connected, w.system.count("user")) == (1, 0)


@pytest.mark.parametrize("take_hold", [Operable.restart, Operable.stop])
async def test_who_left_is_said_goodbye_to_also_when_the_actor_ends_within_the_grace(
    autojump_clock: trio.abc.Clock, take_hold: Callable[[Operable, Address], None]
) -> None:
    async with world() as w:
        w.disconnect(await w.connect(ANNA))
        await trio.sleep(1)
        take_hold(w.system, Address(USER, ANNA))
        await trio.sleep(10)

        assert w.presence.announced == [(ANNA, True), (ANNA, False)]


@pytest.mark.parametrize("take_hold", [Operable.restart, Operable.stop])
async def test_a_goodbye_that_was_lost_with_the_actor_keeps_nobody_online(
    autojump_clock: trio.abc.Clock, take_hold: Callable[[Operable, Address], None]
) -> None:
    """Stopped while the news of a connection's end still waited in its mailbox."""
    async with world() as w:
        phone = await w.connect(ANNA)
        phone.transport.is_over = True
        take_hold(w.system, Address(USER, ANNA))
        await trio.sleep(10)

        assert not w.fanout.is_connected(UserId(ANNA))
        assert w.presence.announced == [(ANNA, True), (ANNA, False)]


async def test_a_goodbye_that_found_no_room_keeps_nobody_online(
    autojump_clock: trio.abc.Clock,
) -> None:
    """The mailbox was full of others; whichever is handled next counts who is gone."""
    async with world() as w:
        phone, laptop = await w.connect(ANNA, "phone"), await w.connect(ANNA, "laptop")
        phone.transport.is_over = laptop.transport.is_over = True
        for _ in range(ActorLimits().user_mailbox):
            w.disconnect(laptop)
        w.disconnect(phone)
        assert w.system.dead_letters.count(DeadLetterReason.FULL) == 1
        await trio.sleep(10)

        assert not w.fanout.is_connected(UserId(ANNA))
        assert w.presence.announced == [(ANNA, True), (ANNA, False)]


async def test_who_is_gone_takes_nobodys_place(autojump_clock: trio.abc.Clock) -> None:
    """Connections that broke, and were not said goodbye to yet, replace none that lives."""
    async with world() as w:
        living = await w.connect(ANNA, "d0")
        for number in (1, 2):
            (await w.connect(ANNA, f"d{number}")).transport.is_over = True
        again = await w.connect(ANNA, "d3")

        assert living.ended == []
        assert w.fanout.sessions_of(UserId(ANNA)) == (living.session, again.session)


async def test_who_is_gone_and_is_not_even_greeted_again_is_said_to_have_left(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with world() as w:
        (await w.connect(ANNA)).transport.is_over = True
        await w.connect(ANNA, room=0)
        await trio.sleep(10)

        assert w.presence.announced == [(ANNA, True), (ANNA, False)]


async def test_when_the_node_stops_nobody_is_said_to_have_left(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with world() as w:
        w.disconnect(await w.connect(ANNA))

    assert w.presence.announced == [(ANNA, True)]
