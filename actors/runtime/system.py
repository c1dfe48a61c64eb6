"""The actor system: owns the only nursery, the registries and the shutdown."""

from __future__ import annotations

import contextvars
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

import trio

from actors.runtime.actor import ActorFactory
from actors.runtime.address import Address, Key
from actors.runtime.cell import Environment, Kind
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.errors import ActorError, UnknownKind
from actors.runtime.props import Props
from actors.runtime.ref import ActorRef
from actors.runtime.registry import Registry

M = TypeVar("M")


class Escalated(ActorError):
    """An actor whose kind escalates has used up its restart policy; ``__cause__`` tells why."""

    retryable = False


@dataclass(frozen=True, slots=True)
class DrainReport:
    """How a shutdown went; true when nothing was left behind."""

    remaining: tuple[Address, ...]
    """Actors that were still running when the budget was used up."""

    def __bool__(self) -> bool:
        return not self.remaining


class ActorSystem:
    """Runs actors inside ``async with``.

    Kinds are registered before or after entering it, receivers before their senders: shutdown
    drains them in reverse order. Actors live in tasks of the system, in a context of their own:
    neither the cancellation nor the context variables of whoever wakes them reach them. They
    outlive a cancelled ``async with`` body by at most ``shutdown_seconds``.
    """

    def __init__(
        self,
        name: str = "actors",
        *,
        shutdown_seconds: float = 10.0,
        seed: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.name = name
        self.shutdown_seconds = shutdown_seconds
        self.dead_letters = DeadLetters()
        self.drained: DrainReport | None = None
        """How the shutdown went, after ``async with``."""
        self._registries: dict[str, Registry] = {}
        self._environment = Environment(
            spawn=self._spawn,
            ref=self.ref,
            dead_letters=self.dead_letters,
            clock=clock,
            random=random.Random(seed),  # for jitter only
            escalate=self._escalate,
        )
        self._is_running = False
        self._context = contextvars.copy_context()
        self._outer: trio.Nursery | None = None
        self._inner: trio.Nursery | None = None
        self._failure: Escalated | None = None

    # -- kinds and refs

    def register(self, kind: str, factory: ActorFactory[M], props: Props | None = None) -> None:
        """Make ``kind`` known. Receivers before their senders."""
        if kind in self._registries:
            raise ValueError(f"kind {kind!r} is registered already")
        registry = Registry(Kind(kind, factory, props or Props(), self._environment))
        registry.is_open = self._is_running
        self._registries[kind] = registry

    def ref(self, kind: str, key: Key) -> ActorRef[object]:
        """A reference to an actor, which starts on its first message.

        Raises:
            UnknownKind: nothing is registered under ``kind``.
        """
        registry = self._registries.get(kind)
        if registry is None:
            raise UnknownKind(Address(kind, key), "no such kind")
        return ActorRef(registry, key)

    def count(self, kind: str | None = None) -> int:
        """Running actors, of one kind or of all."""
        registries = self._registries.values() if kind is None else [self._registries[kind]]
        return sum(len(registry) for registry in registries)

    # -- life

    async def __aenter__(self) -> ActorSystem:
        self._context = contextvars.copy_context()
        self._manager = trio.open_nursery()
        self._outer = await self._manager.__aenter__()
        await self._outer.start(self._host)
        self._is_running = True
        for registry in self._registries.values():
            registry.is_open = True
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        assert self._inner is not None
        with trio.CancelScope(shield=True):  # bounded by the budget
            self.drained = await self.drain(self.shutdown_seconds)
        self._is_running = False
        for registry in self._registries.values():
            registry.is_open = False
        self._inner.cancel_scope.cancel(reason=f"shutdown budget of {self.name} is used up")
        is_ordinary = isinstance(error, Exception)
        exit_args = (None, None, None) if is_ordinary else (error_type, error, traceback)
        absorbed = await self._manager.__aexit__(*exit_args)
        if self._failure is not None:
            raise self._failure
        return bool(absorbed) and not is_ordinary

    async def drain(self, budget_seconds: float) -> DrainReport:
        """Let the actors handle what they have, kind by kind, last registered first."""
        with trio.move_on_after(budget_seconds):
            for registry in reversed(self._registries.values()):
                await registry.drain()
        remaining = [c.address for r in self._registries.values() for c in r.cells()]
        return DrainReport(tuple(remaining))

    async def _host(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Own the actors' nursery, out of reach of the body's cancellation."""
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as self._inner:
                task_status.started()
                await trio.sleep_forever()

    def _spawn(self, function: Callable[..., Awaitable[object]], *args: object, name: str) -> None:
        assert self._inner is not None
        start_soon = self._inner.start_soon
        # A copy of the system's context, not of the sender's: an actor must not keep the
        # request alive that happened to wake it.
        self._context.run(lambda: start_soon(function, *args, name=name))

    def _escalate(self, address: Address, failure: Exception) -> None:
        if self._failure is None and self._outer is not None:
            self._failure = Escalated(address, "gave up restarting")
            self._failure.__cause__ = failure
            self._outer.cancel_scope.cancel(reason=f"{address} escalated")
