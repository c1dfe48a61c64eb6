"""What an actor suffers from those it asks: they are slow, full, gone, or wait for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio
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
    MailboxFull,
    Props,
    RestartPolicy,
)
from actors.runtime.failures import is_transient

Start = Callable[[ActorContext], Awaitable[object]]


class Neighbour(Actor[Any]):
    """Asks, sleeps or crashes as it is told; may ask somebody when it starts."""

    def __init__(self, context: ActorContext, start: Start | None = None) -> None:
        super().__init__(context)
        self._start = start

    async def on_start(self) -> None:
        if self._start is not None:
            await self._start(self.context)

    async def receive(self, message: Any) -> Any:
        match message:
            case ("ask", kind, key, inner, *seconds):
                patience = seconds[0] if seconds else 5.0
                return await self.context.ref(kind, key).ask(inner, timeout_seconds=patience)
            case ("after", seconds, inner):
                await trio.sleep(seconds)
                return await self.receive(inner)
            case float():
                await trio.sleep(message)
            case Exception():
                raise message
        return message


IMPATIENT = Props(restart=RestartPolicy(intensity=0, min_backoff_seconds=0.01, jitter=0))


async def test_a_slow_neighbour_uses_up_nobodys_patience(autojump_clock: MockClock) -> None:
    """Fault: an ask that ran out of time counts as a crash of the actor that asked."""
    system = ActorSystem()
    system.register("a", Neighbour, IMPATIENT)
    system.register("b", Neighbour)
    async with system:
        middle, slow = system.ref("a", 1), system.ref("b", 1)
        for _ in range(5):
            with pytest.raises(ActorFailed) as caught:
                await middle.ask(("ask", "b", 1, 3.0, 1.0))
            assert isinstance(caught.value.__cause__, AskTimeout)
            assert caught.value.retryable
        slow.tell(2.0)
        middle.tell(("ask", "b", 1, "late", 1.0))
        assert await middle.ask("waited behind it") == "waited behind it"
        kind = system.snapshot().kinds[0]
        assert (kind.crashed, kind.restarts, kind.gave_up) == (6, 6, 0)


async def test_full_and_stopped_neighbours_use_up_nobodys_patience(
    autojump_clock: MockClock,
) -> None:
    system = ActorSystem()
    system.register("a", Neighbour, IMPATIENT)
    system.register("b", Neighbour, Props(capacity=1))
    async with system:
        middle, other = system.ref("a", 1), system.ref("b", 1)
        other.tell(2.0)
        await wait_all_tasks_blocked()
        other.tell("fills it")
        with pytest.raises(ActorFailed) as caught:
            await middle.ask(("ask", "b", 1, "no room"))
        assert isinstance(caught.value.__cause__, MailboxFull)
        await trio.sleep(3)
        other.tell(2.0)
        await wait_all_tasks_blocked()
        middle.tell(("ask", "b", 1, "will be stopped"))
        await wait_all_tasks_blocked()
        other.stop()
        assert await middle.ask("goes on") == "goes on"
        kind = system.snapshot().kinds[0]
        assert (kind.crashed, kind.gave_up) == (2, 0)


async def test_a_start_waits_for_a_slow_neighbour(autojump_clock: MockClock) -> None:
    """What was told is handled once the neighbour answers, however many starts that takes."""

    async def start(context: ActorContext) -> None:
        await context.ref("b", 1).ask("state", timeout_seconds=1)

    system = ActorSystem()
    system.register("a", lambda context: Neighbour(context, start), IMPATIENT)
    system.register("b", Neighbour)
    async with system:
        system.ref("b", 1).tell(5.5)
        system.ref("a", 1).tell("kept")
        await trio.sleep(10)
        kind = system.snapshot().kinds[0]
        assert (kind.handled, kind.dropped, kind.gave_up) == (1, 0, 0)
        assert kind.restarts > 1


async def test_a_neighbours_bug_counts_as_before(autojump_clock: MockClock) -> None:
    """Asking somebody who crashes on the question, again and again, is no bad luck."""
    system = ActorSystem()
    system.register("a", Neighbour, IMPATIENT)
    system.register("b", Neighbour)
    async with system:
        with pytest.raises(ActorFailed):
            await system.ref("a", 1).ask(("ask", "b", 1, ValueError()))
        await wait_all_tasks_blocked()
        assert system.snapshot().kinds[0].gave_up == 1


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (None, True),  # cut off: nothing crashed
        (OSError(), True),  # as transient for us as for the one who met it
        (ValueError(), False),
        (AskTimeout(Address("c", 1)), True),
    ],
)
def test_a_neighbours_failure_is_what_it_failed_of(cause: Exception | None, expected: bool) -> None:
    error = ActorFailed(Address("b", 1))
    error.__cause__ = cause
    assert is_transient(error, (OSError,)) is expected
    assert is_transient(ActorStopped(Address("b", 1)), ())


def asking(kind: str, key: int, answers: list[Any]) -> Start:
    """A start that asks somebody first, and notes what became of it."""

    async def start(context: ActorContext) -> None:
        try:
            await context.ref(kind, key).ask("state")
        except (AskCycle, AskTimeout) as error:
            answers.append((type(error), str(error.address), trio.current_time()))
            raise

    return start


async def test_i11_a_cycle_of_starts_ends_before_any_wait(autojump_clock: MockClock) -> None:
    """Fault: who waits for a start is nobody in particular."""
    answers: list[Any] = []
    system = ActorSystem()
    for kind, asked in (("a", "b"), ("b", "c"), ("c", "a")):
        start = asking(asked, 1, answers)
        system.register(kind, partial(Neighbour, start=start))
    async with system:
        began = trio.current_time()
        with pytest.raises(ActorFailed) as caught:
            await system.ref("a", 1).ask("x", timeout_seconds=60)
        assert answers == [(AskCycle, "a:1", began)]
        assert trio.current_time() == began
        assert str(caught.value) == "a:1: start failed with ActorFailed"
    assert len(system._environment.waits) == 0


async def test_i11_a_handler_and_a_start_that_wait_for_each_other(
    autojump_clock: MockClock,
) -> None:
    """Fault: only those who asked in the same conversation are known to wait."""
    answers: list[Any] = []
    system = ActorSystem()
    system.register("a", Neighbour)
    system.register("b", lambda context: Neighbour(context, asking("a", 1, answers)))
    async with system:
        began = trio.current_time()
        with pytest.raises(ActorFailed):
            await system.ref("a", 1).ask(("ask", "b", 1, "x"))
        assert answers == [(AskCycle, "a:1", began)]


async def test_i11_two_conversations_that_wait_for_each_other(autojump_clock: MockClock) -> None:
    """The ask that would close the cycle fails at once, and the other one gets its answer."""
    system = ActorSystem()
    system.register("a", Neighbour)
    outcomes: list[Any] = []

    async def ask(key: int, message: Any) -> None:
        try:
            outcomes.append(await system.ref("a", key).ask(message))
        except ActorFailed as error:
            outcomes.append((type(error.__cause__), trio.current_time() - began))

    async with system:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, 2, ("after", 1.0, ("ask", "a", 1, "closing")))
            await trio.sleep(0.5)
            nursery.start_soon(ask, 1, ("ask", "a", 2, "waits for the other"))
        assert outcomes == [(AskCycle, 1.0), "waits for the other"]


async def test_who_was_answered_waits_no_more(autojump_clock: MockClock) -> None:
    """Fault: an asker with its answer counts until it runs, and who answered may not ask it."""
    system = ActorSystem()
    system.register("a", Neighbour)
    async with system:
        async with trio.open_nursery() as nursery:
            asked = trio.Event()

            async def hold() -> None:
                await system.ref("a", 2).ask(1.0)
                asked.set()

            nursery.start_soon(hold)
            await wait_all_tasks_blocked()
            system.ref("a", 1).tell(("ask", "a", 2, "first"))
            await wait_all_tasks_blocked()
            # Handled in the same turn as what a:1 waits for.
            assert await system.ref("a", 2).ask(("ask", "a", 1, "next")) == "next"
        assert asked.is_set()
