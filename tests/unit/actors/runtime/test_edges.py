"""Where two things happen at once: stops in backoffs, restarts in shutdowns, batches of asks."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.runtime import (
    Actor,
    ActorContext,
    ActorFailed,
    ActorStopped,
    ActorSystem,
    Address,
    AskCycle,
    AskTimeout,
    DeadLetterReason,
    Delivery,
    Props,
    Refusal,
    Restart,
    RestartPolicy,
    StopReason,
    Supervisor,
    current_trace_id,
)
from actors.runtime.lane import Watch
from actors.runtime.testkit import ActorTestKit, run_virtual
from tests.unit.actors.runtime.test_invariants_supervision import Part, parts


class Plain(Actor[Any]):
    async def receive(self, message: Any) -> Any:
        if isinstance(message, Exception):
            raise message
        if isinstance(message, float):
            await trio.sleep(message)
        return message


async def test_a_stop_request_does_not_overrule_a_shutdown(autojump_clock: MockClock) -> None:
    handled: list[Any] = []

    class Noting(Plain):
        async def receive(self, message: Any) -> Any:
            handled.append(await super().receive(message))

    system = ActorSystem()
    system.register("p", Noting)
    async with trio.open_nursery() as nursery, system:
        for n in (0.12, 0.2, 0.3):
            system.ref("p", 1).tell(n)

        async def stop_later() -> None:
            await trio.sleep(0.119)  # just before the actor decides
            system.ref("p", 1).stop()

        nursery.start_soon(stop_later)
    assert handled == [0.12, 0.2, 0.3]


async def test_a_stop_cuts_a_backoff_short(autojump_clock: MockClock) -> None:
    system = ActorSystem()
    kit = ActorTestKit(system)
    slow = RestartPolicy(min_backoff_seconds=1000, max_backoff_seconds=1000)
    system.register("p", Plain, Props(restart=slow))
    async with system:
        probe, ref = kit.probe(), system.ref("p", 1)
        ref.tell(0.0)
        await probe.watch(ref.address)
        ref.tell(ValueError())
        await wait_all_tasks_blocked()
        assert system.snapshot("p").actors[0].state == "backoff"
        ref.tell("waits in vain")
        assert ref.stop()
        signal = await probe.expect_terminated(ref.address)
        assert signal.reason is StopReason.REQUESTED
        assert system.dead_letters.count(DeadLetterReason.STOPPED) == 1
        ref.tell(ValueError())
        await wait_all_tasks_blocked()
        began = trio.current_time()
    assert system.drained
    assert trio.current_time() - began < 1, "the shutdown waited for the backoff"


async def test_a_crash_is_followed_by_a_backoff(autojump_clock: MockClock) -> None:
    system = ActorSystem()
    policy = RestartPolicy(min_backoff_seconds=2, jitter=0)
    system.register("p", Plain, Props(restart=policy))
    async with system:
        ref = system.ref("p", 1)
        began = trio.current_time()
        ref.tell(ValueError())
        assert await ref.ask("after") == "after"
        assert trio.current_time() - began == pytest.approx(2)


async def test_a_message_during_a_requested_stop_starts_a_new_life(
    autojump_clock: MockClock,
) -> None:
    class SlowToStop(Plain):
        async def on_stop(self, reason: StopReason) -> None:
            await trio.sleep(1)

    system = ActorSystem()
    system.register("p", SlowToStop)
    async with system:
        ref = system.ref("p", 1)
        ref.tell("x")
        await wait_all_tasks_blocked()
        ref.stop()
        await trio.sleep(0.5)
        assert await ref.ask("new life") == "new life"
        await trio.sleep(5)
        assert system.count() == 1, "the new life was stopped by the old request"
        assert system.dead_letters.total == 0


async def test_actors_that_restart_in_place_let_others_run(autojump_clock: MockClock) -> None:
    class Restless(Actor[Any]):
        async def receive(self, message: Any) -> None:
            self.context.passivate()

    system = ActorSystem()
    system.register("p", Restless)
    turns = 0
    async with system:
        for n in range(200):
            system.ref("p", 1).tell(n)
        await trio.lowlevel.checkpoint()
        while system.count():
            await trio.lowlevel.checkpoint()
            turns += 1
    assert turns > 100


async def test_an_old_context_does_nothing(autojump_clock: MockClock) -> None:
    contexts: list[ActorContext] = []

    class Keeper(Plain):
        async def on_start(self) -> None:
            contexts.append(self.context)

    system = ActorSystem()
    system.register("p", Keeper)
    async with system:
        ref = system.ref("p", 1)
        ref.tell(ValueError())
        assert await ref.ask(1) == 1
        old, new = contexts
        assert not old.is_current
        assert new.is_current
        assert new.self_ref == ref
        old.timer("t", 1, "never")
        old.watch(Address("p", 2))
        old.passivate()
        old.pipe_to_self(trio.lowlevel.checkpoint, lambda _: "never", repr)
        assert old.cancel_timer("t") is False
        assert old.unwatch(Address("p", 2)) is False
        assert system.snapshot().timers == 0
        assert await ref.ask(2) == 2
        assert len(contexts) == 2


async def test_watches_of_crashed_watchers_are_not_kept(autojump_clock: MockClock) -> None:
    class Watcher(Plain):
        async def on_start(self) -> None:
            self.context.watch(Address("p", "target"))

    system = ActorSystem()
    system.register("p", Plain)
    policy = RestartPolicy(intensity=100, max_backoff_seconds=0.1)
    system.register("w", Watcher, Props(restart=policy))
    gc.collect()
    before = sum(isinstance(found, Watch) for found in gc.get_objects())
    async with system:
        system.ref("p", "target").tell(1)
        for _ in range(20):
            system.ref("w", 1).tell(ValueError())
        await system.ref("w", 1).ask("up again")
        gc.collect()
        after = sum(isinstance(found, Watch) for found in gc.get_objects())
    assert after - before <= 1


async def test_inspection_of_an_actor_that_ends_is_answered(autojump_clock: MockClock) -> None:
    system = ActorSystem()
    system.register("p", Plain)
    async with system:
        system.ref("p", 1).tell(1.0)
        await wait_all_tasks_blocked()
        system.ref("p", 1).stop()
        with pytest.raises(ActorStopped):
            await system.get_state(Address("p", 1), timeout_seconds=10)


async def test_time_in_handlers_is_measured() -> None:
    system = ActorSystem(clock=trio.current_time)

    async def main() -> None:
        system.register("p", Plain)
        async with system:
            ref = system.ref("p", 1)
            for seconds in (1.0, 3.0):
                await ref.ask(seconds)
            row = system.snapshot().actors[0]
            assert row.busy_seconds == pytest.approx(4)
            assert row.slowest_seconds == pytest.approx(3)
            ref.tell(9.0)
            ref.tell("waits")
            await trio.sleep(2)
            row = system.snapshot(order="current").actors[0]
            assert row.current_seconds == pytest.approx(2)
            assert row.oldest_message_seconds == pytest.approx(2)
            flight = system.flights("p")[0]
            assert flight.handled_seconds == pytest.approx(3)
            assert flight.seconds_ago == pytest.approx(2)

    await trio.to_thread.run_sync(run_virtual, main)


class Batch(Actor[Any]):
    """Handles after a second, and asks others when told to."""

    def __init__(self, context: ActorContext, seen: list[Any]) -> None:
        super().__init__(context)
        self.seen = seen

    async def receive_batch(self, batch: Sequence[Delivery[Any]]) -> None:
        await trio.sleep(1)
        for delivery in batch:
            self.seen.append(delivery.message)
            match delivery.message:
                case "forget":
                    continue
                case ("ask", kind, key, message):
                    delivery.reply(await self._ask(kind, key, message))
                case _:
                    delivery.reply(delivery.message)

    async def _ask(self, kind: str, key: Any, message: Any) -> Any:
        began = trio.current_time()
        try:
            return await self.context.ref(kind, key).ask(message, timeout_seconds=60)
        except (AskCycle, AskTimeout) as error:
            return type(error), trio.current_time() - began


async def test_batches_skip_expired_asks_and_fail_forgotten_ones(
    autojump_clock: MockClock,
) -> None:
    seen: list[Any] = []
    system = ActorSystem()
    system.register("b", lambda context: Batch(context, seen))
    async with system:
        ref = system.ref("b", 1)
        ref.tell("first")
        await wait_all_tasks_blocked()
        with pytest.raises(AskTimeout):
            await ref.ask("expired", timeout_seconds=0.5)
        ref.tell("told")
        with pytest.raises(ActorFailed, match="unanswered"):
            await ref.ask("forget")
        assert seen == ["first", "told", "forget"]
        assert system.dead_letters.count(DeadLetterReason.EXPIRED) == 1
        row = system.snapshot().actors[0]
        assert row.accepted == row.handled + row.dropped == 4


async def test_a_refusal_in_a_batch_answers_who_asked(autojump_clock: MockClock) -> None:
    """Fault: a batch that is handled one by one crashes as a whole."""

    class OneByOne(Actor[Any]):
        async def receive(self, message: Any) -> Any:
            await trio.sleep(0.1)
            if message == "refuse":
                raise Refusal
            return message

        async def receive_batch(self, batch: Sequence[Delivery[Any]]) -> None:
            await super().receive_batch(batch)

    system = ActorSystem()
    system.register("b", OneByOne)
    answers: list[Any] = []

    async def ask(message: Any) -> None:
        try:
            answers.append(await system.ref("b", 1).ask(message))
        except Refusal:
            answers.append("refused")

    async with system:
        async with trio.open_nursery() as nursery:
            for message in (1, "refuse", 2):  # the last two wait for the first, in this order
                nursery.start_soon(ask, message)
                await wait_all_tasks_blocked()
        assert answers == [1, "refused", 2]


async def test_batches_know_who_waits_for_them(autojump_clock: MockClock) -> None:
    system = ActorSystem()
    system.register("b", lambda context: Batch(context, []))
    system.register("p", Plain)
    async with system:
        cycle = ("ask", "b", "x", ("ask", "b", "y", ("ask", "b", "x", "closing")))
        answer = await system.ref("b", "z").ask(cycle, timeout_seconds=30)
        assert answer == (AskCycle, 0)
        # Asks of one batch share what a handler waits for; the most patient one decides.
        answers: list[Any] = []

        async def ask(timeout_seconds: float) -> None:
            message = ("ask", "p", timeout_seconds, 100.0)
            try:
                answers.append(
                    await system.ref("b", 1).ask(message, timeout_seconds=timeout_seconds)
                )
            except AskTimeout:
                answers.append(timeout_seconds)

        async with trio.open_nursery() as nursery:
            system.ref("b", 1).tell("hold")
            await wait_all_tasks_blocked()
            began = trio.current_time()
            nursery.start_soon(ask, 3)
            nursery.start_soon(ask, 20)
        assert 3 in answers
        assert trio.current_time() - began == pytest.approx(20)


async def test_trace_ids_follow_asks_and_tells(autojump_clock: MockClock) -> None:
    seen: list[str | None] = []

    class Passing(Actor[Any]):
        async def receive(self, message: Any) -> None:
            seen.append(current_trace_id())
            if message:
                self.context.ref("t", f"told by {message[0]}").tell(message[1:])
                await self.context.ref("t", message[0]).ask(message[1:])

    system = ActorSystem()
    system.register("t", Passing)
    async with system:
        await system.ref("t", 0).ask([1, 2], trace_id="r-1")
        await wait_all_tasks_blocked()
        assert len(system.flights("t")) == 7
        assert {*seen} == {"r-1"}
        assert current_trace_id() is None
        assert {flight.trace_id for flight in system.flights("t")} == {"r-1"}


async def test_actors_started_during_the_drain_are_drained_too(
    autojump_clock: MockClock,
) -> None:
    handled: list[int] = []

    class Chain(Actor[int]):
        async def receive(self, message: int) -> None:
            await trio.sleep(0.1)
            handled.append(message)
            if message:
                self.context.ref("c", message - 1).tell(message - 1)

    system = ActorSystem()
    system.register("c", Chain)
    async with system:
        system.ref("c", 5).tell(5)
        began = trio.current_time()
    assert handled == [5, 4, 3, 2, 1, 0]
    assert system.drained
    assert trio.current_time() - began < 2


class FakeChild:
    """A child that fails when the test says so."""

    restart = Restart.PERMANENT

    def __init__(self, name: str) -> None:
        self.name = name
        self.ended: list[Callable[[Exception | None], None]] = []

    async def start(self, ended: Callable[[Exception | None], None]) -> None:
        self.ended.append(ended)

    async def stop(self, *, for_good: bool) -> None:
        pass


async def test_a_report_about_a_life_that_is_over_does_not_count(
    autojump_clock: MockClock,
) -> None:
    supervisor = Supervisor()
    children = [FakeChild(name) for name in "abc"]
    for child in children:
        supervisor.add(child)
    await supervisor.start()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await wait_all_tasks_blocked()
        children[1].ended[0](ValueError())
        children[2].ended[0](ValueError())  # it is restarted for the other's sake already
        await trio.sleep(1)
        assert [len(child.ended) for child in children] == [1, 2, 2]
        children[2].ended[1](None)  # ended without being asked to
        await trio.sleep(1)
        assert [len(child.ended) for child in children] == [1, 2, 3]
        await supervisor.stop()


async def test_a_failed_service_waits_before_it_starts_again(autojump_clock: MockClock) -> None:
    log: list[str] = []
    system = ActorSystem(services=RestartPolicy(min_backoff_seconds=2, jitter=0))
    running = parts(system, log)
    async with system:
        log.clear()
        running["c"].crash.set()
        await trio.sleep(1.9)
        assert log == []
        await trio.sleep(0.2)
        assert log == ["+c"]


async def test_a_shutdown_during_a_restart_starts_nothing(autojump_clock: MockClock) -> None:
    log: list[str] = []
    patient = RestartPolicy(min_backoff_seconds=100, max_backoff_seconds=100)
    system = ActorSystem(services=patient, shutdown_seconds=1000)
    running = parts(system, log)
    async with system:
        log.clear()
        running["b"].crash.set()
        await trio.sleep(1)
        began = trio.current_time()
    assert log == ["-c", "-a"]
    assert trio.current_time() - began < 1


async def test_a_service_that_does_not_close_is_cut_off(autojump_clock: MockClock) -> None:
    class Hanging(Part):
        async def aclose(self) -> None:
            await trio.sleep_forever()

    class Raising(Part):
        async def aclose(self) -> None:
            raise OSError

    system = ActorSystem(shutdown_seconds=1000)
    system.add_service("h", lambda: Hanging("h", []), stop_seconds=2)
    system.add_service("r", lambda: Raising("r", []), stop_seconds=2)
    async with system:
        began = trio.current_time()
    assert trio.current_time() - began == pytest.approx(2)


async def test_crashes_are_logged_without_content(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    system = ActorSystem()
    props = Props(transient=(OSError,), restart=RestartPolicy(intensity=0), capacity=1)
    system.register("p", Plain, props)
    with caplog.at_level(logging.WARNING, logger="actors.runtime"):
        async with system:
            system.ref("p", "away").tell(OSError())
            system.ref("p", "bug").tell(ValueError())
            for _ in range(30):
                system.ref("p", "away").tell("full")
            await trio.sleep(1)
    texts = [record.getMessage() for record in caplog.records]
    assert any(text.startswith("p:away: OSError, tries again in") for text in texts)
    assert "p:bug crashed with ValueError too often, stops" in texts
    assert [text for text in texts if "p, full" in text] == [
        "dead letters of p, full: 1 so far",
        "dead letters of p, full: 10 so far",
    ]


async def test_a_failing_stop_is_logged(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    class BadStop(Plain):
        async def on_stop(self, reason: StopReason) -> None:
            raise ValueError

    system = ActorSystem()
    system.register("p", BadStop)
    async with system:
        await system.ref("p", 1).ask(1)
    assert [record.getMessage() for record in caplog.records] == ["p:1 failed to stop: ValueError"]
