"""Requests that meet an actor at an awkward moment; each test names the fault that breaks it."""

from __future__ import annotations

import gc
import logging
import weakref
from functools import partial
from typing import Any

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.runtime import (
    Actor,
    ActorContext,
    ActorStopped,
    ActorSystem,
    Address,
    AskTimeout,
    DeadLetterReason,
    Directive,
    Escalated,
    Props,
    RestartPolicy,
    StopReason,
    Terminated,
    current_trace_id,
)
from actors.runtime.cell import Cell
from actors.runtime.testkit import ActorTestKit, run_virtual
from tests.unit.actors.runtime.test_invariants_supervision import Part, parts

A1 = Address("a", 1)


class Plain(Actor[Any]):
    async def receive(self, message: Any) -> Any:
        if isinstance(message, Exception):
            raise message
        if isinstance(message, float):
            await trio.sleep(message)
        return message


class SlowToStop(Plain):
    async def on_stop(self, reason: StopReason) -> None:
        await trio.sleep(1)


@pytest.mark.parametrize("first", ["passivate", "stop"])
async def test_a_stop_during_on_stop_is_obeyed(first: str, autojump_clock: MockClock) -> None:
    """Fault: the next incarnation forgets the request; what waits is handled, watchers wait."""
    system = ActorSystem()
    kit = ActorTestKit(system)
    system.register("a", SlowToStop)
    async with system:
        probe, ref = kit.probe(), system.ref("a", 1)
        ref.tell("x")
        await wait_all_tasks_blocked()
        getattr(system, first)(A1)
        await trio.sleep(0.5)
        await probe.watch(A1)
        ref.tell("comes too late")
        assert ref.stop()
        assert (await probe.expect_terminated(A1)).reason is StopReason.REQUESTED
        await wait_all_tasks_blocked()
        assert system.count("a") == 0
        assert system.dead_letters.count(DeadLetterReason.STOPPED) == 1


async def test_a_sweep_during_on_stop_is_void(autojump_clock: MockClock) -> None:
    """Fault: what was asked of the old incarnation is done to the new one."""
    starts: list[int] = []

    class Noting(SlowToStop):
        async def on_start(self) -> None:
            starts.append(1)

    system = ActorSystem()
    system.register("a", Noting)
    async with system:
        ref = system.ref("a", 1)
        ref.tell("x")
        await wait_all_tasks_blocked()
        ref.stop()
        await trio.sleep(0.5)
        system.passivate(A1)
        assert await ref.ask("new life") == "new life"
        await trio.sleep(3)
        assert system.count("a") == 1
        assert len(starts) == 2


async def test_a_stop_during_on_stop_does_not_overrule_a_shutdown(
    autojump_clock: MockClock,
) -> None:
    """Fault: who stops because of the shutdown forgets about it."""
    handled: list[Any] = []

    class Noting(Plain):
        async def receive(self, message: Any) -> Any:
            handled.append(message)

        async def on_stop(self, reason: StopReason) -> None:
            await trio.sleep(0.04)

    system = ActorSystem()
    system.register("a", Noting)
    async with trio.open_nursery() as nursery, system:
        system.ref("a", 1).tell("before")
        await wait_all_tasks_blocked()

        async def meanwhile() -> None:
            await trio.sleep(0.02)
            assert system.describe(A1).state == "stopping"
            assert system.ref("a", 1).tell("accepted")
            system.ref("a", 1).stop()

        nursery.start_soon(meanwhile)
    assert handled == ["before", "accepted"]
    assert system.dead_letters.total == 0


async def test_a_stop_of_a_handler_that_crashes_skips_the_backoff(
    autojump_clock: MockClock,
) -> None:
    """Fault: only a stop that comes during the backoff ends it."""
    slow = RestartPolicy(min_backoff_seconds=1000, max_backoff_seconds=1000)
    system = ActorSystem()
    kit = ActorTestKit(system)

    class Crashing(Actor[Any]):
        async def receive(self, message: Any) -> None:
            await trio.sleep(1)
            raise ValueError

    system.register("a", Crashing, Props(restart=slow))
    async with system:
        probe, ref = kit.probe(), system.ref("a", 1)
        ref.tell("x")
        await probe.watch(A1)
        ref.stop()
        signal = await probe.expect_terminated(A1, within_seconds=2)
        assert signal.reason is StopReason.REQUESTED


@pytest.mark.parametrize("asked", ["restart", "stop"])
async def test_patience_does_not_run_into_the_life_after_a_backoff(
    asked: str, autojump_clock: MockClock
) -> None:
    """Fault: who is asked to restart during a backoff is cut off a second later."""
    system = ActorSystem()
    patient = RestartPolicy(min_backoff_seconds=1000, max_backoff_seconds=1000)
    system.register("a", Plain, Props(restart=patient))
    async with system:
        ref = system.ref("a", 1)
        ref.tell(ValueError())
        await wait_all_tasks_blocked()
        assert system.describe(A1).state == "backoff"
        ref.tell("keeps it wanted")
        getattr(system, asked)(A1)
        await trio.sleep(0.5)
        assert await ref.ask(2.0) == 2.0


