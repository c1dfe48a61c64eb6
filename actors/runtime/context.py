"""What an actor may ask of the runtime, bound to one incarnation."""

from __future__ import annotations

from typing import Protocol

from actors.runtime.address import Address, Key
from actors.runtime.ref import ActorRef


class Host(Protocol):
    """What the context needs from the actor's cell."""

    @property
    def address(self) -> Address:
        """Of the actor."""
        ...

    def ref(self, kind: str, key: Key) -> ActorRef[object]:
        """A ref to any actor of the system."""
        ...

    def passivate(self, generation: int) -> None:
        """End the incarnation ``generation`` after its current message."""
        ...


class ActorContext:
    """Given to the factory. Useless, and harmless, once its incarnation is over."""

    __slots__ = ("_generation", "_host")

    def __init__(self, host: Host, generation: int) -> None:
        self._host = host
        self._generation = generation

    @property
    def address(self) -> Address:
        """The actor's own."""
        return self._host.address

    @property
    def self_ref(self) -> ActorRef[object]:
        """For handing out; asking it from a handler is an ``AskCycle``."""
        return self._host.ref(*self._host.address)

    def ref(self, kind: str, key: Key) -> ActorRef[object]:
        """A ref to another actor.

        Raises:
            UnknownKind: nothing is registered under ``kind``.
        """
        return self._host.ref(kind, key)

    def passivate(self) -> None:
        """End this incarnation after the current message.

        What waits is handled by the next one, which loads afresh: also the way to forget a
        state that can no longer be trusted.
        """
        self._host.passivate(self._generation)
