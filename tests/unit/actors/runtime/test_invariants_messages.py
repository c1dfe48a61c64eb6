"""What the runtime promises about messages. Each test names a fault that makes it fail.

The faults are seeded by ``tests/mutation/actors_runtime.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import (
    MockClock,
    assert_checkpoints,
    assert_no_checkpoints,
    wait_all_tasks_blocked,
)

from actors.runtime import (
    Actor,
    ActorContext,
    ActorError,
    ActorFailed,
    ActorRef,
    ActorStopped,
    ActorSystem,
    Address,
    AskCycle,
    AskTimeout,
    DeadLetterReason,
    MailboxFull,
    OverflowPolicy,
    Props,
    Refusal,
    RestartPolicy,
    StopReason,
)
from actors.runtime.testkit import ActorTestKit, AtStep, run_virtual

Handler = Callable[[Any, Any], Any]


class Scripted(Actor[Any]):
    """Calls a function of the test for each message."""

    def __init__(self, context: ActorContext, handler: Any, start: Any, log: list[Any]) -> None:
        super().__init__(context)
        self._handler, self._start, self.log = handler, start, log

    async def on_start(self) -> None:
        self.log.append("start")
        if self._start is not None:
            await self._start(self)

    async def receive(self, message: Any) -> Any:
        self.log.append(message)
        if self._handler is not None:
            return await self._handler(self, message)
        return message

    async def on_stop(self, reason: StopReason) -> None:
        self.log.append(reason)


def scripted(
    system: ActorSystem,
    handler: Any = None,
    *,
    kind: str = "a",
    start: Any = None,
    props: Props | None = None,
) -> list[Any]:
    """Register a kind and return its actors' common log."""
    log: list[Any] = []
    system.register(kind, lambda context: Scripted(context, handler, start, log), props)
    return log


async def outcome_of(ref: ActorRef[Any], message: object, **kwargs: Any) -> object:
    """What an ask returns, or the class it raises."""
    try:
        return await ref.ask(message, **kwargs)
    except (ActorError, Refusal) as error:
        return type(error)


async def test_i1_one_incarnation_per_address(autojump_clock: MockClock) -> None:
    """Fault: the registry does not remember the cell it starts."""
    alive = peak = 0

    async def start(actor: Any) -> None:
        nonlocal alive, peak
        alive += 1
        peak = max(peak, alive)
        await trio.sleep(1)

    class Counted(Scripted):
        async def on_stop(self, reason: StopReason) -> None:
            nonlocal alive
            await trio.sleep(1)
            alive -= 1

    system = ActorSystem(sweep_seconds=1)
    props = Props(idle_after_seconds=3)
    system.register("a", lambda context: Counted(context, None, start, []), props)
    async with system:
        for _ in range(5):
            async with trio.open_nursery() as nursery:
                for n in range(20):
                    nursery.start_soon(system.ref("a", 1).ask, n)
            await trio.sleep(3.7)  # asks meet every stage of the passivation
    assert alive == 0
    assert peak == 1


async def test_i2_one_message_at_a_time(autojump_clock: MockClock) -> None:
    """Fault: the runner starts the handler in a task instead of awaiting it."""
    inside = 0

    async def handler(actor: Any, message: Any) -> None:
        nonlocal inside
        inside += 1
        assert inside == 1
        await trio.sleep(0.1)
        inside -= 1

    system = ActorSystem()
    scripted(system, handler)
    async with system, trio.open_nursery() as nursery:
        for n in range(20):
            nursery.start_soon(system.ref("a", 1).ask, n)
    assert system.snapshot().kinds[0].crashed == 0


