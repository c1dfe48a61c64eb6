"""The small parts: groups, delivery slots, redaction, the test kit itself."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.runtime import (
    Actor,
    ActorError,
    ActorFailed,
    ActorRef,
    ActorStopped,
    ActorSystem,
    Address,
    AskCycle,
    AskTimeout,
    Delivery,
    MailboxFull,
    Props,
    Refusal,
    RestartPolicy,
    StopReason,
    Terminated,
    UnknownKind,
)
from actors.runtime.delivery import AskDelivery, ReplySlot
from actors.runtime.failures import is_transient, opened, split_failure
from actors.runtime.mailbox import Mailbox
from actors.runtime.redaction import redact
from actors.runtime.status import percentile
from actors.runtime.testkit import ActorTestKit, AtStep, FaultPlan, When, run_virtual


def test_split_failure_keeps_what_must_pass() -> None:
    error = ValueError()
    assert split_failure(error) == (error, None)
    assert split_failure(ExceptionGroup("", [ExceptionGroup("", [error])])) == (error, None)
    stop = KeyboardInterrupt()
    assert split_failure(stop) == (None, stop)
    failure, rest = split_failure(BaseExceptionGroup("", [error, stop]))
    assert failure is error
    assert isinstance(rest, BaseExceptionGroup)
    assert rest.exceptions == (stop,)
    assert split_failure(BaseExceptionGroup("", [stop]))[0] is None
    both = ExceptionGroup("", [error, OSError()])
    assert split_failure(both)[0] == both
    assert opened(both) is both


def test_a_group_is_transient_when_all_of_it_is() -> None:
    assert is_transient(OSError(), (OSError,))
    assert is_transient(ExceptionGroup("", [OSError(), ConnectionError()]), (OSError,))
    assert not is_transient(ExceptionGroup("", [OSError(), ValueError()]), (OSError,))
    assert not is_transient(OSError(), ())


def test_a_delivery_is_answered_once() -> None:
    tell: Delivery[str] = Delivery("news")
    assert not tell.wants_reply
    assert tell.reply("nobody hears") is False
    assert tell.is_answered
    slot = ReplySlot()
    ask: Delivery[str] = AskDelivery("question", slot, 1.0)
    assert ask.wants_reply
    assert ask.reply("first") is True
    assert ask.reply("second") is False
    assert ask.fail(Refusal()) is False
    assert slot.settle("third") is False
    assert not ask.wants_reply


async def test_a_slot_settled_in_the_same_instant_as_its_deadline(
    autojump_clock: MockClock,
) -> None:
    slot = ReplySlot()
    async with trio.open_nursery() as nursery:

        async def settle() -> None:
            await trio.sleep_until(began + 1)
            slot.settle("in time")

        began = trio.current_time()
        nursery.start_soon(settle)
        try:
            answer = await slot.wait(began + 1, Address("a", 1))
        except AskTimeout:
            assert slot.is_expired
        else:
            assert answer == "in time"


async def test_a_waiting_message_keeps_nothing_of_an_asker_that_left(
    autojump_clock: MockClock,
) -> None:
    class Request:
        pass

    current: ContextVar[Request] = ContextVar("current")
    requests: list[weakref.ref[Request]] = []
    slot = ReplySlot()

    async def asker() -> None:
        request = Request()
        current.set(request)
        requests.append(weakref.ref(request))
        with pytest.raises(AskTimeout):
            await slot.wait(trio.current_time() + 1, Address("a", 1))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(asker)
    gc.collect()
    assert slot.is_expired
    assert requests[0]() is None


def test_percentiles_are_of_the_nearest_rank() -> None:
    """Fault: the rank below, which is the smallest of two."""
    assert percentile((), 0.5) is None
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([float(n) for n in range(1, 151)], 0.99) == 149.0
    assert percentile([7.0], 0.99) == 7.0


def test_only_mistakes_in_the_program_are_not_worth_a_retry() -> None:
    kinds = ActorError.__subclasses__()
    assert {one for one in kinds if not one.retryable} >= {AskCycle, UnknownKind}
    assert {one for one in kinds if one.retryable} == {
        ActorFailed,
        ActorStopped,
        AskTimeout,
        MailboxFull,
    }


async def test_a_strike_comes_at_its_step(autojump_clock: MockClock) -> None:
    """Fault: it comes at the first step, so that loops over all steps test one."""
    struck: list[int] = []
    steps = 0

    async def walk() -> None:
        nonlocal steps
        for _ in range(5):
            await trio.lowlevel.checkpoint()
            steps += 1

    strike = AtStep("walker", 3, lambda: struck.append(steps))
    trio.lowlevel.add_instrument(strike)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(walk, name="walker")
    trio.lowlevel.remove_instrument(strike)
    assert strike.has_struck
    assert struck == [1], "before the third step, the second checkpoint was not passed"


def test_redaction_hides_long_text_and_unknown_objects() -> None:
    class Private:
        def __repr__(self) -> str:
            raise AssertionError("never printed")

    shown = redact(
        {
            "title": "x" * 65,
            "object": Private(),
            "raw": b"123",
            "many": range(40),
            "deep": {"a": {"b": {"c": {"d": 1}}}},
            "members": {"admin": 1},
            "password_hash": "x",
            1: 2.5,
        }
    )
    assert isinstance(shown, dict)
    assert shown["title"] == "[65 characters]"
    assert shown["object"] == "[Private]"
    assert shown["raw"] == "[3 bytes]"
    assert shown["many"][-1] == "[8 more]"
    assert shown["deep"] == {"a": {"b": {"c": "[dict]"}}}
    assert shown["members"] == {"admin": 1}
    assert shown["password_hash"] == "[redacted]"
    assert shown["1"] == 2.5
    assert len(redact({str(n): n for n in range(40)})) == 33  # type: ignore[arg-type]


def test_settings_that_make_no_sense_are_refused() -> None:
    mistakes: list[Callable[[], object]] = [
        lambda: Props(capacity=0),
        lambda: Props(max_batch=0),
        lambda: Props(max_concurrent_starts=0),
        lambda: RestartPolicy(intensity=-1),
        lambda: RestartPolicy(period_seconds=0),
        lambda: RestartPolicy(min_backoff_seconds=2, max_backoff_seconds=1),
        lambda: Mailbox(0),
    ]
    for wrong in mistakes:
        with pytest.raises(ValueError, match="m"):
            wrong()


async def test_kinds_and_services_are_added_once_and_in_time(autojump_clock: MockClock) -> None:
    system = ActorSystem()
    system.register("a", Actor)
    with pytest.raises(ValueError, match="a"):
        system.register("a", Actor)
    async with system:
        with pytest.raises(RuntimeError):
            system.add_service("late", lambda: None)  # type: ignore[arg-type,return-value]
        system.register("late", Echo)
        assert await system.ref("late", 1).ask("x") == "x"


class Echo(Actor[Any]):
    async def receive(self, message: Any) -> Any:
        return message


async def test_refs_are_equal_by_address(autojump_clock: MockClock) -> None:
    system = ActorSystem()
    system.register("a", Echo)
    system.register("b", Echo)
    ref: ActorRef[Any] = system.ref("a", 1)
    assert ref == system.ref("a", 1)
    assert hash(ref) == hash(system.ref("a", 1))
    assert ref != system.ref("a", 2)
    assert ref != system.ref("b", 1)
    assert ref != "a:1"
    assert str(ref.address) == "a:1"
    assert "a:1" in repr(ref)


async def test_starts_of_a_kind_are_bounded(autojump_clock: MockClock) -> None:
    loading = peak = 0

    class Loader(Echo):
        async def on_start(self) -> None:
            nonlocal loading, peak
            loading += 1
            peak = max(peak, loading)
            await trio.sleep(1)
            loading -= 1

    system = ActorSystem()
    system.register("a", Loader, Props(max_concurrent_starts=3))
    async with system:
        for key in range(10):
            system.ref("a", key).tell(key)
        await trio.sleep(5)
    assert peak == 3


async def test_an_actor_does_not_inherit_the_context_of_who_woke_it(
    autojump_clock: MockClock,
) -> None:
    request: ContextVar[str] = ContextVar("request", default="none")
    seen: list[str] = []

    class Looker(Actor[Any]):
        async def receive(self, message: Any) -> None:
            seen.append(request.get())

    system = ActorSystem()
    system.register("a", Looker)
    async with system:
        request.set("secret")
        system.ref("a", 1).tell("look")
        await wait_all_tasks_blocked()
    assert seen == ["none"]


async def test_pipe_brings_results_and_errors_back_as_messages(autojump_clock: MockClock) -> None:
    got: list[Any] = []
    worked: list[Any] = []

    class Piper(Actor[Any]):
        async def receive(self, message: Any) -> None:
            got.append(message)
            if message in ("work", "fail", "crash meanwhile"):

                async def work() -> str:
                    await trio.sleep(1)
                    worked.append(message)
                    if message == "fail":
                        raise ExceptionGroup("", [ValueError("why")])
                    return "done"

                self.context.pipe_to_self(work, lambda done: (done,), lambda error: repr(error))
            if message == "crash meanwhile":
                raise ValueError

    system = ActorSystem()
    system.register("a", Piper)
    async with system:
        for message in ("work", "not blocked", "fail"):
            system.ref("a", 1).tell(message)
        await wait_all_tasks_blocked()
        assert got == ["work", "not blocked", "fail"]
        await trio.sleep(2)
        assert set(got[3:]) == {("done",), "ValueError('why')"}
        got.clear()
        system.ref("a", 2).tell("crash meanwhile")
        await trio.sleep(5)
        assert got == ["crash meanwhile"]
        assert "crash meanwhile" not in worked, "the pipe outlived its incarnation"


async def test_unwatch_voids_news_under_way(autojump_clock: MockClock) -> None:
    heard: list[Terminated] = []

    class Watcher(Actor[Any]):
        async def receive(self, message: Any) -> None:
            target = Address("a", "gone")
            self.context.watch(target)  # answered at once: it is not running
            await trio.sleep(1)
            self.context.unwatch(target)

        async def on_terminated(self, signal: Terminated) -> None:
            heard.append(signal)

    system = ActorSystem()
    system.register("a", Watcher)
    async with system:
        await system.ref("a", 1).ask("go")
        await trio.sleep(1)
    assert heard == []


async def test_probe_expects_answers_and_watches(autojump_clock: MockClock) -> None:
    system = ActorSystem()
    kit = ActorTestKit(system)
    system.register("a", Echo)
    async with system:
        probe = kit.probe("p")
        probe.ref.tell("hello")
        assert await probe.expect(str) == "hello"
        probe.ref.tell(1)
        with pytest.raises(AssertionError):
            await probe.expect(str)
        with pytest.raises(trio.TooSlowError):
            await probe.expect(str)
        await probe.expect_nothing()
        probe.ref.tell("surprise")
        with pytest.raises(AssertionError):
            await probe.expect_nothing()
        probe.answer = 42
        assert await probe.ref.ask("what") == 42
        probe.answer = Refusal()
        with pytest.raises(Refusal):
            await probe.ref.ask("what")
        await probe.expect(str)
        await probe.expect(str)
        system.ref("a", 1).tell("live")
        await wait_all_tasks_blocked()
        await probe.watch(Address("a", 1))
        system.ref("a", 1).stop()
        signal = await probe.expect_terminated(Address("a", 1))
        assert signal.reason is StopReason.REQUESTED


async def test_fault_plan_strikes_in_order(autojump_clock: MockClock) -> None:
    plan, done = FaultPlan(), []
    plan.add("commit", OSError("1"), times=2)
    plan.add("commit", OSError("2"), when=When.AFTER)
    plan.add("commit", OSError("3"), when=When.HANG)
    for expected in ("1", "1", "2"):
        with pytest.raises(OSError, match=expected):
            await plan.guard("commit", lambda: done.append("work"))
    assert done == ["work"]
    with trio.move_on_after(1) as hung:
        await plan.guard("commit", lambda: done.append("work"))
    assert hung.cancelled_caught
    await plan.guard("commit", lambda: done.append("work"))
    await plan.guard("elsewhere", lambda: done.append("work"))
    assert len(done) == 3
    assert plan.struck == ["commit"] * 4


def test_a_deadlock_ends_the_virtual_run() -> None:
    with pytest.raises(trio.TooSlowError):
        run_virtual(trio.sleep_forever)
