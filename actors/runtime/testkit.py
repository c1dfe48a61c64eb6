"""Tools for testing actors: virtual time, probes, faults at will.

`run_virtual` runs a test on a clock that jumps over idle time. It jumps also while a thread or
a real socket is pending, so give it fakes, no I/O.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

import trio
from trio.abc import Instrument
from trio.testing import MockClock

from actors.runtime.actor import Actor
from actors.runtime.address import Address, Key
from actors.runtime.context import ActorContext
from actors.runtime.props import Props
from actors.runtime.ref import ActorRef
from actors.runtime.signals import Terminated
from actors.runtime.system import ActorSystem

T = TypeVar("T")

_PROBE_KIND = "probe"


def run_virtual(
    main: Callable[[], Awaitable[T]],
    *,
    hang_after_seconds: float = 3600.0,
    instruments: Sequence[Instrument] = (),
) -> T:
    """Run ``main`` in virtual time.

    Raises:
        trio.TooSlowError: nothing happened for an hour of virtual time: a deadlock, which the
            jumping clock alone would not notice.
    """

    async def bounded() -> T:
        with trio.fail_after(hang_after_seconds):
            return await main()

    clock = MockClock(autojump_threshold=0)
    return trio.run(bounded, clock=clock, instruments=list(instruments))


class TestProbe:
    """An actor whose inbox the test reads."""

    __test__ = False  # not for pytest to collect

    def __init__(self, ref: ActorRef[object]) -> None:
        self.ref = ref
        self.answer: object = None
        """What asks are answered with; an exception is raised."""
        self._send, self._receive = trio.open_memory_channel[object](1000)

    async def expect(self, wanted: type[T], *, within_seconds: float = 5.0) -> T:
        """The next message, which must be a ``wanted`` and come in time."""
        with trio.fail_after(within_seconds):
            message = await self._receive.receive()
        assert isinstance(message, wanted), f"expected a {wanted.__name__}, got {message!r}"
        return message

    async def expect_nothing(self, for_seconds: float = 5.0) -> None:
        """Nothing arrives for that long."""
        with trio.move_on_after(for_seconds):
            message = await self._receive.receive()
            raise AssertionError(f"expected nothing, got {message!r}")

    async def expect_terminated(
        self, address: Address, *, within_seconds: float = 5.0
    ) -> Terminated:
        """The next message is the news that ``address`` ended."""
        signal = await self.expect(Terminated, within_seconds=within_seconds)
        assert signal.address == address, f"expected the end of {address}, got {signal}"
        return signal

    async def watch(self, address: Address) -> None:
        """Watch an actor; its end arrives like a message."""
        await self.ref.ask(_Watch(address))

    def took(self, message: object) -> None:
        """Called by the probe's actor."""
        self._send.send_nowait(message)


@dataclass(frozen=True, slots=True)
class _Watch:
    address: Address


class _ProbeActor(Actor[object]):
    def __init__(self, context: ActorContext, probes: dict[Key, TestProbe]) -> None:
        super().__init__(context)
        self._probe = probes[context.address.key]

    async def receive(self, message: object) -> object:
        if isinstance(message, _Watch):
            self.context.watch(message.address)
            return None
        self._probe.took(message)
        if isinstance(self._probe.answer, Exception):
            raise self._probe.answer
        return self._probe.answer

    async def on_terminated(self, signal: Terminated) -> None:
        self._probe.took(signal)

    def may_passivate(self) -> bool:
        return False


class ActorTestKit:
    """Probes in a system under test."""

    def __init__(self, system: ActorSystem) -> None:
        self._system = system
        self._probes: dict[Key, TestProbe] = {}
        system.register(
            _PROBE_KIND,
            lambda context: _ProbeActor(context, self._probes),
            Props(idle_after_seconds=float("inf")),
        )

    def probe(self, name: str | None = None) -> TestProbe:
        """A new probe."""
        key = name or f"probe-{len(self._probes) + 1}"
        probe = self._probes[key] = TestProbe(self._system.ref(_PROBE_KIND, key))
        return probe


class When(Enum):
    """On which side of the guarded work a fault strikes."""

    BEFORE = "before"
    """Nothing was done."""
    AFTER = "after"
    """It was done, but the caller does not learn of it: an unknown outcome."""
    HANG = "hang"
    """It never begins; only a deadline helps."""


@dataclass(slots=True)
class _Fault:
    error: Exception
    when: When
    times: int


@dataclass(slots=True)
class FaultPlan:
    """Faults by the name of the point where they strike.

    A fake calls ``await plan.guard("store.commit", work)`` where the real thing would work.
    """

    faults: dict[str, list[_Fault]] = field(default_factory=dict)
    struck: list[str] = field(default_factory=list)

    def add(
        self, point: str, error: Exception, *, when: When = When.BEFORE, times: int = 1
    ) -> None:
        """Strike the next ``times`` passes through ``point``, after those planned already."""
        self.faults.setdefault(point, []).append(_Fault(error, when, times))

    async def guard(self, point: str, work: Callable[[], T]) -> T:
        """Do ``work`` (atomic) between two checkpoints, or fail as planned."""
        await trio.lowlevel.checkpoint()
        fault = self._next(point)
        if fault is not None and fault.when is When.HANG:
            await trio.sleep_forever()
        if fault is not None and fault.when is When.BEFORE:
            raise fault.error
        result = work()
        if fault is not None:
            raise fault.error
        await trio.lowlevel.checkpoint()
        return result

    def _next(self, point: str) -> _Fault | None:
        planned = self.faults.get(point)
        if not planned:
            return None
        fault = planned[0]
        fault.times -= 1
        if fault.times <= 0:
            planned.pop(0)
        self.struck.append(point)
        return fault


class AtStep(Instrument):
    """Calls ``action`` once, before step number ``step`` of the task named ``task_name``.

    For "cancel at every step" loops: raise ``step`` from 1 until ``has_struck`` stays false.
    """

    def __init__(self, task_name: str, step: int, action: Callable[[], Any]) -> None:
        self._task_name = task_name
        self._step = step
        self._action = action
        self._seen = 0

    @property
    def has_struck(self) -> bool:
        """Whether the task took that many steps."""
        return self._seen >= self._step

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Trio's hook."""
        if task.name == self._task_name and not self.has_struck:
            self._seen += 1
            if self.has_struck:
                self._action()
