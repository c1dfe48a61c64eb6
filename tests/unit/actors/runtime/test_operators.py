"""What operators may do to one actor, and what they see; each test names faults that break it."""

from __future__ import annotations

from collections import Counter
from enum import Enum
from typing import Any

import pytest
import trio
from trio.testing import MockClock, assert_no_checkpoints, wait_all_tasks_blocked

from actors.runtime import (
    Actor,
    ActorError,
    ActorFailed,
    ActorStopped,
    ActorSystem,
    Address,
    Delivery,
    FlightOutcome,
    RestartPolicy,
    StopReason,
    Terminated,
    UnknownKind,
)
from actors.runtime.cell import Cell
from actors.runtime.redaction import label
from actors.runtime.stack import MAX_FRAMES
from actors.runtime.testkit import ActorTestKit
from tests.unit.actors.runtime.sticking import Sticking, sticking

A1 = Address("a", 1)


async def outcome_of(system: ActorSystem, message: Any) -> Any:
    try:
        return await system.ref("a", 1).ask(message, timeout_seconds=1000)
    except ActorError as error:
        return type(error)


async def test_restart_frees_a_stuck_actor(autojump_clock: MockClock) -> None:
    """Faults: the handler is not cut off; its asker hears nothing, or that nothing was done; the
    mailbox is emptied; the restart policy is used up; on_stop is called; watchers are told."""
    system = ActorSystem(clock=trio.current_time)
    kit = ActorTestKit(system)
    log = sticking(system, restart=RestartPolicy(intensity=0))
    outcomes: dict[str, Any] = {}

    async def ask(name: str, message: Any) -> None:
        outcomes[name] = await outcome_of(system, message)

    async with system, trio.open_nursery() as nursery:
        probe = kit.probe()
        nursery.start_soon(ask, "stuck", "stick")
        await wait_all_tasks_blocked()
        await probe.watch(A1)
        nursery.start_soon(ask, "waits", "next")
        await trio.sleep(30)
        with assert_no_checkpoints():
            system.restart(A1)
        await wait_all_tasks_blocked()
        row = system.describe(A1)
        assert outcomes == {"stuck": ActorFailed, "waits": "next"}
        assert log == ["start", "start", "next"]
        assert (row.restarts, row.dropped, row.handled, row.state) == (1, 1, 1, "idle")
        assert system.flights("a")[-1].outcome is FlightOutcome.CUT_OFF
        await probe.expect_nothing()
    assert log[-1] is StopReason.SHUTDOWN


async def test_stop_ends_a_stuck_actor(autojump_clock: MockClock) -> None:
    """Faults: what waits is handled after all; watchers are not told; the actor comes back."""
    system = ActorSystem(clock=trio.current_time)
    kit = ActorTestKit(system)
    log = sticking(system)
    outcomes: list[Any] = []

    async def ask(message: Any) -> None:
        outcomes.append(await outcome_of(system, message))

    async with system, trio.open_nursery() as nursery:
        probe = kit.probe()
        nursery.start_soon(ask, "stick")
        await wait_all_tasks_blocked()
        await probe.watch(A1)
        nursery.start_soon(ask, "next")
        await trio.sleep(5)
        system.stop(A1)
        assert await probe.expect_terminated(A1) == Terminated(A1, StopReason.REQUESTED)
        await wait_all_tasks_blocked()
        assert Counter(outcomes) == {ActorFailed: 1, ActorStopped: 1}
        assert system.count("a") == 0
        with pytest.raises(ActorStopped):
            system.stop(A1)
        assert await outcome_of(system, "again") == "again"
    assert log == ["start", "start", "again", StopReason.SHUTDOWN]


async def test_a_handler_gets_the_patience_it_is_promised(autojump_clock: MockClock) -> None:
    """Faults: a busy actor is cut off at once; a message that came after the one that took too
    long is cut off in its place; patience begins anew for a handler that has worked long."""
    system = ActorSystem(clock=trio.current_time)
    log = sticking(system)
    async with system, trio.open_nursery() as nursery:
        results: list[Any] = []

        async def ask(message: Any) -> None:
            results.append((await outcome_of(system, message), trio.current_time()))

        began = trio.current_time()
        nursery.start_soon(ask, 0.5)
        await wait_all_tasks_blocked()
        nursery.start_soon(ask, 2.0)
        await wait_all_tasks_blocked()
        system.restart(A1, patience_seconds=1)
        await trio.sleep(10)
        assert results == [(0.5, began + 0.5), (2.0, began + 2.5)]
        assert log == ["start", 0.5, "start", 2.0]
        nursery.start_soon(ask, "stick")
        await trio.sleep(0.75)
        system.restart(A1, patience_seconds=1)
        await trio.sleep(0.2)
        assert len(results) == 2
        await trio.sleep(0.1)
        assert results[2][0] is ActorFailed


