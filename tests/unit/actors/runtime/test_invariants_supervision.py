"""What the runtime promises about failure, restart and shutdown; faults as in the other file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.runtime import (
    Actor,
    ActorContext,
    ActorError,
    ActorFailed,
    ActorSystem,
    Address,
    Directive,
    Escalated,
    Props,
    Restart,
    RestartPolicy,
    StopReason,
    Strategy,
    Terminated,
)
from actors.runtime.restart import RestartWindow
from actors.runtime.testkit import AtStep, FaultPlan, When, run_virtual


class Fragile(Actor[Any]):
    """Fails wherever its key says."""

    def __init__(self, context: ActorContext) -> None:
        super().__init__(context)
        self._point = context.address.key
        self._fail("factory")

    def _fail(self, point: str) -> None:
        if point == self._point:
            raise ExceptionGroup("handlers with nurseries raise these", [ValueError(point)])

    async def on_start(self) -> None:
        self._fail("on_start")
        if self._point == "on_terminated":
            self.context.watch(Address("bystander", "nobody"))

    async def receive(self, message: Any) -> None:
        self._fail("receive")
        if self._point == "nursery":
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._fail_later)
        if self._point == "pipe":

            async def work() -> None:
                raise ValueError

            self.context.pipe_to_self(work, lambda _: "fine", lambda _: self._fail("pipe"))
        if self._point == "on_stop":
            self.context.passivate()

    async def _fail_later(self) -> None:
        await trio.lowlevel.checkpoint()
        raise ValueError

    async def on_terminated(self, signal: Terminated) -> None:
        self._fail("on_terminated")

    async def on_stop(self, reason: StopReason) -> None:
        self._fail("on_stop")

    def may_passivate(self) -> bool:
        self._fail("may_passivate")
        return True

    def describe(self) -> dict[str, object]:
        self._fail("describe")
        return {}


class Bystander(Actor[Any]):
    starts = 0

    async def on_start(self) -> None:
        type(self).starts += 1

    async def receive(self, message: Any) -> Any:
        return message


POINTS = [
    "factory",
    "on_start",
    "receive",
    "nursery",
    "pipe",
    "on_terminated",
    "on_stop",
    "may_passivate",
    "describe",
]


@pytest.mark.parametrize("point", POINTS)
async def test_i7_no_error_reaches_a_neighbour(point: str, autojump_clock: MockClock) -> None:
    """Fault: the runner catches less than every Exception and group."""
    Bystander.starts = 0
    system = ActorSystem(sweep_seconds=1)
    system.register("bystander", Bystander)
    system.register("fragile", Fragile, Props(idle_after_seconds=2))
    async with system:
        assert await system.ref("bystander", 1).ask("before") == "before"
        fragile = system.ref("fragile", point)
        fragile.tell("message")
        if point == "describe":
            await wait_all_tasks_blocked()
            with pytest.raises(ExceptionGroup):
                await system.get_state(Address("fragile", point))
        await trio.sleep(20)
        assert await system.ref("bystander", 1).ask("after") == "after"
    assert Bystander.starts == 1
    has_failed = system.snapshot().kinds[1].gave_up or system.snapshot().kinds[1].restarts
    assert bool(has_failed) is (point not in ("on_stop", "may_passivate", "describe"))


@pytest.mark.parametrize(
    ("failures", "spacing", "gives_up"),
    [
        (3, 0.0, False),  # the intensity
        (4, 0.0, True),  # one more
        (4, 5.0, False),  # one more, but the first is out of the period by then
        (4, 1.66, True),  # just inside the period
        (40, 5.0, False),
    ],
)
def test_i8_intensity_is_counted_in_a_sliding_window(
    failures: int, spacing: float, gives_up: bool
) -> None:
    """Faults: ``>`` becomes ``>=``; old failures are not forgotten."""
    window = RestartWindow(RestartPolicy(intensity=3, period_seconds=5.0))
    waits = [window.failed(n * spacing, transient=False, random=0.0) for n in range(failures)]
    assert (None in waits) is gives_up


def test_i8_backoff_doubles_is_bounded_and_forgets_in_quiet() -> None:
    """Faults: quiet time does not reset the backoff; the bound is not kept; no jitter."""
    policy = RestartPolicy(
        intensity=99, min_backoff_seconds=1, max_backoff_seconds=5, reset_after_seconds=30
    )
    window = RestartWindow(policy)
    waits = [window.failed(now, transient=False, random=0.0) for now in (0, 1, 2, 3, 32.9, 62.9)]
    assert waits == [1, 2, 4, 5, 5, 1]
    assert policy.backoff_seconds(1, 1.0) == 1.2
    assert policy.backoff_seconds(5000, 0.0) == 5


def test_i8_transient_failures_wait_but_do_not_count() -> None:
    """Fault: transient failures use up the intensity."""
    window = RestartWindow(RestartPolicy(intensity=0))
    waits = [window.failed(0.0, transient=True, random=0.0) for _ in range(50)]
    assert None not in waits
    assert window.failed(0.0, transient=False, random=0.0) is None


def test_i8_intensity_forgets_what_is_a_whole_period_old() -> None:
    """Fault: the failure at the very edge of the period still counts."""
    for second, gives_up in ((5.0, False), (4.9, True)):
        window = RestartWindow(RestartPolicy(intensity=1, period_seconds=5.0))
        window.failed(0.0, transient=False, random=0.0)
        assert (window.failed(second, transient=False, random=0.0) is None) is gives_up


@pytest.mark.parametrize("intensity", [0, 1, 3])
def test_i8_escalates_exactly_once(intensity: int) -> None:
    """Faults: giving up does not escalate; it escalates on each crash."""
    system = ActorSystem()
    props = Props(restart=RestartPolicy(intensity=intensity), exhausted=Directive.ESCALATE)
    system.register("fragile", Fragile, props)
    reached = 0

    async def body() -> None:
        nonlocal reached
        async with system:
            for n in range(intensity + 1):
                reached = n
                assert system.ref("fragile", "receive").tell(n)
                await trio.sleep(1)
            await trio.sleep(1)
            reached += 1

    # Not a Trio test: pytest-trio lets one pass that ends in a stray Cancelled.
    with pytest.raises(Escalated) as caught:
        run_virtual(body)
    assert reached == intensity
    assert isinstance(caught.value.__cause__, ValueError)
    assert system.drained


class Part:
    """A service that writes its starts and stops down, and fails when told."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log = name, log
        self.crash = trio.Event()
        self.closed = trio.Event()
        self.error: Exception | None = ValueError(name)

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        self.log.append(f"+{self.name}")
        task_status.started()
        await self.crash.wait()
        if self.error is not None and not self.closed.is_set():
            raise self.error

    async def aclose(self) -> None:
        self.log.append(f"-{self.name}")
        self.closed.set()
        self.crash.set()