async def test_i3_fifo_per_sender(autojump_clock: MockClock) -> None:
    """Fault: the mailbox gives the newest message first."""
    system = ActorSystem()
    log = scripted(system)

    async def send(sender: int) -> None:
        for n in range(30):
            system.ref("a", 1).tell((sender, n))
            await trio.lowlevel.checkpoint()

    async with system, trio.open_nursery() as nursery:
        for sender in range(5):
            nursery.start_soon(send, sender)
    for sender in range(5):
        sent = [
            n for who, n in (entry for entry in log if isinstance(entry, tuple)) if who == sender
        ]
        assert sent == list(range(30))


async def test_i3_system_lane_overtakes_between_messages(autojump_clock: MockClock) -> None:
    """Fault: the runner looks into the user lane first."""

    async def handler(actor: Any, message: Any) -> None:
        if message == 0:
            actor.context.timer("tick", 0.05, "tick")
        await trio.sleep(0.1)

    system = ActorSystem()
    log = scripted(system, handler)
    async with system:
        for n in range(4):
            system.ref("a", 1).tell(n)
    assert log == ["start", 0, "tick", 1, 2, 3, StopReason.SHUTDOWN]


async def test_i4_conservation(autojump_clock: MockClock) -> None:
    """Fault: a dropped message is not counted."""

    async def handler(actor: Any, message: Any) -> None:
        await trio.sleep(0.3)
        if message % 5 == 0:
            raise ValueError
        if message % 7 == 0:
            raise Refusal

    system = ActorSystem()
    restart = RestartPolicy(intensity=1000, max_backoff_seconds=0.1)
    scripted(
        system,
        handler,
        props=Props(capacity=8, overflow=OverflowPolicy.DROP_OLDEST, restart=restart),
    )
    async with system, trio.open_nursery() as nursery:
        for n in range(1, 60):
            for key in range(3):
                ref = system.ref("a", key)
                if n % 3:
                    ref.tell(n)
                else:
                    nursery.start_soon(outcome_of_with, ref, n, 0.5)
            await trio.sleep(0.1)
            await wait_all_tasks_blocked()
            for row in system.snapshot("a").actors:
                assert row.accepted == row.handled + row.dropped + row.depth + row.in_hand
        assert {letter.reason for letter in system.dead_letters.recent()} == {
            DeadLetterReason.FULL,
            DeadLetterReason.EXPIRED,
            DeadLetterReason.FAILED,
        }


async def outcome_of_with(ref: ActorRef[Any], message: object, timeout_seconds: float) -> None:
    await outcome_of(ref, message, timeout_seconds=timeout_seconds)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("value", "value"),
        (Refusal(), Refusal),
        (ValueError(), ActorFailed),
        (ExceptionGroup("two", [ValueError(), OSError()]), ActorFailed),
        (5.0, AskTimeout),
        ("stop me", ActorStopped),
        ("hand over", "hand over"),
    ],
)
async def test_i5_every_ask_has_one_outcome(
    message: Any, expected: object, autojump_clock: MockClock
) -> None:
    """Faults: a crash, a stop or the deadline does not settle the ask; a slot settles twice."""

    async def handler(actor: Any, message: Any) -> Any:
        if isinstance(message, Exception):
            raise message
        if isinstance(message, float):
            await trio.sleep(message)
        if message == "hand over":
            actor.context.passivate()
        return message

    system = ActorSystem()
    scripted(system, handler)
    async with system:
        ref = system.ref("a", 1)
        if message == "stop me":
            ref.tell(1.0)
            ref.stop()
        began = trio.current_time()
        assert await outcome_of(ref, message, timeout_seconds=2) == expected
        assert trio.current_time() - began <= 2


async def test_i5_shutdown_settles_asks_in_hand_and_waiting(autojump_clock: MockClock) -> None:
    """Fault: a hard stop leaves the asks of its actors open.

    Of the message in hand nobody knows how much was done; those that waited were not touched.
    """

    async def handler(actor: Any, message: Any) -> None:
        await trio.sleep_forever()

    system = ActorSystem(shutdown_seconds=1)
    scripted(system, handler)
    outcomes: list[object] = []

    async def ask(n: int) -> None:
        outcomes.append(await outcome_of(system.ref("a", 1), n, timeout_seconds=100))

    async with trio.open_nursery() as nursery, system:
        for n in range(3):
            nursery.start_soon(ask, n)
        await wait_all_tasks_blocked()
    assert Counter(outcomes) == {ActorFailed: 1, ActorStopped: 2}
    assert not system.drained


