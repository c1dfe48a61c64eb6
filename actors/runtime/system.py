"""The actor system: owns the only nursery, the registries, the static tree and the shutdown.

What operators may see and do is in `operable`.
"""

from __future__ import annotations

import contextvars
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

import trio

from actors.runtime import log
from actors.runtime.actor import ActorFactory
from actors.runtime.address import Address, Key
from actors.runtime.cell import Cell
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.errors import ActorError
from actors.runtime.failures import opened
from actors.runtime.kind import Environment, Kind
from actors.runtime.operable import Operable
from actors.runtime.props import Props
from actors.runtime.ref import ActorRef
from actors.runtime.registry import Registry
from actors.runtime.restart import RestartPolicy
from actors.runtime.service import KindChild, Service, ServiceChild
from actors.runtime.supervisor import Restart, Strategy, Supervisor
from actors.runtime.sweep import Sweeper
from actors.runtime.timers import TimerService
from actors.runtime.waits import Waits

M = TypeVar("M")


class Escalated(ActorError):
    """A child of the system failed for good; ``__cause__`` tells why."""

    retryable = False


@dataclass(frozen=True, slots=True)
class DrainReport:
    """How a shutdown went; true when nothing was left behind."""

    remaining: tuple[Address, ...]
    """Actors that were still running when the budget was used up."""

    def __bool__(self) -> bool:
        return not self.remaining