def parts(
    system: ActorSystem, log: list[str], restarts: dict[str, Restart] | None = None
) -> dict[str, Part]:
    running: dict[str, Part] = {}

    def factory(name: str) -> Callable[[], Part]:
        def build() -> Part:
            running[name] = Part(name, log)
            return running[name]

        return build

    for name in "abc":
        restart = (restarts or {}).get(name, Restart.PERMANENT)
        system.add_service(name, factory(name), restart=restart)
    return running


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (Strategy.ONE_FOR_ONE, ["+b"]),
        (Strategy.REST_FOR_ONE, ["-c", "+b", "+c"]),
        (Strategy.ONE_FOR_ALL, ["-c", "-a", "+a", "+b", "+c"]),
    ],
)
async def test_i9_strategies_stop_in_reverse_and_start_in_order(
    strategy: Strategy, expected: list[str], autojump_clock: MockClock
) -> None:
    """Faults: stops go in start order; the fate of one is not shared; starts in reverse."""
    log: list[str] = []
    system = ActorSystem(strategy=strategy)
    running = parts(system, log)
    async with system:
        assert log == ["+a", "+b", "+c"]
        log.clear()
        running["b"].crash.set()
        await trio.sleep(1)
        assert log == expected
        log.clear()
    assert log == ["-c", "-b", "-a"]
    states = {row.name: (row.starts, row.last_error) for row in system.snapshot().services}
    assert states["b"] == (2, "ValueError")