@pytest.mark.parametrize("action", ["restart", "stop"])
async def test_a_shielded_handler_is_not_torn(action: str, autojump_clock: MockClock) -> None:
    """Fault: the cut goes through a shield, behind which a commit may be under way."""
    system = ActorSystem(clock=trio.current_time)
    log = sticking(system)
    async with system, trio.open_nursery() as nursery:
        nursery.start_soon(outcome_of, system, "stubborn")
        await wait_all_tasks_blocked()
        system.ref("a", 1).tell("next")
        getattr(system, action)(A1, patience_seconds=0)
        await trio.sleep(10)
    assert log[:2] == ["start", "stubborn"]
    assert ("next" in log) is (action == "restart")


@pytest.mark.parametrize("action", ["restart", "stop"])
async def test_an_actor_stuck_at_its_start(action: str, autojump_clock: MockClock) -> None:
    """Fault: only handlers are cut off."""

    class Late(Sticking):
        sticks_at_start = True

    system = ActorSystem(clock=trio.current_time)
    log = sticking(system, Late)
    async with system, trio.open_nursery() as nursery:
        outcomes: list[Any] = []

        async def ask() -> None:
            outcomes.append(await outcome_of(system, "hello"))

        nursery.start_soon(ask)
        await trio.sleep(5)
        assert system.describe(A1).state == "starting"
        getattr(system, action)(A1)
        await trio.sleep(5)
        assert outcomes == (["hello"] if action == "restart" else [ActorStopped])
        assert log.count("start") == (2 if action == "restart" else 1)


async def test_an_actor_stuck_at_its_stop(autojump_clock: MockClock) -> None:
    """Fault: on_stop is not cut off, so the address is never free again."""

    class Clinging(Sticking):
        sticks_at_stop = True

    system = ActorSystem(shutdown_seconds=1, clock=trio.current_time)
    log = sticking(system, Clinging)
    async with system:
        await outcome_of(system, "hello")
        system.stop(A1)
        await trio.sleep(0.5)
        assert system.describe(A1).state == "stopping"
        await trio.sleep(5)
        assert system.count("a") == 0
        system.ref("a", 1).tell("again")
        await wait_all_tasks_blocked()
        assert log == ["start", "hello", StopReason.REQUESTED, "start", "again"]


async def test_restart_between_messages_and_in_a_backoff(autojump_clock: MockClock) -> None:
    """Faults: an idle actor is not restarted before its next message; a backoff is sat out, or
    followed by one restart too many."""

    class Crashing(Sticking):
        async def receive(self, message: Any) -> Any:
            if message == "crash":
                raise ValueError
            return await super().receive(message)

    system = ActorSystem(clock=trio.current_time)
    slow = RestartPolicy(min_backoff_seconds=1000, max_backoff_seconds=1000)
    log = sticking(system, Crashing, restart=slow)
    async with system:
        await outcome_of(system, "hello")
        system.restart(A1)
        await wait_all_tasks_blocked()
        assert log == ["start", "hello", "start"]
        await outcome_of(system, "crash")
        system.ref("a", 1).tell("next")
        assert system.describe(A1).state == "backoff"
        system.restart(A1)
        await wait_all_tasks_blocked()
        assert log == ["start", "hello", "start", "start", "next"]
        assert system.describe(A1).restarts == 2


async def test_a_cut_batch_keeps_what_it_answered(autojump_clock: MockClock) -> None:
    """Fault: deliveries that were answered before the cut are counted as lost."""

    class Batching(Actor[Any]):
        async def receive_batch(self, batch: Any) -> None:
            one: Delivery[Any]
            for one in batch:
                if one.message == "stick":
                    await trio.sleep_forever()
                elif one.message == "wake":
                    await trio.sleep(1)
                one.reply(one.message)

    system = ActorSystem(clock=trio.current_time)
    system.register("a", Batching)
    outcomes: list[Any] = []

    async def ask(message: Any) -> None:
        outcomes.append(await outcome_of(system, message))

    async with system, trio.open_nursery() as nursery:
        for message in ("wake", "good", "stick", "lost"):
            nursery.start_soon(ask, message)
            await wait_all_tasks_blocked()
        await trio.sleep(5)
        assert outcomes == ["wake", "good"]
        system.restart(A1)
        await wait_all_tasks_blocked()
        row = system.describe(A1)
    assert outcomes == ["wake", "good", ActorFailed, ActorFailed]
    assert (row.accepted, row.handled, row.dropped, row.in_hand) == (4, 2, 2, 0)