class ActorSystem(Operable):
    """Runs actors and services inside ``async with``.

    The order of ``add_service`` and ``register`` is the start order: receivers before their
    senders. Shutdown goes the other way. Everything lives in tasks of the system, in a context
    of their own: neither the cancellation nor the context variables of whoever wakes an actor
    reach it. They outlive a cancelled ``async with`` body by at most ``shutdown_seconds``.

    Args:
        name: For snapshots and logs.
        shutdown_seconds: How long the exit may take before the rest is cut off.
        strategy: Who is restarted when a service fails.
        services: How patient to be with failing services.
        transient: Failures of services that do not use up that patience.
        sweep_seconds: How often idle actors are looked for.
        seed: For the jitter of backoffs.
        clock: For ages and durations; deadlines are on Trio's clock.
    """

    def __init__(
        self,
        name: str = "actors",
        *,
        shutdown_seconds: float = 10.0,
        strategy: Strategy = Strategy.REST_FOR_ONE,
        services: RestartPolicy | None = None,
        transient: tuple[type[Exception], ...] = (),
        sweep_seconds: float = 5.0,
        seed: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.name = name
        self.shutdown_seconds = shutdown_seconds
        self.dead_letters = DeadLetters()
        self.drained: DrainReport | None = None
        """How the shutdown went, after ``async with``."""
        self._registries: dict[str, Registry] = {}
        randomness = random.Random(seed)  # for jitter only
        self._environment = Environment(
            spawn=self._spawn,
            ref=self.ref,
            find=self._find,
            escalate=self._escalate,
            dead_letters=self.dead_letters,
            timers=TimerService(),
            waits=Waits(),
            clock=clock,
            random=randomness,
        )
        self._tree = Supervisor(strategy, services, transient=transient, random=randomness)
        self._sweeper = Sweeper(self._registries.values, sweep_seconds)
        self._is_running = False
        self._started_at = 0.0
        self._context = contextvars.copy_context()
        self._outer: trio.Nursery | None = None
        self._inner: trio.Nursery | None = None
        self._failure: Escalated | None = None

    # -- the static tree

    def register(self, kind: str, factory: ActorFactory[M], props: Props | None = None) -> None:
        """Make ``kind`` known; ``factory`` builds each incarnation of each of its actors."""
        registry = Registry(Kind(kind, factory, props or Props(), self._environment))
        registry.on_crowded = self._sweeper.hurry
        self._tree.add(KindChild(registry))
        self._registries[kind] = registry
        if self._is_running:
            registry.is_open = True
            self._tree.mark_up(kind)

    def add_service(
        self,
        name: str,
        factory: Callable[[], Service],
        *,
        restart: Restart = Restart.PERMANENT,
        stop_seconds: float = 5.0,
    ) -> None:
        """Run a service from here on in the order; ``factory`` is called for each start.

        Raises:
            RuntimeError: the system runs already.
        """
        if self._is_running:
            raise RuntimeError("services are added before the system starts")
        self._tree.add(
            ServiceChild(name, factory, self._spawn, restart=restart, stop_seconds=stop_seconds)
        )

    def ref(self, kind: str, key: Key) -> ActorRef[object]:
        """A reference to an actor, which starts on its first message.

        Raises:
            UnknownKind: nothing is registered under ``kind``.
        """
        return ActorRef(self._registry(Address(kind, key)), key)

    # -- life

    async def __aenter__(self) -> ActorSystem:
        self._context = contextvars.copy_context()
        self._started_at = trio.current_time()
        self._manager = trio.open_nursery()
        self._outer = await self._manager.__aenter__()
        try:
            await self._outer.start(self._host)
            await self._tree.start()
        except BaseException as error:
            await self._close(error)
            if self._failure is not None:
                raise self._failure from self._failure.__cause__
            raise
        self._outer.start_soon(self._run_tree)
        self._is_running = True
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with trio.CancelScope(shield=True):  # bounded by the budget
            report = self.drained = await self.drain(self.shutdown_seconds)
        if report.remaining:
            log.left_behind(self.name, len(report.remaining))
        await self._close(error)
        if self._failure is not None:
            raise self._failure  # in place of the cancellation that it ended the body with

    async def _close(self, error: BaseException | None) -> None:
        """Cut off what still runs, and leave the nursery."""
        self._is_running = False
        self._close_registries()  # else who is cut off may start another, and that one a third
        assert self._outer is not None
        self._outer.cancel_scope.cancel(reason=f"{self.name} is down")
        if self._inner is not None:
            self._inner.cancel_scope.cancel(reason=f"shutdown budget of {self.name} is used up")
        # An ordinary error would come out wrapped in a group, though nobody else failed.
        passed = None if isinstance(error, Exception) else error
        error_type, traceback = (type(passed), passed.__traceback__) if passed else (None, None)
        try:
            await self._manager.__aexit__(error_type, passed, traceback)
        except BaseExceptionGroup as group:
            crash = opened(group)  # of the runtime itself: the true error ends the process
            if crash is group or crash is error:
                raise
            raise crash from None
        finally:
            self._close_registries()

    async def drain(self, budget_seconds: float) -> DrainReport:
        """Stop the tree in reverse order: actors handle what they have, services finish."""
        with trio.move_on_after(budget_seconds):
            await self._tree.stop()
        cells = (cell for registry in self._registries.values() for cell in registry.cells())
        return DrainReport(tuple(cell.address for cell in cells))

    async def _host(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Own the nursery of everything, out of reach of the body's cancellation."""
        try:
            with trio.CancelScope(shield=True):
                async with trio.open_nursery() as self._inner:
                    self._inner.start_soon(self._environment.timers.run)
                    self._inner.start_soon(self._sweeper.run)
                    task_status.started()
                    await trio.sleep_forever()
        finally:
            self._close_registries()  # nothing can be started any more

    async def _run_tree(self) -> None:
        """Supervise the services until the body is left; their end is the body's end."""
        try:
            await self._tree.run()
        except Exception as error:  # noqa: BLE001 - raised by __aexit__ after an orderly end
            self._escalate(Address("service", self.name), error)

    def _close_registries(self) -> None:
        for registry in self._registries.values():
            registry.is_open = False

    def _spawn(self, function: Callable[..., Awaitable[object]], *args: object, name: str) -> None:
        assert self._inner is not None
        start_soon = self._inner.start_soon
        # A copy of the system's context, not of the sender's: an actor must not keep the
        # request alive that happened to wake it.
        self._context.run(lambda: start_soon(function, *args, name=name))

    def _escalate(self, address: Address, failure: Exception) -> None:
        if self._failure is None and self._outer is not None:
            self._failure = Escalated(address, "failed for good")
            self._failure.__cause__ = failure
            self._outer.cancel_scope.cancel(reason=f"{address} escalated")

    def _find(self, address: Address) -> Cell | None:
        registry = self._registries.get(address.kind)
        return None if registry is None else registry.find(address.key)