async def test_i6_crash_keeps_inbox_and_order(autojump_clock: MockClock) -> None:
    """Fault: a crash empties the mailbox."""
    started = 0

    async def start(actor: Any) -> None:
        nonlocal started
        await trio.sleep(1)
        started += 1

    async def handler(actor: Any, message: Any) -> None:
        assert started == 1 + (message > 1), "handled before on_start was done"
        if message == 1:
            raise ValueError

    system = ActorSystem()
    log = scripted(system, handler, start=start)
    async with system:
        for n in range(5):
            system.ref("a", 1).tell(n)
    assert log == ["start", 0, 1, "start", 2, 3, 4, StopReason.SHUTDOWN]
    assert system.dead_letters.total == 1


async def test_i10_tell_is_atomic_and_never_raises(autojump_clock: MockClock) -> None:
    """Faults: the mailbox takes one more than its capacity; a stopped system raises."""
    system = ActorSystem()
    gate = trio.Event()

    async def handler(actor: Any, message: Any) -> None:
        await gate.wait()

    scripted(system, handler, props=Props(capacity=4))
    ref = system.ref("a", 1)
    with assert_no_checkpoints():
        assert ref.tell("not running yet") is False
    async with system:
        ref.tell("in hand")
        await wait_all_tasks_blocked()
        with assert_no_checkpoints():
            assert [ref.tell(n) for n in range(6)] == [True] * 4 + [False] * 2
        row = system.snapshot("a").actors[0]
        assert (row.depth, row.peak_depth, row.rejected) == (4, 4, 2)
        with assert_checkpoints(), pytest.raises(MailboxFull):
            await ref.ask("full")  # a loop of retries must let others run
        gate.set()
    with assert_no_checkpoints():
        assert ref.tell("dead") is False
    assert system.dead_letters.count(DeadLetterReason.STOPPED) == 2
    assert system.dead_letters.count(DeadLetterReason.FULL) == 3


async def test_i11_cycles_end_before_any_wait(autojump_clock: MockClock) -> None:
    """Fault: only who waits for the asker itself is looked at, not who waits for those."""
    caught: list[AskCycle] = []

    async def handler(actor: Any, message: Any) -> object:
        if not message:
            return "end"
        try:
            return await actor.context.ref("a", message[0]).ask(message[1:])
        except AskCycle as cycle:
            caught.append(cycle)
            raise Refusal from cycle

    system = ActorSystem()
    log = scripted(system, handler)
    async with system:
        began = trio.current_time()
        assert await system.ref("a", "x").ask(["y", "z"]) == "end"
        for path in (["x"], ["y", "x"], ["y", "z", "y"]):
            with pytest.raises(Refusal):
                await system.ref("a", "x").ask(path)
        assert trio.current_time() == began
    assert [str(cycle.address) for cycle in caught] == ["a:x", "a:x", "a:y"]
    assert log.count([]) == 1, "the closing ask was sent"
    # Nothing an actor can call waits for room in another's mailbox.
    waits = {name for name in dir(ActorRef) if not name.startswith("_")}
    assert waits == {"address", "tell", "ask", "stop"}