async def test_passivate_asks_and_does_not_force(autojump_clock: MockClock) -> None:
    """Faults: it ends an actor that has a timer, more to do or does not want to; an idle one
    stays."""

    class Armed(Sticking):
        async def receive(self, message: Any) -> Any:
            if message == "arm":
                self.context.timer("t", 60, "fired")
            return await super().receive(message)

    system = ActorSystem(clock=trio.current_time)
    kit = ActorTestKit(system)
    log = sticking(system, Armed)
    async with system:
        for message in (1.0, "next"):
            system.ref("a", 1).tell(message)
        await wait_all_tasks_blocked()
        system.passivate(A1)
        await outcome_of(system, "arm")
        system.passivate(A1)
        await wait_all_tasks_blocked()
        assert system.count("a") == 1
        await trio.sleep(61)
        system.passivate(A1)
        await wait_all_tasks_blocked()
        assert system.count("a") == 0
        with pytest.raises(ActorStopped):
            system.passivate(A1)
        with pytest.raises(UnknownKind):
            system.restart(Address("b", 1))
        assert log == ["start", 1.0, "next", "arm", "fired", StopReason.IDLE]
        probe = kit.probe()
        system.ref("a", 1).tell(1.0)
        await probe.watch(A1)
        system.stop(A1, patience_seconds=2)
        system.passivate(A1)
        signal = await probe.expect_terminated(A1)
        assert signal.reason is StopReason.REQUESTED, "the wish to rest overruled the stop"


async def test_watchers_timers_and_stack(autojump_clock: MockClock) -> None:
    """Faults: the watched actor is named in place of its watcher; a key shows a private object;
    a timer that has fired is due in the past; the stack ends where a handler waits for tasks of
    its own, or never."""

    class Private:
        def __repr__(self) -> str:
            return "secret"

    class Nested(Sticking):
        async def receive(self, message: Any) -> Any:
            self.context.timer(("typing", 7), 30, "fired")
            self.context.timer(Private(), 20, "fired")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.deeper)

        async def deeper(self, levels: int = 100) -> None:
            if levels:
                await self.deeper(levels - 1)
            await trio.sleep_forever()

    system = ActorSystem(shutdown_seconds=0, clock=trio.current_time)
    kit = ActorTestKit(system)
    sticking(system, Nested)
    async with system:
        probe = kit.probe("p")
        system.ref("a", 1).tell("go")
        await wait_all_tasks_blocked()
        await probe.watch(A1)
        await trio.sleep(5)
        assert system.watchers(A1) == (Address("probe", "p"),)
        timers = [(one.key, one.remaining_seconds) for one in system.timers(A1)]
        assert timers == [("[Private]", 15.0), ("typing:7", 25.0)]
        frames = system.await_stack(A1)
        assert any(frame.function.endswith("Nested.deeper") for frame in frames)
        assert len(frames) == MAX_FRAMES
        assert {"tests/unit/actors/runtime/test_operators.py", "actors/runtime/runner.py"} < {
            frame.file for frame in frames
        }
        assert system.await_stack(Address("a", 2)) == ()
        await trio.sleep(17)
        assert [one.remaining_seconds for one in system.timers(A1)] == [0.0, 8.0]


class Colour(Enum):
    RED = "red"


def test_labels_of_keys() -> None:
    labels = [label(key) for key in ("grace", 7, ("typing", 7), Colour.RED, b"secret", "x" * 99)]

    assert labels == ["grace", "7", "typing:7", "red", "[6 bytes]", "[99 characters]"]


async def test_a_sleeping_actor_holds_no_scope(autojump_clock: MockClock) -> None:
    """Fault: the scope by which a handler can be cut off stays with the actor while it sleeps."""
    system = ActorSystem(clock=trio.current_time)
    async with system:
        sticking(system)
        await outcome_of(system, "once")
        await outcome_of(system, "once more")
        await wait_all_tasks_blocked()
        cell = system._registries["a"].find(1)
        assert isinstance(cell, Cell)
        assert cell.cut is None
