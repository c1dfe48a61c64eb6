"""A message on its way, and the one place its answer goes to.

An asker owns a `ReplySlot`. It is settled once, by whoever is first: the actor's answer, the
runtime's error, the asker's deadline or the asker's cancellation. Settling never waits and
never raises, so an answer nobody waits for any more costs the actor nothing.
"""

from __future__ import annotations

from enum import Enum
from typing import Generic, TypeVar

import trio

from actors.runtime.address import Address
from actors.runtime.errors import AskTimeout, Refusal

M = TypeVar("M")


class SlotState(Enum):
    """Where an ask stands."""

    OPEN = "open"
    VALUE = "value"
    ERROR = "error"
    EXPIRED = "expired"
    """The deadline passed: the asker was told so, an unread message is not worth handling."""
    ABANDONED = "abandoned"
    """The asker was cancelled: its message is still handled, the answer dropped."""


class ReplySlot:
    """The asker's side of one ask; not reusable."""

    __slots__ = ("_outcome", "_scope", "_task", "state")

    def __init__(self) -> None:
        self.state = SlotState.OPEN
        self._outcome: object = None
        self._task: trio.lowlevel.Task | None = None
        self._scope: trio.CancelScope | None = None

    @property
    def is_expired(self) -> bool:
        """The asker gave up at its deadline."""
        return self.state is SlotState.EXPIRED

    @property
    def is_deserted(self) -> bool:
        """The asker was gone before an answer came."""
        return self.state is SlotState.EXPIRED or self.state is SlotState.ABANDONED

    def settle(self, outcome: object, state: SlotState = SlotState.VALUE) -> bool:
        """Give the answer. False when the ask is over already. Atomic, never raises."""
        if self.state is not SlotState.OPEN:
            return False
        self.state = state
        self._outcome = outcome
        if self._task is not None:
            task, self._task = self._task, None
            trio.lowlevel.reschedule(task)
        return True

    async def wait(self, deadline: float, address: Address) -> object:
        """The answer, or the error it ended with, by ``deadline`` (Trio's clock)."""
        if self.state is SlotState.OPEN:
            with trio.CancelScope(deadline=deadline) as scope:
                self._scope = scope
                self._task = trio.lowlevel.current_task()
                await trio.lowlevel.wait_task_rescheduled(self._abandon)
        else:
            # Refused on the spot. A caller that retries in a loop must not stop the world.
            await trio.lowlevel.checkpoint()
        if self.state is SlotState.VALUE:
            return self._outcome
        if self.state is SlotState.ERROR:
            error, self._outcome = self._outcome, None
            try:
                assert isinstance(error, BaseException)
                # One refusal may answer many askers: none of them sees the others' frames.
                raise error.with_traceback(None)
            finally:
                del error  # else the traceback keeps this frame, and this frame the error
        raise AskTimeout(address, "no answer in time")

    def _abandon(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        expired = self._scope is not None and self._scope.deadline <= trio.current_time()
        self.state = SlotState.EXPIRED if expired else SlotState.ABANDONED
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED


class Delivery(Generic[M]):
    """One message in a mailbox or in a handler's hands.

    A batch handler answers each of its deliveries. Those it leaves open when it returns end in
    ``ActorFailed``, as do all open ones when it raises.
    """

    __slots__ = ("_is_answered", "message", "sent_at", "trace_id")

    # A tell has nobody who waits; an ask has fields of its own for these.
    slot: ReplySlot | None = None
    """Where the answer goes."""
    deadline: float = float("inf")
    """When the asker stops waiting, on Trio's clock; infinite for a tell."""

    def __init__(self, message: M, trace_id: str | None = None) -> None:
        self.message = message
        self.trace_id = trace_id
        self.sent_at = 0.0
        self._is_answered = False

    @property
    def wants_reply(self) -> bool:
        """It is an ask and somebody still waits."""
        return self.slot is not None and self.slot.state is SlotState.OPEN

    @property
    def is_answered(self) -> bool:
        """The actor is done with it: it answered, or failed it, or marked a tell as done."""
        return self._is_answered

    def reply(self, value: object = None) -> bool:
        """Answer with ``value`` (for a tell: mark it as done). False if nobody waits."""
        self._is_answered = True
        return self.slot is not None and self.slot.settle(value)

    def fail(self, error: Refusal | Exception) -> bool:
        """Answer with an error, which is raised in the asker as it is. False if nobody waits."""
        self._is_answered = True
        return self.slot is not None and self.slot.settle(error, SlotState.ERROR)


class AskDelivery(Delivery[M]):
    """A message somebody waits for the answer of."""

    __slots__ = ("deadline", "slot")

    def __init__(
        self,
        message: M,
        slot: ReplySlot,
        deadline: float,
        trace_id: str | None = None,
    ) -> None:
        super().__init__(message, trace_id)
        self.slot: ReplySlot = slot
        self.deadline = deadline