async def test_a_stop_during_a_shutdown_cuts_off_only_what_is_stuck(
    autojump_clock: MockClock,
) -> None:
    """Fault: the shutdown goes on with the next message, which is cut off in its place."""
    handled: list[Any] = []

    class Noting(Actor[Any]):
        async def receive(self, message: float) -> None:
            await trio.sleep(message)
            handled.append(message)

    system = ActorSystem(clock=trio.current_time)
    system.register("a", Noting)
    async with trio.open_nursery() as nursery, system:
        for seconds in (0.9, 0.8, 0.7):
            system.ref("a", 1).tell(seconds)

        async def stop_later() -> None:
            await trio.sleep(0.5)
            assert system.describe(A1).depth == 2
            system.stop(A1)

        nursery.start_soon(stop_later)
    assert handled == [0.9, 0.8, 0.7]
    assert system.dead_letters.total == 0


async def test_on_stop_does_not_inherit_the_last_ask(autojump_clock: MockClock) -> None:
    """Fault: what on_stop asks has the last asker's deadline, and its cycle."""
    outcomes: list[Any] = []

    class Saying(Plain):
        async def on_stop(self, reason: StopReason) -> None:
            for other in (2, 3):
                try:
                    outcomes.append(await self.context.ref("p", other).ask("bye"))
                except Exception as error:  # noqa: BLE001 - noted
                    outcomes.append(error)

    class Asking(Plain):
        async def receive(self, message: Any) -> Any:
            if message == "ask":
                return await self.context.ref("a", 1).ask("x", timeout_seconds=1)
            return message

    system = ActorSystem()
    system.register("p", Asking)
    system.register("a", Saying)
    async with system:
        await system.ref("p", 2).ask("ask")
        await trio.sleep(10)
        system.ref("a", 1).stop()
        await wait_all_tasks_blocked()
        assert outcomes == ["bye", "bye"]


async def test_a_restart_of_the_tree_ends_actors_that_come_back(
    autojump_clock: MockClock,
) -> None:
    """Fault: an actor that is told something while it stops lives on, and the kind waits for
    it until its budget is used up."""
    system = ActorSystem(services=RestartPolicy(min_backoff_seconds=0.1, jitter=0))
    running = parts(system, [])
    system.register("k", SlowToStop, Props(shutdown_seconds=50))
    async with system:
        ref = system.ref("k", 1)
        ref.tell("x")
        await wait_all_tasks_blocked()
        before = running["c"]
        running["c"].crash.set()
        await trio.sleep(0.5)
        assert ref.tell("told while it stops")
        await trio.sleep(3)
        assert running["c"] is not before, "the service waits for the actor"
        assert system.count("k") == 0


def test_a_hard_stop_starts_no_more_actors() -> None:
    """Fault: actors that are cut off start others, which start others, without end."""
    last = 0

    class Chain(Actor[int]):
        async def receive(self, message: int) -> None:
            nonlocal last
            last = message
            try:
                await trio.sleep(1)
            finally:
                if message < 1000:
                    self.context.ref("c", message + 1).tell(message + 1)

    async def main() -> None:
        system = ActorSystem(shutdown_seconds=5.5)
        system.register("c", Chain, Props(shutdown_seconds=100))
        async with system:
            system.ref("c", 1).tell(1)
        assert not system.drained
        assert system.dead_letters.count(DeadLetterReason.STOPPED) == 1

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert last < 10


def test_an_escalation_while_services_start_is_raised() -> None:
    """Fault: what comes out of the start is the cancellation that the escalation began."""
    system = ActorSystem()

    class Slow(Part):
        async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
            system.ref("a", 1).tell(ValueError())
            await trio.sleep_forever()

    once = RestartPolicy(intensity=0)
    system.register("a", Plain, Props(restart=once, exhausted=Directive.ESCALATE))
    system.add_service("s", lambda: Slow("s", []))

    async def main() -> None:
        async with system:
            pytest.fail("the system started")

    with pytest.raises(Escalated) as caught:
        run_virtual(main)
    assert isinstance(caught.value.__cause__, ValueError)


async def test_a_healed_crash_is_let_go(autojump_clock: MockClock) -> None:
    """Faults: the crashed instance stays in memory with its traceback; a stop much later is
    blamed on it."""
    alive: weakref.WeakSet[Plain] = weakref.WeakSet()

    class Counted(Plain):
        def __init__(self, context: ActorContext) -> None:
            super().__init__(context)
            alive.add(self)

    system = ActorSystem()
    # Transient: else the test's own record of the log holds the traceback.
    system.register("a", Counted, Props(transient=(ValueError,)))
    async with system:
        ref = system.ref("a", 1)
        ref.tell(ValueError("first"))
        assert await ref.ask("after") == "after"
        gc.collect()
        assert len(alive) == 1
        assert system.describe(A1).last_error == "ValueError"
        ref.tell(1.0)
        await wait_all_tasks_blocked()
        ref.stop()
        with pytest.raises(ActorStopped) as stopped:
            await ref.ask("too late")
        assert stopped.value.__cause__ is None


