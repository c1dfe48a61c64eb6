"""What travels in the system lane, ahead of what other actors send.

Each item is known to its cell by identity until it is handled; an item the cell has dropped
meanwhile (a reset timer, an old incarnation's watch or pipe) is void.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio

from actors.runtime.actor import Actor
from actors.runtime.address import Address
from actors.runtime.delivery import ReplySlot, SlotState
from actors.runtime.errors import ActorStopped
from actors.runtime.failures import split_failure
from actors.runtime.redaction import redact
from actors.runtime.signals import StopReason
from actors.runtime.timers import Timer


class Watch:
    """One actor's interest in the end of another."""

    __slots__ = ("address", "notify", "reason", "watcher")

    def __init__(self, address: Address, watcher: Address, notify: Callable[[Watch], None]) -> None:
        self.address = address
        self.watcher = watcher
        self.notify = notify
        self.reason = StopReason.ABSENT

    def ended(self, reason: StopReason) -> None:
        """The watched actor is gone."""
        self.reason = reason
        self.notify(self)


class Pipe:
    """A task beside the actor whose outcome becomes a message to it."""

    __slots__ = ("_done", "_on_failure", "_on_success", "_outcome", "_scope", "_work")

    def __init__(
        self,
        work: Callable[[], Awaitable[Any]],
        on_success: Callable[[Any], object],
        on_failure: Callable[[Exception], object],
        done: Callable[[Pipe], None],
    ) -> None:
        self._work = work
        self._on_success = on_success
        self._on_failure = on_failure
        self._done = done
        self._outcome: Callable[[], object] | None = None
        self._scope = trio.CancelScope()

    def cancel(self) -> None:
        """Its incarnation is over."""
        self._scope.cancel(reason="the actor that started it is gone")

    async def run(self) -> None:
        """Do the work, then tell the cell. An error of the work is an outcome, not a crash."""
        failure: Exception | None = None
        result: object = None
        with self._scope:
            try:
                result = await self._work()
            except (Exception, BaseExceptionGroup) as error:
                failure, fatal = split_failure(error)
                if fatal is not None:
                    raise fatal from error
            if failure is None:
                self._outcome = lambda: self._on_success(result)
            else:
                crash = failure
                self._outcome = lambda: self._on_failure(crash)
            self._done(self)

    def message(self) -> object:
        """The outcome as a message. Runs in the actor, because the application maps it."""
        assert self._outcome is not None
        return self._outcome()


class Inspection:
    """An operator's wish to see the actor's state between two messages."""

    __slots__ = ("slot",)

    def __init__(self) -> None:
        self.slot = ReplySlot()

    def answer(self, actor: Actor[Any]) -> None:
        """Describe ``actor``. Its error is the operator's to see, not a crash of the actor."""
        try:
            state = redact(actor.describe())
        except Exception as error:  # noqa: BLE001 - handed to the operator
            self.slot.settle(error, SlotState.ERROR)
        else:
            self.slot.settle(state)

    def refuse(self, address: Address) -> None:
        """The actor is gone."""
        self.slot.settle(ActorStopped(address, "gone"), SlotState.ERROR)


LaneItem = Timer | Watch | Pipe | Inspection