async def test_i9_a_temporary_child_never_returns(autojump_clock: MockClock) -> None:
    """Fault: a restart of the tree starts temporary children, too."""
    log: list[str] = []
    system = ActorSystem(strategy=Strategy.ONE_FOR_ALL)
    running = parts(system, log, {"a": Restart.TEMPORARY, "c": Restart.TRANSIENT})
    async with system:
        log.clear()
        running["c"].error = None
        running["c"].crash.set()  # a transient child may end by itself
        await trio.sleep(1)
        assert log == []
        running["b"].crash.set()
        await trio.sleep(1)
        assert log == ["-a", "+b"]
        log.clear()
    assert log == ["-b"]


def test_i9_a_service_that_keeps_failing_ends_the_system() -> None:
    """Fault: the supervisor restarts for ever."""
    log: list[str] = []
    system = ActorSystem(services=RestartPolicy(intensity=1))
    running = parts(system, log)

    async def body() -> None:
        async with system:
            for _ in range(2):
                running["b"].crash.set()
                await trio.sleep(1)
            raise AssertionError("still up")

    with pytest.raises(Escalated) as caught:
        run_virtual(body)
    assert isinstance(caught.value.__cause__, ValueError)
    assert log == ["+a", "+b", "+c", "-c", "+b", "+c", "-c", "-a"]


async def test_i9_kinds_after_a_failed_service_are_restarted(autojump_clock: MockClock) -> None:
    """Fault: kinds are not part of the tree's order."""
    log: list[str] = []
    system = ActorSystem()
    running = parts(system, log)
    system.register("bystander", Bystander)
    Bystander.starts = 0
    async with system:
        ref = system.ref("bystander", 1)
        assert await ref.ask(1) == 1
        running["a"].crash.set()
        await wait_all_tasks_blocked()
        assert ref.tell("refused, not lost") is False, "open during the restart"
        await trio.sleep(1)
        assert await ref.ask(2) == 2
        assert Bystander.starts == 2


async def test_i14_drain_leaves_nothing(autojump_clock: MockClock) -> None:
    """Faults: a shutdown stop does not wait for the mailbox, or for pipes."""
    handled: list[Any] = []

    class Worker(Actor[Any]):
        async def receive(self, message: Any) -> None:
            await trio.sleep(0.1)
            handled.append(message)
            if message == "pipe":

                async def work() -> str:
                    await trio.sleep(0.5)
                    return "piped"

                self.context.pipe_to_self(work, str, str)
            if isinstance(message, int):
                self.context.ref("receiver", message % 3).tell(f"from {message}")

    system = ActorSystem()
    system.register("receiver", Worker)
    system.register("sender", Worker)
    async with system:
        tasks = trio.lowlevel.current_statistics().tasks_living
        for n in range(30):
            assert system.ref("sender", n % 7).tell(n)
        system.ref("sender", "p").tell("pipe")
        report = await system.drain(60)
        assert report
        assert report.remaining == ()
        assert system.count() == 0
        assert trio.lowlevel.current_statistics().tasks_living <= tasks
    assert len(handled) == 62
    assert "piped" in handled
    assert system.dead_letters.total == 0


async def test_i14_drain_lists_what_remains(autojump_clock: MockClock) -> None:
    """Fault: the report is made before the budget is used up, or is always clean."""

    class Stuck(Actor[Any]):
        async def receive(self, message: Any) -> None:
            await trio.sleep(message)

    system = ActorSystem(shutdown_seconds=3)
    system.register("s", Stuck, Props(shutdown_seconds=2))
    async with system:
        for seconds in (1, 5, 100):
            system.ref("s", seconds).tell(seconds)
    assert system.drained is not None
    assert not system.drained
    assert set(system.drained.remaining) == {Address("s", 5), Address("s", 100)}
    assert system.count() == 0, "the rest was cut off"


