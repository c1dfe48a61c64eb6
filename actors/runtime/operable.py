"""The operators' side of a system: what they may see, and what they may do to one actor.

Seeing reads the cells and asks no actor, so it works while all of them are stuck; only
``get_state`` has to wait for its turn. Doing is asked for and returns at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import trio

from actors.runtime.address import Address, Key
from actors.runtime.cell import Cell, CellState
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.errors import ActorStopped, UnknownKind
from actors.runtime.kind import Environment
from actors.runtime.lane import Inspection
from actors.runtime.load import KindLoad, measure
from actors.runtime.recorder import FlightRecord
from actors.runtime.redaction import label
from actors.runtime.registry import Registry
from actors.runtime.signals import StopReason
from actors.runtime.stack import StackFrame, await_stack
from actors.runtime.status import (
    ActorStatus,
    KindStatus,
    Order,
    ServiceStatus,
    SystemSnapshot,
    describe_cell,
    describe_kind,
    most_noteworthy,
)
from actors.runtime.supervisor import Supervisor
from actors.runtime.survey import Survey, SurveyPage, durations_of, survey


@dataclass(frozen=True, slots=True)
class TimerStatus:
    """A timer that an actor has set and that was not handled yet."""

    key: str
    remaining_seconds: float
    """0: it has fired, and its message waits."""


@dataclass(frozen=True, slots=True)
class KindBranch:
    """A kind in the tree, with a few of its actors."""

    place: ServiceStatus
    status: KindStatus
    busiest: tuple[ActorStatus, ...]


@dataclass(frozen=True, slots=True)
class SystemTree:
    """The static tree, in the order it starts in."""

    name: str
    strategy: str
    branches: tuple[ServiceStatus | KindBranch, ...]


class Operable:
    """What operators may see and do; `ActorSystem` is one."""

    name: str
    dead_letters: DeadLetters
    _registries: dict[str, Registry]
    _environment: Environment
    _tree: Supervisor
    _started_at: float

    # -- looking inside

    @property
    def kinds(self) -> tuple[str, ...]:
        """The registered kinds, in their order."""
        return tuple(self._registries)

    def count(self, kind: str | None = None) -> int:
        """Running actors, of one kind or of all."""
        registries = self._registries.values() if kind is None else [self._registries[kind]]
        return sum(len(registry) for registry in registries)

    def snapshot(
        self, kind: str | None = None, *, order: Order = "depth", limit: int = 100
    ) -> SystemSnapshot:
        """The system now, and its ``limit`` most noteworthy actors. Atomic: asks nobody.

        It looks at every actor without a pause, 0.5 ms per thousand: see `survey`.
        """
        now = self._environment.clock()
        registries = list(self._registries.values())
        shown = [registry for registry in registries if kind in (None, registry.name)]
        cells = [cell for registry in shown for cell in registry.cells()] if limit else []
        return SystemSnapshot(
            name=self.name,
            uptime_seconds=trio.current_time() - self._started_at,
            services=tuple(place for place in self._places() if place.name not in self._registries),
            kinds=tuple(describe_kind(registry) for registry in registries),
            actors=most_noteworthy(cells, order, limit, now),
            dead_letters={
                f"{where}.{reason.value}": number
                for (where, reason), number in self.dead_letters.counts().items()
            },
            timers=len(self._environment.timers),
        )

    async def loads(self) -> tuple[KindLoad, ...]:
        """How loaded each kind is. Asks nobody; gives other tasks a turn while it walks."""
        registries = tuple(self._registries.values())
        return tuple([await measure(registry, self._environment.clock) for registry in registries])

    async def survey(self, asked: Survey) -> SurveyPage:
        """Part of the list of all actors that match. Lets others run every few hundred actors."""
        return await survey(tuple(self._registries.values()), asked, self._environment.clock)

    async def tree(self, *, busiest: int = 5) -> SystemTree:
        """The static tree, and of each kind the actors that are busiest. Lets others run."""
        branches: list[ServiceStatus | KindBranch] = []
        for place in self._places():
            registry = self._registries.get(place.name)
            if registry is None:
                branches.append(place)
            else:
                page = await self.survey(Survey(kind=place.name, limit=busiest))
                branches.append(KindBranch(place, describe_kind(registry), page.actors))
        return SystemTree(self.name, self._tree.strategy.value, tuple(branches))

    def describe(self, address: Address) -> ActorStatus:
        """One row of the snapshot. Atomic.

        Raises:
            ActorStopped: it is not running.
            UnknownKind: nothing is registered under its kind.
        """
        cell = self._running(address)
        durations = durations_of([cell]).get(address, ())
        return describe_cell(cell, self._environment.clock(), durations)

    async def get_state(self, address: Address, *, timeout_seconds: float = 1.0) -> object:
        """What ``Actor.describe`` returns between two messages, redacted.

        Raises:
            ActorStopped: it is not running; it is not started for this.
            AskTimeout: it is busy with one message for longer than that.
            UnknownKind: nothing is registered under its kind.
        """
        cell, inspection = self._running(address), Inspection()
        cell.post(inspection)
        deadline = trio.current_time() + timeout_seconds
        try:
            return await inspection.slot.wait(deadline, address)
        finally:
            cell.mailbox.withdraw(inspection)  # a stuck actor's lane has no other bound

    def await_stack(self, address: Address) -> tuple[StackFrame, ...]:
        """Where the actor's task waits, outermost first; empty if it does not run. Atomic."""
        cell = self._registry(address).find(address.key)
        return () if cell is None or cell.task is None else await_stack(cell.task)

    def watchers(self, address: Address) -> tuple[Address, ...]:
        """Who hears of the actor's end; empty if it does not run. Atomic."""
        cell = self._registry(address).find(address.key)
        return () if cell is None else cell.watchers

    def timers(self, address: Address) -> tuple[TimerStatus, ...]:
        """The actor's timers, the next one first; empty if it does not run. Atomic."""
        cell = self._registry(address).find(address.key)
        now = trio.current_time()
        found = () if cell is None else sorted(cell.timers, key=lambda timer: timer.when)
        return tuple(TimerStatus(label(one.key), max(0.0, one.when - now)) for one in found)

    def flights(
        self, kind: str, key: Key | None = None, *, limit: int = 100
    ) -> tuple[FlightRecord, ...]:
        """What actors of ``kind`` handled last, newest first. Atomic."""
        recorder = self._registry(Address(kind, "*" if key is None else key)).kind.recorder
        return recorder.recent(limit, None if key is None else Address(kind, key))

    # -- taking hold of one actor

    def restart(self, address: Address, *, patience_seconds: float = 1.0) -> None:
        """Replace the actor's instance by a fresh one. Returns at once.

        What waits in its mailbox stays, its watchers are not told, its restart policy is not
        used up, ``on_stop`` is not called. A handler that has worked for ``patience_seconds``,
        or will have before it is done, is cancelled: its askers get ``ActorFailed``, because
        nobody knows how much of it was done.

        Raises:
            ActorStopped: it is not running.
            UnknownKind: nothing is registered under its kind.
        """
        cell = self._running(address)
        cell.restart()
        self._cut_off_later(cell, patience_seconds)

    def stop(self, address: Address, *, patience_seconds: float = 1.0) -> None:
        """End the actor: what waits is answered ``ActorStopped``. Returns at once.

        Its next use starts it again. A handler that takes too long is cancelled as by
        `restart`. A shutdown is not overruled: then what waits is handled by a fresh instance.

        Raises:
            ActorStopped: it is not running.
            UnknownKind: nothing is registered under its kind.
        """
        cell = self._running(address)
        cell.stop(StopReason.REQUESTED)
        if cell.stop_reason is StopReason.SHUTDOWN:
            cell.restart()
        self._cut_off_later(cell, patience_seconds)

    def passivate(self, address: Address) -> None:
        """Ask the actor to rest, as if it had been idle for long enough. Returns at once.

        It obeys when it is between two messages, nothing waits, no timer or pipe is under way
        and ``may_passivate`` agrees; else nothing happens. It never cuts a handler off.

        Raises:
            ActorStopped: it is not running.
            UnknownKind: nothing is registered under its kind.
        """
        cell = self._running(address)
        if cell.stop_reason is None:
            cell.stop(StopReason.IDLE)

    def _cut_off_later(self, cell: Cell, patience_seconds: float) -> None:
        if cell.state is CellState.BACKOFF:
            return  # nothing is in its hands, and what follows is not what was to be ended
        worked = self._environment.clock() - cell.current_since if cell.current else 0.0
        wait_seconds, generation = patience_seconds - worked, cell.generation
        if wait_seconds <= 0:
            cell.cut_off(generation)
            return

        async def cut_off() -> None:
            await trio.sleep(wait_seconds)
            cell.cut_off(generation)

        self._environment.spawn(cut_off, name=f"{cell.address} patience")

    def _running(self, address: Address) -> Cell:
        cell = self._registry(address).find(address.key)
        if cell is None:
            raise ActorStopped(address, "not running")
        return cell

    def _registry(self, address: Address) -> Registry:
        registry = self._registries.get(address.kind)
        if registry is None:
            raise UnknownKind(address, "no such kind")
        return registry

    def _places(self) -> tuple[ServiceStatus, ...]:
        return tuple(
            ServiceStatus(name, state, starts, None if error is None else type(error).__name__)
            for name, state, starts, error in self._tree.places()
        )