def tell_at_step(step: int, first: str) -> tuple[bool, list[Any], ActorSystem]:
    """Tell "x" just before a passivating actor's task takes its n-th step."""
    system = ActorSystem(sweep_seconds=1)
    handled: list[Any] = []

    class Slow(Actor[Any]):
        async def receive(self, message: Any) -> None:
            handled.append(message)
            if message == "rest":
                self.context.passivate()

        async def on_stop(self, reason: StopReason) -> None:
            for _ in range(3):
                await trio.lowlevel.checkpoint()

    async def main() -> None:
        system.register("a", Slow, Props(idle_after_seconds=2))
        async with system:
            system.ref("a", 1).tell(first)
            await trio.sleep(10)

    strike = AtStep("a:1", step, lambda: system.ref("a", 1).tell("x"))
    run_virtual(main, instruments=[strike])
    return strike.has_struck, handled, system


@pytest.mark.parametrize("first", ["stay", "rest"])
def test_i12_passivation_loses_nothing(first: str) -> None:
    """Fault: the runner does not look into the mailbox again after ``on_stop``."""
    for step in range(1, 100):
        has_struck, handled, system = tell_at_step(step, first)
        assert system.dead_letters.total == 0
        if not has_struck:
            assert step > 4, "the passivation was not covered"
            return
        assert handled.count("x") == 1, f"told at step {step}"


async def test_i17_timers_die_with_their_incarnation(autojump_clock: MockClock) -> None:
    """Faults: the end of an incarnation does not cut its timers; a reset keeps the old one."""

    async def handler(actor: Any, message: Any) -> None:
        match message:
            case "arm":
                actor.context.timer("t", 5, "old")
            case "rearm":
                actor.context.timer("t", 1, "new")
                actor.context.timer("t", 2, "newer")
            case "cancel":
                actor.context.timer("c", 0, "cancelled")
                await trio.sleep(1)  # it fires, and waits in the lane
                actor.context.cancel_timer("c")
            case "crash":
                raise ValueError

    system = ActorSystem()
    log = scripted(system, handler)
    async with system:
        ref = system.ref("a", 1)
        ref.tell("arm")
        await wait_all_tasks_blocked()
        assert system.snapshot().timers == 1
        ref.tell("crash")
        await trio.sleep(0.1)
        assert system.snapshot().timers == 0
        ref.tell("rearm")
        await wait_all_tasks_blocked()
        assert system.snapshot().timers == 1
        ref.tell("cancel")
        await trio.sleep(10)
        assert system.snapshot().timers == 0
    news = [entry for entry in log if entry in ("old", "new", "newer", "cancelled")]
    assert news == ["newer"]


async def test_i17_a_timer_that_fired_before_the_crash_is_void(autojump_clock: MockClock) -> None:
    """Fault: an item of the system lane is handled without asking whether it still counts."""

    async def handler(actor: Any, message: Any) -> None:
        if message == "arm and crash":
            actor.context.timer("t", 1, "stale")
            await trio.sleep(2)  # fired: it waits in the lane
            raise ValueError

    system = ActorSystem()
    log = scripted(system, handler)
    async with system:
        system.ref("a", 1).tell("arm and crash")
        await trio.sleep(10)
    assert "stale" not in log
    assert log.count("start") == 2


async def test_i13_watchers_hear_once(autojump_clock: MockClock) -> None:
    """Faults: a restart tells the watchers; a late watch is not answered; news comes twice."""

    async def handler(actor: Any, message: Any) -> None:
        raise ValueError

    system = ActorSystem()
    kit = ActorTestKit(system)
    scripted(system, handler, props=Props(restart=RestartPolicy(intensity=1)))
    async with system:
        probe, address = kit.probe(), Address("a", 1)
        await probe.watch(address)
        assert (await probe.expect_terminated(address)).reason is StopReason.ABSENT
        system.ref(*address).tell("crash")
        await trio.sleep(0.01)
        await probe.watch(address)
        await probe.watch(address)
        assert system.watchers(address) == (probe.ref.address,), "twice is once"
        await probe.expect_nothing(3)
        system.ref(*address).tell("crash again: too much")
        assert (await probe.expect_terminated(address)).reason is StopReason.FAILED
        system.ref(*address).tell("a new life has new watchers")
        await probe.expect_nothing(10)
