"""What the runtime promises to operators and to neighbours; faults as in the other files."""

from __future__ import annotations

import gc
import time
from typing import Any

import pytest
import trio
from trio.testing import MockClock, assert_no_checkpoints, wait_all_tasks_blocked

from actors.runtime import (
    Actor,
    ActorContext,
    ActorStopped,
    ActorSystem,
    Address,
    AskTimeout,
    DeadLetterReason,
    FlightOutcome,
    Props,
    Refusal,
)
from actors.runtime.cell import Cell

SECRET = "what the user wrote"


class Letter:
    """A message nobody but its actor may read."""

    def __repr__(self) -> str:
        return SECRET


class Reader(Actor[Any]):
    def __init__(self, context: ActorContext) -> None:
        super().__init__(context)
        self.letters = 0

    async def receive(self, message: Any) -> object:
        self.letters += 1
        match message:
            case "stick":
                await trio.sleep_forever()
            case "crash":
                raise ValueError(SECRET)
            case "refuse":
                raise Refusal(SECRET)
        return None

    def describe(self) -> dict[str, object]:
        return {"letters": self.letters, "last_text": SECRET, "token": "abc", "ids": [1, 2]}


async def test_i16_snapshot_works_with_every_actor_stuck(autojump_clock: MockClock) -> None:
    """Faults: a row shows the message instead of its type; the snapshot asks the actors."""
    system = ActorSystem(shutdown_seconds=0)
    system.register("r", Reader)
    async with system:
        for key in range(5):
            system.ref("r", key).tell(Letter())
            system.ref("r", key).tell("stick")
            for _ in range(key):
                system.ref("r", key).tell(Letter())
        await trio.sleep(1)
        system.dead_letters.add(Address("r", 1), Letter(), DeadLetterReason.FULL, 0.0)
        with assert_no_checkpoints():
            snapshot = system.snapshot("r", order="depth", limit=3)
            stack = system.await_stack(Address("r", 4))
        assert [row.depth for row in snapshot.actors] == [4, 3, 2]
        top = snapshot.actors[0]
        assert (top.state, top.current_message, top.handled, top.in_hand) == ("busy", "str", 1, 1)
        assert top.oldest_message_seconds > 0
        assert top.idle_seconds == 0
        assert snapshot.services == (), "kinds are not services"
        assert snapshot.kinds[0].active == 5
        assert snapshot.dead_letters == {"r.full": 1}
        shown = repr((snapshot, stack, system.flights("r"), system.dead_letters.recent()))
        assert SECRET not in shown
        assert "Letter" in shown
        assert any("Reader.receive" in frame.function for frame in stack)
        with pytest.raises(AskTimeout):
            await system.get_state(Address("r", 4))


async def test_state_is_shown_between_messages_and_redacted(autojump_clock: MockClock) -> None:
    system = ActorSystem()
    system.register("r", Reader)
    async with system:
        with pytest.raises(ActorStopped):
            await system.get_state(Address("r", 1))
        assert system.count() == 0, "looking started it"
        system.ref("r", 1).tell(Letter())
        await wait_all_tasks_blocked()
        state = await system.get_state(Address("r", 1))
    assert state == {
        "letters": 1,
        "last_text": "[redacted]",
        "token": "[redacted]",
        "ids": [1, 2],
    }


async def test_flight_recorder_keeps_ids_and_outcomes(autojump_clock: MockClock) -> None:
    system = ActorSystem()
    system.register("r", Reader)
    async with system:
        ref = system.ref("r", 1)
        await ref.ask(Letter(), trace_id="request-7")
        with pytest.raises(Refusal):
            await ref.ask("refuse")
        ref.tell("crash")
        await trio.sleep(1)
        system.ref("r", 2).tell(Letter())
        await wait_all_tasks_blocked()
        records = system.flights("r", 1)
        assert [record.outcome for record in records] == [
            FlightOutcome.CRASHED,
            FlightOutcome.REFUSED,
            FlightOutcome.HANDLED,
        ]
        assert records[-1].trace_id == "request-7"
        assert records[-1].message_type == "Letter"
        assert len(system.flights("r")) == 4
        assert SECRET not in repr(records)


def is_of(cell: Cell, system: ActorSystem) -> bool:
    return cell.kind.environment.dead_letters is system.dead_letters


