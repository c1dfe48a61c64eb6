"""Random operations on random schedules, against what must hold in every one of them.

Importing Hypothesis makes Trio shuffle its run queue from the random module, and
``st.random_module()`` makes that seed part of the example: schedules are explored, replayed and
shrunk like any other input.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from actors.runtime import (
    Actor,
    ActorContext,
    ActorError,
    ActorSystem,
    Address,
    DeadLetterReason,
    Delivery,
    Directive,
    OverflowPolicy,
    Props,
    Refusal,
    RestartPolicy,
    StopReason,
)
from actors.runtime.lane import Watch
from actors.runtime.testkit import run_virtual

EXAMPLES = int(os.environ.get("AEON_RUNTIME_EXAMPLES", "1000"))


@dataclass(eq=False, slots=True)
class Message:
    number: int
    deed: str
    to: tuple[str, int] = ("single", 0)


@dataclass
class World:
    """What really happened, noted where it happened."""

    started: list[int] = field(default_factory=list)
    completed: list[int] = field(default_factory=list)
    dead: list[tuple[int, DeadLetterReason]] = field(default_factory=list)
    inside: set[Address] = field(default_factory=set)
    latest: dict[Address, object] = field(default_factory=dict)
    accepted: set[int] = field(default_factory=set)
    rejected: set[int] = field(default_factory=set)
    outcomes: Counter[int] = field(default_factory=Counter)
    order: dict[Address, list[int]] = field(default_factory=dict)
    bad_starts: int = 0
    """How many of the next starts fail."""
    stop_seconds: float = 0.0
    given_up: set[int] = field(default_factory=set)
    """Waited when their actor was told to stop, which it then did."""
    wrong: list[str] = field(default_factory=list)


class Single(Actor[Message]):
    def __init__(self, context: ActorContext, world: World) -> None:
        super().__init__(context)
        self.world = world

    async def on_start(self) -> None:
        self.world.latest[self.context.address] = self
        await trio.lowlevel.checkpoint()
        if self.world.bad_starts:
            self.world.bad_starts -= 1
            raise OSError

    async def on_stop(self, reason: StopReason) -> None:
        self._check()
        await trio.sleep(self.world.stop_seconds)

    async def receive(self, message: Message) -> int:
        self._enter()
        try:
            return await self._do(message)
        finally:
            self.world.inside.discard(self.context.address)

    def _check(self) -> None:
        address = self.context.address
        if self.world.latest[address] is not self:
            self.world.wrong.append(f"{address}: an old incarnation acts")

    def _enter(self) -> None:
        self._check()
        if self.context.address in self.world.inside:
            self.world.wrong.append(f"{self.context.address}: two messages at once")
        self.world.inside.add(self.context.address)

    async def _do(self, message: Message) -> int:
        world = self.world
        world.started.append(message.number)
        world.order.setdefault(self.context.address, []).append(message.number)
        match message.deed:
            case "slow":
                await trio.sleep(0.5)
            case "yield":
                await trio.lowlevel.checkpoint()
            case "crash":
                await trio.lowlevel.checkpoint()
                raise ExceptionGroup("crash", [ValueError()])
            case "refuse":
                world.completed.append(message.number)
                raise Refusal
            case "rest":
                self.context.passivate()
            case "watch":
                self.context.watch(Address(*message.to))
            case "timer":
                self.context.timer("t", 0.3, Message(-1, "yield"))
            case "pipe":
                self.context.pipe_to_self(
                    trio.lowlevel.checkpoint,
                    lambda _: Message(-1, "yield"),
                    lambda _: Message(-1, "yield"),
                )
            case "forward":
                with suppress(ActorError):
                    await self.context.ref(*message.to).ask(Message(-1, "slow"), timeout_seconds=1)
        world.completed.append(message.number)
        return message.number


class Batch(Single):
    async def receive_batch(self, batch: Sequence[Delivery[Message]]) -> None:
        self._enter()
        try:
            for delivery in batch:
                try:
                    delivery.reply(await self._do(delivery.message))
                except Refusal as refusal:
                    delivery.fail(refusal)
        finally:
            self.world.inside.discard(self.context.address)


def _number_of(delivery: Delivery[Any]) -> int:
    message: Message = delivery.message
    return message.number


DEEDS = ["ok", "slow", "yield", "crash", "refuse", "rest", "watch", "timer", "pipe", "forward"]
# Mostly the same one, so that operations meet.
where = st.sampled_from([("single", 0), ("single", 0), ("single", 1), ("batch", 0), ("batch", 1)])
HOLDS = st.sampled_from(["stop", "end", "end at once", "restart", "passivate"])
operation = st.one_of(
    st.tuples(st.just("tell"), where, st.sampled_from(DEEDS), where),
    st.tuples(st.just("burst"), where, st.sampled_from(DEEDS), where),
    st.tuples(st.just("ask"), where, st.sampled_from(DEEDS), where, st.sampled_from([0.1, 2, 50])),
    st.tuples(st.just("ask and go"), where, st.sampled_from(DEEDS), where, st.just(0.2)),
    st.tuples(HOLDS, where),
    # Two requests that meet, and a message between them.
    st.tuples(st.just("twice"), where, HOLDS, st.sampled_from([0.0, 0.1]), HOLDS),
    st.tuples(st.just("bad starts"), st.integers(1, 3)),
    st.tuples(st.just("look"), where),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.05, 0.1, 0.6, 3.0, 40.0])),
    st.just(("check",)),
)


class Interpreter:
    """Runs operations on a system and notes their results in the world."""

    def __init__(self, props: Props, shutdown_seconds: float, stop_seconds: float) -> None:
        self.world = World(stop_seconds=stop_seconds)
        self.system = ActorSystem(shutdown_seconds=shutdown_seconds, sweep_seconds=1, seed=0)
        # A clock of the schedule, not of the machine: else a slow moment changes the example.
        self.system._environment.clock = trio.current_time
        self.system.register("single", lambda context: Single(context, self.world), props)
        self.system.register("batch", lambda context: Batch(context, self.world), props)
        self._numbers = 0
        self._left_at = float("inf")
        letters = self.system.dead_letters
        add = letters.add

        def spy(address: Address, message: Any, reason: DeadLetterReason, at: float) -> None:
            self.world.dead.append((message.number, reason))
            add(address, message, reason, at)

        letters.add = spy  # type: ignore[method-assign]  # letters don't hold the message

    def _message(self, deed: str, to: tuple[str, int]) -> Message:
        self._numbers += 1
        return Message(self._numbers, deed, to)

    async def run(self, operations: Sequence[tuple[Any, ...]]) -> None:
        async with trio.open_nursery() as nursery, self.system:
            for name, *arguments in operations:
                match name:
                    case "tell":
                        self._tell(*arguments)
                    case "burst":
                        for _ in range(5):
                            self._tell(*arguments)
                    case "ask":
                        nursery.start_soon(self._ask, *arguments)
                    case "ask and go":
                        nursery.start_soon(self._ask_and_go, *arguments)
                    case "twice":
                        where, first, gap_seconds, second = arguments
                        self._take_hold(first, where)
                        await trio.sleep(gap_seconds)
                        self._tell(where, "ok", where)
                        self._take_hold(second, where)
                    case "bad starts":
                        self.world.bad_starts = arguments[0]
                    case "look":
                        nursery.start_soon(self._look, *arguments)
                    case "wait":
                        await trio.sleep(arguments[0])
                    case "check":
                        await wait_all_tasks_blocked()
                        self.check_conservation()
                    case _:
                        self._take_hold(name, *arguments)
            self._left_at = trio.current_time()

    def _tell(self, where: tuple[str, int], deed: str, to: tuple[str, int]) -> None:
        message = self._message(deed, to)
        accepted = self.system.ref(*where).tell(message)
        (self.world.accepted if accepted else self.world.rejected).add(message.number)

    async def _ask(
        self, where: tuple[str, int], deed: str, to: tuple[str, int], timeout_seconds: float
    ) -> None:
        message = self._message(deed, to)
        self.world.accepted.add(message.number)  # or a dead letter
        began = trio.current_time()
        try:
            await self.system.ref(*where).ask(message, timeout_seconds=timeout_seconds)
        except (ActorError, Refusal):
            pass
        finally:
            self.world.outcomes[message.number] += 1
        if trio.current_time() - began > timeout_seconds + 1e-6:
            self.world.wrong.append("an answer after the deadline")

    async def _ask_and_go(
        self, where: tuple[str, int], deed: str, to: tuple[str, int], after_seconds: float
    ) -> None:
        with trio.move_on_after(after_seconds):
            await self._ask(where, deed, to, 50)

    def _take_hold(self, how: str, where: tuple[str, int]) -> None:
        address, system = Address(*where), self.system
        cell = system._find(address)
        if cell is None:
            return
        match how:
            case "stop":
                system.ref(*where).stop()
            case "end" | "end at once":
                system.stop(address, patience_seconds=0.2 if how == "end" else 0)
            case "restart":
                system.restart(address, patience_seconds=0.2)
            case "passivate":
                system.passivate(address)
        if how in ("stop", "end", "end at once"):
            waiting = [_number_of(delivery) for delivery in cell.mailbox._user or ()]
            cell.add_watch(Watch(address, address, self._ended(trio.current_time(), waiting)))

    def _ended(self, asked_at: float, waiting: list[int]) -> Callable[[Watch], None]:
        """Hears that an actor ends as asked, unless the shutdown overrules it."""
        world = self.world

        def ended(watch: Watch) -> None:
            # A message takes a second at most, a stop less; only a batch may hold many.
            if watch.address.kind == "single" and self._known_at() > asked_at + 1.5:
                world.wrong.append(f"{watch.address} was told to stop and did not")
            if watch.reason is StopReason.REQUESTED and self._left_at == float("inf"):
                world.given_up.update(waiting)

        return ended

    def _known_at(self) -> float:
        return min(trio.current_time(), self._left_at)

    async def _look(self, where: tuple[str, int]) -> None:
        with suppress(ActorError):
            await self.system.get_state(Address(*where))

    def check_conservation(self) -> None:
        for row in self.system.snapshot().actors:
            assert row.accepted == row.handled + row.dropped + row.depth + row.in_hand
            assert row.depth <= row.peak_depth <= row.capacity


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    operations=st.lists(operation, max_size=14),
    policy=st.sampled_from(OverflowPolicy),
    intensity=st.sampled_from([0, 1, 50]),
    capacity=st.sampled_from([1, 3, 100]),
    max_batch=st.sampled_from([1, 2, 64]),
    shutdown_seconds=st.sampled_from([0.0, 1000.0]),
    stop_seconds=st.sampled_from([0.0, 0.3]),
    schedule=st.random_module(),
)
def test_every_message_and_every_ask_ends_once(
    operations: list[tuple[Any, ...]],
    policy: OverflowPolicy,
    intensity: int,
    capacity: int,
    max_batch: int,
    shutdown_seconds: float,
    stop_seconds: float,
    schedule: Any,
) -> None:
    props = Props(
        capacity=capacity,
        overflow=policy,
        max_batch=max_batch,
        idle_after_seconds=2.0,
        restart=RestartPolicy(intensity=intensity),
        exhausted=Directive.STOP,
        shutdown_seconds=shutdown_seconds,
    )
    interpreter = Interpreter(props, shutdown_seconds, stop_seconds)
    run_virtual(lambda: interpreter.run(operations))
    world, system = interpreter.world, interpreter.system

    assert world.wrong == []
    started, completed = Counter(world.started), Counter(world.completed)
    dead = Counter(number for number, _ in world.dead)
    for number in world.accepted | world.rejected:
        # Handled xor dead-lettered, and handled once.
        assert started[number] <= 1
        ended = completed[number] + dead[number]
        late_batch = dict(world.dead).get(number) in _BATCH_REASONS and completed[number] == 1
        assert ended == 1 or (late_batch and ended == 2), f"message {number} ended {ended} times"
    for number, reason in world.dead:
        if reason not in _BATCH_REASONS and number > 0:
            assert started[number] == 0, f"{reason} after it was started"
    assert not world.given_up & set(world.started), "handled what waited at a stop"
    for number in world.rejected:
        assert dead[number] == 1
        assert started[number] == 0
    assert set(world.outcomes.values()) <= {1}
    for numbers in world.order.values():
        told = [number for number in numbers if number > 0]
        assert told == sorted(told), "not in the order they were sent"
    assert system.count() == 0
    if shutdown_seconds:
        assert system.drained
        if not {name for name, *_ in operations} & {"restart", "end", "end at once", "twice"}:
            assert system.dead_letters.count(DeadLetterReason.CANCELLED) == 0
    assert len(system._environment.timers) == 0


_BATCH_REASONS = {DeadLetterReason.FAILED, DeadLetterReason.CANCELLED}
"""A batch is lost as a whole, also what of it was begun or done, unless it was answered."""
