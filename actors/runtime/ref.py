"""How others speak to an actor: a name with ``tell`` and ``ask``."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

import trio

from actors.runtime.address import Address, Key
from actors.runtime.call import current_call
from actors.runtime.delivery import AskDelivery, Delivery, ReplySlot
from actors.runtime.errors import AskCycle
from actors.runtime.waits import Waits

M_contra = TypeVar("M_contra", contravariant=True)


class Directory(Protocol):
    """What a ref needs from the registry of its kind."""

    @property
    def name(self) -> str:
        """The kind."""
        ...

    @property
    def waits(self) -> Waits:
        """Whom the actors wait for."""
        ...

    def offer(self, key: Key, delivery: Delivery[object]) -> bool:
        """Activate if need be, and put into the mailbox. Settles the ask when it can not."""
        ...

    def stop(self, key: Key) -> bool:
        """Ask a running actor to stop."""
        ...


class ActorRef(Generic[M_contra]):
    """A stateless reference, valid for ever; equal when the addresses are.

    Holding one keeps nothing alive, and using one starts the actor when it is not running.
    """

    __slots__ = ("_directory", "_key")

    def __init__(self, directory: Directory, key: Key) -> None:
        self._directory = directory
        self._key = key

    @property
    def address(self) -> Address:
        """Whom it refers to."""
        return Address(self._directory.name, self._key)

    def tell(self, message: M_contra) -> bool:
        """Hand over ``message`` and go on. Atomic: no checkpoint, never raises.

        Returns:
            False when it was not taken: the mailbox is full (by a rejecting policy) or the
            system is not running. It is a dead letter then, so a False that nobody looks at is
            still counted.
        """
        call = current_call.get()
        trace_id = None if call is None else call.trace_id
        return self._directory.offer(self._key, Delivery(message, trace_id))

    async def ask(
        self, message: M_contra, *, timeout_seconds: float = 5.0, trace_id: str | None = None
    ) -> object:
        """Hand over ``message`` and wait for its answer.

        Inside a handler the deadline is never later than that of the message being handled,
        and the trace id is inherited. Checkpoint: yes. If the caller is cancelled, the message
        is still handled and its answer dropped; the actor never notices.

        Raises:
            Refusal: the actor's domain said no.
            MailboxFull, ActorStopped, ActorFailed: not handled, or crashed on.
            AskTimeout: nothing is known about the outcome.
            AskCycle: the actor is waiting for the caller; raised before anything is sent.
        """
        call = current_call.get()
        deadline = trio.current_time() + timeout_seconds
        address, slot = self.address, ReplySlot()
        if call is None:
            self._directory.offer(self._key, AskDelivery(message, slot, deadline, trace_id))
            return await slot.wait(deadline, address)
        waits, asker = self._directory.waits, call.address
        way = waits.way(address, asker)
        if way:
            path = " -> ".join(str(step) for step in (asker, *way))
            raise AskCycle(address, f"would wait for itself: {path}")
        deadline = min(deadline, call.deadline)
        trace_id = trace_id or call.trace_id
        waits.begin(asker, slot, address)
        try:
            self._directory.offer(self._key, AskDelivery(message, slot, deadline, trace_id))
            return await slot.wait(deadline, address)
        finally:
            waits.end(asker, slot)

    def stop(self) -> bool:
        """Stop the actor after its current message; what waits ends in ``ActorStopped``.

        Returns at once; False if it is not running. Watch it to learn of the end.
        """
        return self._directory.stop(self._key)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ActorRef)
            and self._key == other._key
            and self._directory is other._directory
        )

    def __hash__(self) -> int:
        return hash((self._directory.name, self._key))

    def __repr__(self) -> str:
        return f"<ActorRef {self.address}>"