async def test_a_cancelled_timer_keeps_nothing_of_its_actor(autojump_clock: MockClock) -> None:
    """Fault: until the hour is over, the queue of timers keeps the message and the mailbox."""

    class Note:
        pass

    class Waiting(Plain):
        async def on_start(self) -> None:
            note = Note()
            notes.append(weakref.ref(note))
            self.context.timer("t", 3600, note)

    notes: list[weakref.ref[Note]] = []
    system = ActorSystem()
    system.register("a", Waiting)
    async with system:
        system.ref("a", 1).tell("x")
        await wait_all_tasks_blocked()
        system.ref("a", 1).stop()
        await wait_all_tasks_blocked()
        gc.collect()
        assert notes[0]() is None
        cells = [found for found in gc.get_objects() if isinstance(found, Cell)]
        assert not [cell for cell in cells if cell.kind.environment is system._environment]


async def test_who_gave_up_inspecting_leaves_nothing_behind(autojump_clock: MockClock) -> None:
    """Faults: each look at a stuck actor adds to its system lane, which has no bound; who gives
    up takes others with it."""
    system = ActorSystem()
    system.register("a", Plain)
    states: list[object] = []

    async def patient() -> None:
        states.append(await system.get_state(A1, timeout_seconds=200))

    async with system, trio.open_nursery() as nursery:
        system.ref("a", 1).tell(100.0)
        await wait_all_tasks_blocked()
        cell = system._find(A1)
        assert cell is not None
        for _ in range(3):
            with pytest.raises(AskTimeout):
                await system.get_state(A1)
        with trio.move_on_after(0.5):
            await system.get_state(A1)
        assert cell.mailbox.take_signals() == []
        nursery.start_soon(patient)
        await wait_all_tasks_blocked()
        with pytest.raises(AskTimeout):
            await system.get_state(A1)
    assert states == [{}]


async def test_a_crowd_during_a_sweep_is_swept_soon(autojump_clock: MockClock) -> None:
    """Fault: what is asked for while the sweeper works is forgotten until its next round."""

    class Replaced(Plain):
        async def on_stop(self, reason: StopReason) -> None:
            if reason is StopReason.IDLE and self.context.address.key == 0:
                for key in range(2000, 3000):
                    self.context.ref("a", key).tell("x")

    system = ActorSystem(sweep_seconds=1000)
    system.register("a", Replaced, Props(max_active=1000, idle_after_seconds=float("inf")))
    async with system:
        for key in range(2000):
            system.ref("a", key).tell("x")
        await trio.sleep(5)
        assert system.count("a") <= 1000


async def test_what_fails_at_the_end_is_logged(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Fault: a service that fails to close, or an actor that can't start any more, is silent."""

    class Failing(Part):
        async def aclose(self) -> None:
            await super().aclose()
            if self.name == "close":
                raise OSError

        async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
            await super().run(task_status=task_status)
            if self.name == "run":
                raise LookupError

    class Unable(Plain):
        async def on_start(self) -> None:
            await trio.sleep(0.1)
            raise ValueError

    system = ActorSystem()
    for name in ("close", "run"):
        system.add_service(name, partial(Failing, name, []))
    system.register("a", Unable)
    async with system:
        system.ref("a", 1).tell("x")
    assert [
        record.getMessage() for record in caplog.records if record.levelno == logging.ERROR
    ] == [
        "a:1 failed to start: ValueError, and will not again",
        "service run failed: LookupError",
        "service close failed: OSError",
    ]


async def test_watchers_of_each_life_hear_of_its_end(autojump_clock: MockClock) -> None:
    system = ActorSystem()
    kit = ActorTestKit(system)
    system.register("a", SlowToStop)
    async with system:
        probe, ref = kit.probe(), system.ref("a", 1)
        ref.tell("x")
        await probe.watch(A1)
        ref.stop()
        await trio.sleep(0.5)
        ref.tell("again")
        await probe.expect_terminated(A1)
        await probe.watch(A1)
        ref.stop()
        assert await probe.expect_terminated(A1) == Terminated(A1, StopReason.REQUESTED)
        await probe.expect_nothing()


async def test_what_a_pipe_brings_belongs_to_no_request(autojump_clock: MockClock) -> None:
    """Fault: what its mapping tells carries the trace id of whatever was asked last."""
    traces: list[str | None] = []

    class Tracing(Plain):
        async def receive(self, message: Any) -> Any:
            traces.append(current_trace_id())

    class Piping(Plain):
        async def receive(self, message: Any) -> Any:
            if message == "pipe":
                self.context.pipe_to_self(trio.lowlevel.checkpoint, self._brought, self._brought)

        def _brought(self, _: object) -> str:
            self.context.ref("t", 1).tell("news")
            return "brought"

    system = ActorSystem()
    system.register("t", Tracing)
    system.register("p", Piping)
    async with system:
        ref = system.ref("p", 1)
        await ref.ask("pipe", trace_id="one")
        await ref.ask("other", trace_id="two")
        await trio.sleep(2)
        assert traces == [None]
