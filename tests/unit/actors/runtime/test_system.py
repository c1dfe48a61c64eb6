"""The system as an application meets it: tell, ask, crash, stop, drain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.runtime import (
    Actor,
    ActorContext,
    ActorError,
    ActorFailed,
    ActorStopped,
    ActorSystem,
    AskCycle,
    AskTimeout,
    Delivery,
    MailboxFull,
    OverflowPolicy,
    Props,
    Refusal,
    RestartPolicy,
    StopReason,
    UnknownKind,
)
from actors.runtime.dead_letters import DeadLetterReason


class NotToday(Refusal):
    pass


class Scribe(Actor[Any]):
    """Does what it is told and writes it down, across its incarnations."""

    log: list[Any]
    starts = 0

    def __init__(self, context: ActorContext, log: list[Any]) -> None:
        super().__init__(context)
        self.log = log

    async def on_start(self) -> None:
        self.log.append("start")

    async def on_stop(self, reason: StopReason) -> None:
        self.log.append(reason)

    async def receive(self, message: Any) -> object:
        match message:
            case trio.Event():
                await message.wait()
            case Exception():
                raise message
            case ("ask", kind, key, inner):
                return await self.context.ref(kind, key).ask(inner)
            case "reload":
                self.context.passivate()
        self.log.append(message)
        return message


@pytest.fixture
def log() -> list[Any]:
    return []


@pytest.fixture
async def system(log: list[Any]) -> AsyncIterator[ActorSystem]:
    system = ActorSystem("test", seed=1)
    system.register("scribe", lambda context: Scribe(context, log), Props(capacity=3))
    async with system:
        yield system


async def test_ask_returns_what_receive_returns(
    system: ActorSystem, log: list[Any], autojump_clock: MockClock
) -> None:
    assert await system.ref("scribe", 1).ask("hello") == "hello"
    assert log == ["start", "hello"]


async def test_tell_is_handled_in_order(
    system: ActorSystem, log: list[Any], autojump_clock: MockClock
) -> None:
    ref = system.ref("scribe", 1)
    assert [ref.tell(n) for n in range(3)] == [True, True, True]
    await wait_all_tasks_blocked()
    assert log == ["start", 0, 1, 2]


async def test_full_mailbox_rejects(system: ActorSystem, autojump_clock: MockClock) -> None:
    ref, gate = system.ref("scribe", 1), trio.Event()
    ref.tell(gate)
    await wait_all_tasks_blocked()
    assert [ref.tell(n) for n in range(4)] == [True, True, True, False]
    with pytest.raises(MailboxFull):
        await ref.ask("too much")
    assert system.dead_letters.count(DeadLetterReason.FULL) == 2
    gate.set()


@pytest.mark.parametrize(
    ("policy", "answers", "survivors"),
    [
        (OverflowPolicy.REJECT, [True, True, False], [0, 1]),
        (OverflowPolicy.DROP_NEWEST, [True, True, True], [0, 1]),
        (OverflowPolicy.DROP_OLDEST, [True, True, True], [1, 2]),
    ],
)
async def test_overflow_policies(
    log: list[Any],
    policy: OverflowPolicy,
    answers: list[bool],
    survivors: list[int],
    autojump_clock: MockClock,
) -> None:
    system = ActorSystem()
    system.register("s", lambda context: Scribe(context, log), Props(capacity=2, overflow=policy))
    async with system:
        ref, gate = system.ref("s", 1), trio.Event()
        ref.tell(gate)
        await wait_all_tasks_blocked()
        assert [ref.tell(n) for n in range(3)] == answers
        gate.set()
    assert log == ["start", gate, *survivors, StopReason.SHUTDOWN]
    assert system.dead_letters.total == 1


async def test_refusal_is_an_answer_not_a_crash(
    system: ActorSystem, log: list[Any], autojump_clock: MockClock
) -> None:
    ref = system.ref("scribe", 1)
    with pytest.raises(NotToday):
        await ref.ask(NotToday())
    assert await ref.ask("still here") == "still here"
    assert log.count("start") == 1
    assert system.dead_letters.total == 0


async def test_crash_fails_its_asker_and_keeps_the_mailbox(
    system: ActorSystem, log: list[Any], autojump_clock: MockClock
) -> None:
    ref = system.ref("scribe", 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_expect_failure, ref, ValueError("boom"))
        await wait_all_tasks_blocked()
        ref.tell("after")
    await trio.sleep(1)
    assert log == ["start", "start", "after"]
    assert system.dead_letters.count(DeadLetterReason.FAILED) == 1


async def _expect_failure(ref: Any, error: Exception) -> None:
    with pytest.raises(ActorFailed) as caught:
        await ref.ask(error)
    assert caught.value.__cause__ is error


async def test_unknown_kind(system: ActorSystem, autojump_clock: MockClock) -> None:
    with pytest.raises(UnknownKind):
        system.ref("nobody", 1)


async def test_ask_times_out_and_an_expired_message_is_skipped(
    system: ActorSystem, log: list[Any], autojump_clock: MockClock
) -> None:
    ref, gate = system.ref("scribe", 1), trio.Event()
    ref.tell(gate)
    with pytest.raises(AskTimeout):
        await ref.ask("late", timeout_seconds=1)
    gate.set()
    await wait_all_tasks_blocked()
    assert log == ["start", gate]
    assert system.dead_letters.count(DeadLetterReason.EXPIRED) == 1


async def test_message_of_a_cancelled_asker_is_handled(
    system: ActorSystem, log: list[Any], autojump_clock: MockClock
) -> None:
    ref, gate = system.ref("scribe", 1), trio.Event()
    ref.tell(gate)
    with trio.move_on_after(1):
        await ref.ask("kept")
    gate.set()
    await wait_all_tasks_blocked()
    assert log == ["start", gate, "kept"]


async def test_self_ask_and_cycle_end_at_once(
    system: ActorSystem, autojump_clock: MockClock
) -> None:
    a = system.ref("scribe", "a")
    with pytest.raises(ActorFailed) as caught:
        await a.ask(("ask", "scribe", "a", "x"))
    assert isinstance(caught.value.__cause__, AskCycle)
    with pytest.raises(ActorFailed) as caught:
        await a.ask(("ask", "scribe", "b", ("ask", "scribe", "a", "x")))
    inner = caught.value.__cause__
    assert isinstance(inner, ActorFailed)
    assert isinstance(inner.__cause__, AskCycle)


async def test_nested_ask_inherits_the_deadline(
    system: ActorSystem, autojump_clock: MockClock
) -> None:
    gate = trio.Event()
    began = trio.current_time()
    with pytest.raises((AskTimeout, ActorFailed)):
        await system.ref("scribe", "a").ask(("ask", "scribe", "b", gate), timeout_seconds=1)
    assert trio.current_time() - began == pytest.approx(1)
    await wait_all_tasks_blocked()
    assert system.dead_letters.count(DeadLetterReason.FAILED) == 1
    gate.set()


async def test_stop_answers_what_waits(
    system: ActorSystem, log: list[Any], autojump_clock: MockClock
) -> None:
    ref, gate = system.ref("scribe", 1), trio.Event()
    ref.tell(gate)
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(ActorStopped):
                await ref.ask("never")

        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        assert ref.stop()
        gate.set()
    assert log == ["start", gate, StopReason.REQUESTED]
    assert await ref.ask("afresh") == "afresh"


async def test_reload_hands_the_mailbox_to_the_next_incarnation(
    system: ActorSystem, log: list[Any], autojump_clock: MockClock
) -> None:
    ref = system.ref("scribe", 1)
    ref.tell("reload")
    ref.tell("next")
    await wait_all_tasks_blocked()
    assert log == ["start", "reload", StopReason.IDLE, "start", "next"]


async def test_giving_up_answers_and_the_next_use_starts_afresh(
    log: list[Any], autojump_clock: MockClock
) -> None:
    system = ActorSystem()
    props = Props(restart=RestartPolicy(intensity=0))
    system.register("s", lambda context: Scribe(context, log), props)
    async with system:
        ref = system.ref("s", 1)
        ref.tell(ValueError("boom"))
        with pytest.raises(ActorStopped) as caught:
            await ref.ask("waits")
        assert isinstance(caught.value.__cause__, ValueError)
        assert system.count() == 0
        assert await ref.ask("afresh") == "afresh"


class Broken(Actor[Any]):
    attempts = 0

    async def on_start(self) -> None:
        type(self).attempts += 1
        if self.attempts < 3:
            raise OSError("database away")

    async def receive(self, message: Any) -> object:
        return message


async def test_failed_start_answers_asks_and_keeps_tells(autojump_clock: MockClock) -> None:
    handled: list[Any] = []

    class Starter(Broken):
        async def receive(self, message: Any) -> object:
            handled.append(message)
            return None

    system = ActorSystem()
    system.register("s", Starter, Props(transient=(OSError,)))
    async with system:
        ref = system.ref("s", 1)
        ref.tell("kept")
        with pytest.raises(ActorFailed):
            await ref.ask("answered")
        await trio.sleep(5)
        assert handled == ["kept"]


class Batcher(Actor[Any]):
    def __init__(self, context: ActorContext, sizes: list[int]) -> None:
        super().__init__(context)
        self.sizes = sizes

    async def receive_batch(self, batch: Sequence[Delivery[Any]]) -> None:
        self.sizes.append(len(batch))
        await trio.sleep(1)
        for delivery in batch:
            if delivery.message == "crash":
                raise ValueError("crash")
            if delivery.message != "forget":
                delivery.reply(delivery.message)


async def test_batch_takes_what_waited(autojump_clock: MockClock) -> None:
    sizes: list[int] = []
    system = ActorSystem()
    system.register("b", lambda context: Batcher(context, sizes), Props(max_batch=10))
    async with system:
        ref = system.ref("b", 1)
        answers: list[Any] = []

        async def ask(message: object) -> None:
            try:
                answers.append(await ref.ask(message))
            except ActorFailed as failed:
                answers.append(type(failed.__cause__))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, 0)
            await wait_all_tasks_blocked()
            for n in range(1, 13):
                nursery.start_soon(ask, n)
        assert sizes == [1, 10, 2]
        assert sorted(answers) == list(range(13))
        answers.clear()
        async with trio.open_nursery() as nursery:
            for message in ("crash", "forget"):
                nursery.start_soon(ask, message)
        assert set(answers) <= {ValueError, type(None)}


async def test_drain_handles_everything_before_it_stops(
    log: list[Any], autojump_clock: MockClock
) -> None:
    system = ActorSystem()
    system.register("s", lambda context: Scribe(context, log))
    async with system:
        for key in range(5):
            for n in range(20):
                system.ref("s", key).tell((key, n))
    assert system.drained
    assert len([entry for entry in log if isinstance(entry, tuple)]) == 100
    assert system.dead_letters.total == 0
    assert system.ref("s", 1).tell("too late") is False
    assert system.count() == 0


async def test_shutdown_budget_cuts_off_and_tells_what_remained(autojump_clock: MockClock) -> None:
    log: list[Any] = []
    system = ActorSystem(shutdown_seconds=1)
    system.register("s", lambda context: Scribe(context, log))
    outcome: list[BaseException] = []

    async def ask(message: object) -> None:
        try:
            await system.ref("s", 1).ask(message)
        except ActorError as error:
            outcome.append(error)

    async with trio.open_nursery() as nursery, system:
        nursery.start_soon(ask, trio.Event())
        await wait_all_tasks_blocked()
        nursery.start_soon(ask, "waits")
        await wait_all_tasks_blocked()
    assert system.drained is not None
    assert not system.drained
    assert [str(address) for address in system.drained.remaining] == ["s:1"]
    assert {type(error) for error in outcome} == {ActorFailed, ActorStopped}
    assert system.dead_letters.count(DeadLetterReason.CANCELLED) == 1


async def test_body_error_comes_out_unwrapped(log: list[Any], autojump_clock: MockClock) -> None:
    system = ActorSystem()
    system.register("s", lambda context: Scribe(context, log))

    async def body() -> None:
        async with system:
            system.ref("s", 1).tell("still handled")
            raise KeyError("body")

    with pytest.raises(KeyError):
        await body()
    assert "still handled" in log


async def test_cancelled_body_still_drains(log: list[Any], autojump_clock: MockClock) -> None:
    system = ActorSystem()
    system.register("s", lambda context: Scribe(context, log))
    with trio.CancelScope() as scope:
        async with system:
            system.ref("s", 1).tell("still handled")
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert "still handled" in log


async def test_refusal_out_of_a_nursery_is_an_answer(autojump_clock: MockClock) -> None:
    class Nested(Actor[Any]):
        async def receive(self, message: Any) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._refuse)

        async def _refuse(self) -> None:
            raise NotToday

    system = ActorSystem()
    system.register("n", Nested)
    async with system:
        with pytest.raises(NotToday):
            await system.ref("n", 1).ask("x")
    assert system.dead_letters.total == 0


async def test_a_start_that_fails_during_shutdown_is_not_repeated(
    autojump_clock: MockClock,
) -> None:
    class NeverUp(Actor[Any]):
        starts = 0

        async def on_start(self) -> None:
            type(self).starts += 1
            await trio.sleep(0.1)
            raise OSError

    system = ActorSystem()
    system.register("n", NeverUp, Props(transient=(OSError,)))
    async with system:
        system.ref("n", 1).tell("x")
        await trio.sleep(0.05)
    assert NeverUp.starts == 1
    assert system.drained
    assert system.dead_letters.count(DeadLetterReason.STOPPED) == 1