async def test_i18_memory_and_tasks_return_to_the_baseline(autojump_clock: MockClock) -> None:
    """Fault: the registry keeps the cell of an actor that is gone."""

    class Passing(Reader):
        pass

    system = ActorSystem(sweep_seconds=1)
    system.register("r", Passing, Props(idle_after_seconds=1))
    async with system:
        await trio.sleep(3)
        tasks = trio.lowlevel.current_statistics().tasks_living
        for round_ in range(3):
            for key in range(500):
                system.ref("r", key).tell(round_)
            await wait_all_tasks_blocked()
            assert system.count() == 500
            await trio.sleep(5)
            assert system.count() == 0
        gc.collect()
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        left = [found for found in gc.get_objects() if isinstance(found, Cell | Passing)]
        assert not [found for found in left if isinstance(found, Passing) or is_of(found, system)]
    assert system.snapshot().kinds[0].passivated == 1500
    assert system.dead_letters.total == 0


async def test_i18_a_hot_actor_lets_others_in() -> None:
    """Faults: no checkpoint between messages; the time bound is not looked at."""

    class Busy(Actor[Any]):
        async def receive(self, message: Any) -> None:
            ends = time.perf_counter() + message
            while time.perf_counter() < ends:
                pass

    system = ActorSystem()
    by_count = Props(max_batch=10, max_batch_seconds=1000, capacity=10_000)
    by_time = Props(max_batch=10_000, max_batch_seconds=0.002, capacity=10_000)
    system.register("count", Busy, by_count)
    system.register("time", Busy, by_time)
    system.register("r", Reader)
    async with system:
        await system.ref("r", 1).ask("warm")
        for kind, handler_seconds, number in (("count", 0.0, 1000), ("time", 0.001, 50)):
            for _ in range(number):
                system.ref(kind, 1).tell(handler_seconds)
            await trio.lowlevel.checkpoint()
            await system.ref("r", 1).ask("news")
            # By count, a turn is 10 messages; by time, 2 or 3. An ask takes a few turns.
            assert system.snapshot(kind).actors[0].depth > number * 0.6


async def test_active_cap_ends_the_least_recently_used(autojump_clock: MockClock) -> None:
    system = ActorSystem(sweep_seconds=1000)  # only the crowd itself can call for a sweep
    system.register("r", Reader, Props(max_active=10, idle_after_seconds=10))
    async with system:
        for key in range(10):
            system.ref("r", key).tell(Letter())
            await trio.sleep(0.1)
        assert system.count() == 10
        for again in (0, 1, 2):
            system.ref("r", again).tell(Letter())
        system.ref("r", "new").tell(Letter())
        await trio.sleep(0.2)
        left = {row.address.key for row in system.snapshot("r").actors}
        assert left == {0, 1, 2, "new", *range(4, 10)}
        await trio.sleep(100)
        assert system.count() == 10, "it swept again, though there was no crowd"


async def test_who_waits_for_a_timer_does_not_count_as_least_recently_used(
    autojump_clock: MockClock,
) -> None:
    class Armed(Reader):
        async def receive(self, message: Any) -> None:
            if message == "arm":
                self.context.timer("t", 500, "fired")

    system = ActorSystem(sweep_seconds=1000)
    system.register("r", Armed, Props(max_active=2, idle_after_seconds=1000))
    async with system:
        for key, message in enumerate(("arm", "plain", "new")):
            system.ref("r", key).tell(message)
            await trio.sleep(0.01)
        await trio.sleep(0.2)
        assert {row.address.key for row in system.snapshot("r").actors} == {0, 2}


async def test_pinned_and_waiting_actors_are_not_passivated(autojump_clock: MockClock) -> None:
    class Pinned(Reader):
        def may_passivate(self) -> bool:
            return self.letters > 1

    class Armed(Reader):
        async def receive(self, message: Any) -> None:
            if message == "arm":
                self.context.timer("t", 20, "fired")

    system = ActorSystem(sweep_seconds=1)
    system.register("pinned", Pinned, Props(idle_after_seconds=2))
    system.register("armed", Armed, Props(idle_after_seconds=2))
    async with system:
        system.ref("pinned", 1).tell("stay")
        system.ref("armed", 1).tell("arm")
        await trio.sleep(15)
        assert system.count("pinned") == 1
        assert system.count("armed") == 1
        system.ref("pinned", 1).tell("go")
        await trio.sleep(1)
        assert system.count("pinned") == 1, "an old request took effect"
        await trio.sleep(15)
        assert system.count() == 0
