"""The place of one running actor: mailbox, counters, wake-up, ties. Synchronous.

The cell outlives incarnations: a crashed actor's mailbox waits here for the next one. It is
made by the registry on first use and dropped when the actor is gone. Everything here is
atomic (no checkpoint), which is what makes the registry's and the runner's promises hold.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from enum import Enum
from typing import Any

import trio

from actors.runtime.actor import Actor
from actors.runtime.address import Address, Key
from actors.runtime.dead_letters import DeadLetterReason
from actors.runtime.delivery import Delivery
from actors.runtime.errors import ActorFailed, ActorStopped, MailboxFull
from actors.runtime.kind import Kind
from actors.runtime.lane import Inspection, LaneItem, Pipe, Watch
from actors.runtime.mailbox import Mailbox, OverflowPolicy
from actors.runtime.recorder import FlightOutcome
from actors.runtime.ref import ActorRef
from actors.runtime.restart import RestartWindow
from actors.runtime.signals import StopReason
from actors.runtime.ties import Ties
from actors.runtime.timers import Timer


class CellState(Enum):
    """What an actor is doing."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Cell:
    """One actor's place. Implements `context.Host`, `kind.Watchable`."""

    __slots__ = (
        "_parked",
        "_ties",
        "_watches",
        "accepted",
        "actor",
        "address",
        "backoff",
        "busy_seconds",
        "crashed",
        "current",
        "current_since",
        "cut",
        "dropped",
        "failure",
        "generation",
        "handled",
        "kind",
        "last_active",
        "last_error",
        "mailbox",
        "rejected",
        "restarts",
        "slowest_seconds",
        "started_at",
        "state",
        "stop_reason",
        "task",
        "wants_reload",
        "wants_restart",
        "window",
    )

    def __init__(self, kind: Kind, key: Key) -> None:
        self.kind = kind
        self.address = Address(kind.name, key)
        props = kind.props
        self.mailbox: Mailbox[Delivery[object], LaneItem] = Mailbox(props.capacity, props.overflow)
        self.actor: Actor[Any] | None = None  # Any: see Kind.factory
        self.state = CellState.STARTING
        self.generation = 0
        self.task: trio.lowlevel.Task | None = None
        self.stop_reason: StopReason | None = None
        self.wants_reload = False
        self.wants_restart = False
        self.cut: trio.CancelScope | None = None
        self.backoff: trio.CancelScope | None = None
        self.window: RestartWindow | None = None
        self.current: Sequence[Delivery[object]] = ()
        self.current_since = 0.0
        self.started_at = self.last_active = trio.current_time()
        # accepted = handled + dropped + waiting + current, whenever nobody is in between.
        self.accepted = self.handled = self.dropped = 0
        self.crashed = self.rejected = self.restarts = 0
        self.busy_seconds = self.slowest_seconds = 0.0
        self.failure: Exception | None = None
        """What it crashed with, until it is healed: it holds the instance that crashed."""
        self.last_error: str | None = None
        self._parked: trio.lowlevel.Task | None = None
        self._ties: Ties | None = None
        self._watches: set[Watch] | None = None

    # -- the mailbox

    def offer(self, delivery: Delivery[object]) -> bool:
        """Put ``delivery`` into the mailbox and wake the actor."""
        delivery.sent_at = self.kind.environment.clock()
        unfit = self.mailbox.offer(delivery)
        if unfit is delivery and self.mailbox.overflow is OverflowPolicy.REJECT:
            self.rejected += 1
            self.kind.totals.rejected += 1
            self._refuse_full(delivery)
            return False
        self.accepted += 1
        if unfit is not None:
            self._count_drop()
            self._refuse_full(unfit)
        if self._parked is not None:
            self._wake()
        return True

    def post(self, item: LaneItem) -> None:
        """Put ``item`` into the system lane and wake the actor."""
        self.mailbox.post(item)
        self._wake()

    def drop(self, delivery: Delivery[object], reason: DeadLetterReason) -> None:
        """Make an accepted delivery a dead letter, and end its ask with ``ActorStopped``."""
        if delivery.slot is not None:
            error = ActorStopped(self.address, "stopped before it handled the message")
            error.__cause__ = self.failure
            delivery.fail(error)
        self._count_drop()
        self._bury(delivery, reason)

    def drop_crashed(self, delivery: Delivery[object], failure: Exception, detail: str) -> None:
        """Make an accepted delivery a dead letter, and end its ask with ``ActorFailed``."""
        if delivery.slot is not None:
            error = ActorFailed(self.address, f"{detail} with {type(failure).__name__}")
            error.__cause__ = failure
            delivery.fail(error)
        self._count_drop()
        self._bury(delivery, DeadLetterReason.FAILED)

    def drop_waiting(self) -> None:
        """Empty both lanes: nobody will handle what waits."""
        while (delivery := self.mailbox.take()) is not None:
            self.drop(delivery, DeadLetterReason.STOPPED)
        for item in self.mailbox.take_signals():
            if isinstance(item, Inspection):
                item.refuse(self.address)

    def _refuse_full(self, delivery: Delivery[object]) -> None:
        if delivery.slot is not None:
            delivery.fail(MailboxFull(self.address, "mailbox full"))
        self._bury(delivery, DeadLetterReason.FULL)

    def _count_drop(self) -> None:
        self.dropped += 1
        self.kind.totals.dropped += 1

    def _bury(self, delivery: Delivery[object], reason: DeadLetterReason) -> None:
        letters = self.kind.environment.dead_letters
        letters.add(self.address, delivery.message, reason, trio.current_time())

    # -- handling

    def begin(self, batch: Sequence[Delivery[object]], now: float) -> None:
        """Note what the handler has in its hands."""
        self.current = batch
        self.current_since = now

    def finish(self, outcome: FlightOutcome) -> float:
        """Note that the handler is done with all of it. Returns the time."""
        number = len(self.current)
        self.handled += number
        self.kind.totals.handled += number
        return self._record_current(outcome)

    def fail_current(self, failure: Exception) -> None:
        """The handler crashed: what it has not answered is lost."""
        self.failure, self.last_error = failure, type(failure).__name__
        for delivery in self._open_current():
            self.crashed += 1
            self.kind.totals.crashed += 1
            self.drop_crashed(delivery, failure, "crashed")
        if self.current:  # else a start, a stop or a signal crashed
            self._record_current(FlightOutcome.CRASHED)

    def cut_current(self) -> None:
        """The handler was cut off: nobody knows how much of what it has not answered was done."""
        for delivery in self._open_current():
            delivery.fail(ActorFailed(self.address, "cut off while it handled the message"))
            self._count_drop()
            self._bury(delivery, DeadLetterReason.CANCELLED)
        if self.current:
            self._record_current(FlightOutcome.CUT_OFF)

    def _open_current(self) -> list[Delivery[object]]:
        """What the handler leaves open; the rest of what it has in its hands is handled."""
        left = [delivery for delivery in self.current if not delivery.is_answered]
        self.handled += len(self.current) - len(left)
        self.kind.totals.handled += len(self.current) - len(left)
        return left

    def _record_current(self, outcome: FlightOutcome) -> float:
        batch, self.current = self.current, ()
        kind, started, ended = self.kind, self.current_since, self.kind.environment.clock()
        took = ended - started
        self.busy_seconds += took
        if took > self.slowest_seconds:
            self.slowest_seconds = took
        for delivery in batch:
            if delivery.slot is not None and delivery.slot.is_deserted:
                kind.totals.late_replies += 1
        kind.recorder.record(self.address, batch, started, ended, outcome)
        return ended

    def end_incarnation(self) -> None:
        """Void whatever belongs to the instance; the mailbox and the counters stay."""
        self.actor = None
        self.cut = None
        self.wants_reload = self.wants_restart = False
        self.generation += 1
        if self._ties is not None:
            self._ties.cut()
            self._ties = None

    # -- sleeping, waking, stopping

    def park(self) -> Callable[[object], trio.lowlevel.Abort]:
        """Get ready to sleep until something arrives; the runner does, at once.

        Returns:
            What to do when the sleep is cancelled.
        """
        self.mailbox.compact()
        self.last_active = trio.current_time()
        self.state = CellState.IDLE
        self._parked = trio.lowlevel.current_task()
        return self._unpark

    def _unpark(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._parked = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _wake(self) -> None:
        if self._parked is not None:
            task, self._parked = self._parked, None
            trio.lowlevel.reschedule(task)

    def stop(self, reason: StopReason) -> None:
        """Request the end of the actor; the runner decides when. Shutdown wins over all."""
        if self.stop_reason is not StopReason.SHUTDOWN:
            self.stop_reason = reason
        if self.backoff is not None and reason is not StopReason.IDLE:
            self.backoff.cancel(reason=f"stop {self.address}")
        self._wake()

    def restart(self) -> None:
        """Request a fresh instance; the mailbox stays. The runner obeys between two messages."""
        if self.state is CellState.BACKOFF:
            if self.backoff is not None:
                self.backoff.cancel(reason=f"restart {self.address}")
        else:
            self.wants_restart = self.wants_reload = True
            self._wake()

    def cut_off(self, generation: int) -> None:
        """Cancel what this incarnation is doing now; void when it is asleep or gone."""
        if self.cut is not None and self.generation == generation:
            self.cut.cancel(reason=f"an operator ends what {self.address} is doing")

    @property
    def watchers(self) -> tuple[Address, ...]:
        """Who hears of this actor's end."""
        return tuple(watch.watcher for watch in self._watches or ())

    @property
    def timers(self) -> tuple[Timer, ...]:
        """Those that it has set and that have not been handled."""
        return () if self._ties is None else tuple(self._ties.timers.values())

    @property
    def is_idle(self) -> bool:
        """It sleeps, and nothing is under way that would wake it."""
        return self.state is CellState.IDLE and not self.has_pending

    @property
    def has_pending(self) -> bool:
        """A timer or a pipe is under way."""
        return self._ties is not None and self._ties.keep_alive

    @property
    def has_pipes(self) -> bool:
        """Work beside the actor is under way."""
        return self._ties is not None and bool(self._ties.pipes)

    # -- watchers

    def add_watch(self, watch: Watch) -> None:
        """Tell ``watch`` of this actor's end."""
        if self._watches is None:
            self._watches = set()
        self._watches.add(watch)

    def drop_watch(self, watch: Watch) -> None:
        """Don't."""
        if self._watches is not None:
            self._watches.discard(watch)

    def tell_watchers(self, reason: StopReason) -> None:
        """Tell them once; they are forgotten."""
        watches, self._watches = self._watches or (), None
        for watch in watches:
            watch.ended(reason)

    # -- what the context asks for

    def ref(self, kind: str, key: Key) -> ActorRef[object]:
        """A ref to any actor of the system."""
        return self.kind.environment.ref(kind, key)

    def passivate(self) -> None:
        """End this incarnation after its current message."""
        self.wants_reload = True

    def timer(self, key: Hashable, after_seconds: float, message: object) -> None:
        """Send ``message`` to the actor later."""
        when = trio.current_time() + after_seconds
        self._tied().set_timer(Timer(when, key, message, self.post))

    def cancel_timer(self, key: Hashable) -> bool:
        """False if there is none."""
        return self._ties is not None and self._ties.cancel_timer(key)

    def watch(self, address: Address) -> None:
        """Hear of the end of ``address``."""
        self._tied().watch(Watch(address, self.address, self.post))

    def unwatch(self, address: Address) -> bool:
        """Don't any more."""
        return self._ties is not None and self._ties.unwatch(address)

    def pipe(
        self,
        work: Callable[[], Awaitable[Any]],
        on_success: Callable[[Any], object],
        on_failure: Callable[[Exception], object],
    ) -> None:
        """Run ``work`` beside the actor; its outcome becomes a message."""
        pipe = Pipe(work, on_success, on_failure, self.post)
        self._tied().pipes.add(pipe)
        self.kind.environment.spawn(pipe.run, name=f"{self.address} pipe")

    def claim(self, item: LaneItem) -> bool:
        """Whether an item of the system lane still concerns this incarnation."""
        return isinstance(item, Inspection) or (self._ties is not None and self._ties.claim(item))

    def _tied(self) -> Ties:
        if self._ties is None:
            self._ties = Ties(self.kind.environment)
        return self._ties
