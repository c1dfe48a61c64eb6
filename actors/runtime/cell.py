"""The place of one running actor: its mailbox, its counters, its wake-up. Synchronous.

The cell outlives incarnations: a crashed actor's mailbox waits here for the next one. It is
made by the registry on first use and dropped when the actor is gone. Everything here is
atomic (no checkpoint), which is what makes the registry's and the runner's promises hold.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import trio

from actors.runtime.actor import Actor, ActorFactory
from actors.runtime.address import Address, Key
from actors.runtime.dead_letters import DeadLetterReason, DeadLetters
from actors.runtime.delivery import Delivery
from actors.runtime.errors import ActorStopped, MailboxFull
from actors.runtime.mailbox import Mailbox, OverflowPolicy
from actors.runtime.props import Props
from actors.runtime.ref import ActorRef
from actors.runtime.restart import RestartWindow
from actors.runtime.signals import StopReason


class CellState(Enum):
    """What an actor is doing."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Spawn(Protocol):
    """Starts a task beside all actors, in a context of its own."""

    def __call__(
        self, function: Callable[..., Awaitable[object]], *args: object, name: str
    ) -> None:
        """Start it. Atomic."""
        ...


@dataclass(slots=True)
class Environment:
    """What all cells of a system share."""

    spawn: Spawn
    ref: Callable[[str, Key], ActorRef[object]]
    dead_letters: DeadLetters
    clock: Callable[[], float]
    """For ages and durations; cheaper than Trio's clock, which deadlines use."""
    random: random.Random
    escalate: Callable[[Address, Exception], None]


class Kind:
    """A registered kind: how its actors are made and run, and what they did so far."""

    def __init__(
        self, name: str, factory: ActorFactory[Any], props: Props, environment: Environment
    ) -> None:
        self.name = name
        # Any: kinds of all message types live in one registry; the factory and the refs that
        # the application types itself meet in the application's code.
        self.factory = factory
        self.props = props
        self.environment = environment
        self.starts = trio.CapacityLimiter(props.max_concurrent_starts)
        self.activated = 0
        self.handled = 0
        self.failed = 0
        self.restarts = 0
        self.passivated = 0
        self.gave_up = 0


class Cell:
    """One actor's place. Implements `context.Host`."""

    __slots__ = (
        "_parked",
        "actor",
        "address",
        "backoff",
        "current",
        "current_since",
        "failed",
        "generation",
        "handled",
        "kind",
        "last_active",
        "last_error",
        "mailbox",
        "restarts",
        "started_at",
        "state",
        "stop_reason",
        "task",
        "wants_reload",
        "window",
    )

    def __init__(self, kind: Kind, key: Key) -> None:
        self.kind = kind
        self.address = Address(kind.name, key)
        props = kind.props
        self.mailbox: Mailbox[Delivery[object], object] = Mailbox(props.capacity, props.overflow)
        self.actor: Actor[Any] | None = None  # Any: see Kind.factory
        self.state = CellState.STARTING
        self.generation = 0
        self.task: trio.lowlevel.Task | None = None
        self.stop_reason: StopReason | None = None
        self.wants_reload = False
        self.backoff: trio.CancelScope | None = None
        self.window: RestartWindow | None = None
        self.current: Sequence[Delivery[object]] = ()
        self.current_since = 0.0
        self.started_at = self.last_active = trio.current_time()
        self.handled = self.failed = self.restarts = 0
        self.last_error: Exception | None = None
        self._parked: trio.lowlevel.Task | None = None

    # -- mailbox

    def offer(self, delivery: Delivery[object]) -> bool:
        """Put ``delivery`` into the mailbox and wake the actor."""
        delivery.sent_at = self.kind.environment.clock()
        unfit = self.mailbox.offer(delivery)
        if unfit is not None:
            self.drop(unfit, DeadLetterReason.FULL)
            if unfit is delivery:
                return self.mailbox.overflow is OverflowPolicy.DROP_NEWEST
        if self._parked is not None:
            self._wake()
        return True

    def post(self, signal: object) -> None:
        """Put a signal into the system lane and wake the actor."""
        self.mailbox.post(signal)
        self._wake()

    def drop(self, delivery: Delivery[object], reason: DeadLetterReason) -> None:
        """Make ``delivery`` a dead letter, and end its ask."""
        if delivery.is_ask:
            if reason is DeadLetterReason.FULL:
                delivery.fail(MailboxFull(self.address, "mailbox full"))
            else:
                delivery.fail(self._stopped_error())
        self.bury(delivery, reason)

    def bury(self, delivery: Delivery[object], reason: DeadLetterReason) -> None:
        """Write the dead letter of a delivery whose ask is over."""
        self.kind.environment.dead_letters.add(
            self.address, delivery.message, reason, trio.current_time()
        )

    def drop_waiting(self, reason: DeadLetterReason) -> None:
        """Empty the user lane into the dead letters."""
        while (delivery := self.mailbox.take()) is not None:
            self.drop(delivery, reason)

    def _stopped_error(self) -> ActorStopped:
        error = ActorStopped(self.address, "stopped before it handled the message")
        error.__cause__ = self.last_error
        return error

    # -- handling

    def begin(self, batch: Sequence[Delivery[object]]) -> None:
        """Note what the handler has in its hands."""
        self.current = batch
        self.current_since = self.kind.environment.clock()

    def finish(self, handled: int) -> None:
        """Note that the handler is done with it."""
        self.current = ()
        self.handled += handled

    def end_incarnation(self) -> None:
        """Void whatever belongs to the instance; the mailbox and the counters stay."""
        self.actor = None
        self.generation += 1

    # -- sleeping and waking

    async def park(self) -> None:
        """Sleep until something arrives. Only the runner calls it, with an empty mailbox."""
        self.mailbox.compact()
        self.last_active = trio.current_time()
        self.state = CellState.IDLE
        self._parked = trio.lowlevel.current_task()
        # If cancelled here (hard stop): nothing is in our hands, the mailbox keeps its content.
        await trio.lowlevel.wait_task_rescheduled(self._unpark)
        self.state = CellState.BUSY

    def _unpark(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._parked = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _wake(self) -> None:
        if self._parked is not None:
            task, self._parked = self._parked, None
            trio.lowlevel.reschedule(task)

    # -- stopping

    def stop(self, reason: StopReason) -> None:
        """Request the end of the actor; the runner decides when. Shutdown wins over all."""
        if self.stop_reason is not StopReason.SHUTDOWN:
            self.stop_reason = reason
        if self.backoff is not None and reason is not StopReason.IDLE:
            self.backoff.cancel(reason=f"stop {self.address}")
        self._wake()

    def passivate(self, generation: int) -> None:
        """End this incarnation after its current message."""
        if generation == self.generation:
            self.wants_reload = True

    def ref(self, kind: str, key: Key) -> ActorRef[object]:
        """A ref to any actor of the system."""
        return self.kind.environment.ref(kind, key)