class Ledger:
    """The database of a test: what is committed, and faults around committing."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.plan = FaultPlan()

    async def load(self) -> list[int]:
        return await self.plan.guard("load", lambda: list(self.rows))

    async def commit(self, row: int) -> None:
        await self.plan.guard("commit", lambda: self.rows.append(row))


class Teller(Actor[int]):
    """Commits first, remembers then; answers with what it believes."""

    def __init__(self, context: ActorContext, ledger: Ledger) -> None:
        super().__init__(context)
        self._ledger = ledger
        self._memory: list[int] = []

    async def on_start(self) -> None:
        self._memory = await self._ledger.load()

    async def receive(self, message: int) -> list[int]:
        if message:
            await self._ledger.commit(message)
            self._memory.append(message)
        return list(self._memory)


def teller_system(ledger: Ledger, shutdown_seconds: float = 10) -> ActorSystem:
    system = ActorSystem(shutdown_seconds=shutdown_seconds)
    system.register("teller", lambda context: Teller(context, ledger))
    return system


def commit_under_fire(step: int, action: str) -> tuple[bool, Ledger]:
    """Two commits; at the n-th step of the actor the asker, or everything, is cancelled."""
    ledger = Ledger()
    asker, world = trio.CancelScope(), trio.CancelScope()
    # No time to drain: a cancelled world is a hard stop, wherever the actor is.
    first = teller_system(ledger, shutdown_seconds=0)
    scope = asker if action == "asker" else world
    strike = AtStep("teller:1", step, scope.cancel)

    async def main() -> None:
        with world:
            async with first:
                with asker:
                    for row in (1, 2):
                        await first.ref("teller", 1).ask(row)
                assert await first.ref("teller", 1).ask(0) == ledger.rows
        async with teller_system(ledger) as second:
            assert await second.ref("teller", 1).ask(0) == ledger.rows

    run_virtual(main, instruments=[strike])
    return strike.has_struck, ledger


@pytest.mark.parametrize("action", ["asker", "world"])
def test_i15_cancel_at_every_step_of_a_commit(action: str) -> None:
    """Fault: the asker's task does the work, so that its cancellation reaches the commit."""
    for step in range(1, 100):
        has_struck, ledger = commit_under_fire(step, action)
        if not has_struck:
            assert step > 8, "the commits were not covered"
            return
        if action == "asker" and step > 1:
            assert ledger.rows[0] == 1, "a message that was sent is handled"


@pytest.mark.parametrize("when", [When.BEFORE, When.AFTER])
async def test_i15_unknown_outcome_is_reloaded(when: When, autojump_clock: MockClock) -> None:
    """Fault: the next incarnation is the old instance, with the old memory."""
    ledger = Ledger()
    ledger.plan.add("commit", OSError("connection lost"), when=when)
    system = ActorSystem()
    system.register("teller", lambda context: Teller(context, ledger))
    async with system:
        ref = system.ref("teller", 1)
        with pytest.raises(ActorFailed):
            await ref.ask(1)
        assert await ref.ask(2) == ledger.rows
    assert ledger.rows == ([2] if when is When.BEFORE else [1, 2])


async def test_a_failed_start_of_a_service_ends_the_start(autojump_clock: MockClock) -> None:
    log: list[str] = []

    class NeverUp(Part):
        async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
            raise OSError("no database")

    system = ActorSystem()
    system.add_service("a", lambda: Part("a", log))
    system.add_service("b", lambda: NeverUp("b", log))

    async def body() -> None:
        async with system:
            raise AssertionError("it started")

    with pytest.raises(OSError, match="no database"):
        await body()
    assert log == ["+a", "-a"]


async def test_transient_start_failures_do_not_give_up(autojump_clock: MockClock) -> None:
    ledger = Ledger()
    ledger.plan.add("load", OSError("database away"), times=20)
    system = ActorSystem()
    system.register("teller", lambda context: Teller(context, ledger), Props(transient=(OSError,)))
    async with system:
        ref = system.ref("teller", 1)
        answers = 0
        while True:
            try:
                assert await ref.ask(7, timeout_seconds=10) == [7]
                break
            except ActorError:
                answers += 1
    assert 0 < answers <= 20
    assert system.snapshot().kinds[0].gave_up == 0
