"""What an application writes: a subclass of `Actor`, one per kind.

An instance lives from ``on_start`` to ``on_stop`` or to a crash; the next incarnation is a new
instance, so that state on ``self`` is always as fresh as what ``on_start`` loaded. One message
is handled at a time, also across awaits, so the state needs no locks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from actors.runtime.context import ActorContext
from actors.runtime.delivery import Delivery
from actors.runtime.errors import Refusal
from actors.runtime.signals import StopReason, Terminated

M = TypeVar("M")


class Actor(Generic[M]):
    """Base of all actors; every hook may be left out but one of the two ``receive``."""

    def __init__(self, context: ActorContext) -> None:
        self.context = context

    async def on_start(self) -> None:
        """Load the state. Messages wait meanwhile.

        An error fails every waiting ask with ``ActorFailed`` and is then treated as a crash;
        waiting tells are kept for the next attempt.
        """

    async def receive(self, message: M) -> object:
        """Handle one message; the returned value answers the asker.

        A ``Refusal`` answers too. Any other exception is a crash: the asker gets
        ``ActorFailed``, and a new instance goes on with the next message.
        """
        raise NotImplementedError(f"{type(self).__name__} handles no messages")

    async def receive_batch(self, batch: Sequence[Delivery[M]]) -> None:
        """Handle all that waits (up to ``Props.max_batch``), oldest first.

        Override it to commit many messages at once. Answer each delivery: ``reply`` or
        ``fail``. Those left open end in ``ActorFailed``; if it raises, all open ones do. A
        ``Refusal`` raised here answers all open ones.
        """
        for delivery in batch:
            try:
                delivery.reply(await self.receive(delivery.message))
            except Refusal as refusal:
                delivery.fail(refusal)

    async def on_terminated(self, signal: Terminated) -> None:
        """A watched actor is gone for good."""

    async def on_stop(self, reason: StopReason) -> None:
        """Last chance to act; best effort: it is skipped after a crash or a hard stop.

        Durable state must be durable already.
        """

    def may_passivate(self) -> bool:
        """Whether idleness may end this actor now (False while sockets are attached, say)."""
        return True

    def describe(self) -> Mapping[str, object]:
        """State for operators: counts, ids, flags. Never secrets or what users wrote."""
        return {}


def handles_batches(actor: Actor[Any]) -> bool:
    """Whether its class overrides ``receive_batch``. Internal."""
    return type(actor).receive_batch is not Actor.receive_batch


ActorFactory = Callable[[ActorContext], Actor[M]]
"""Builds a new instance for each incarnation. Runs inside the actor, so it may raise."""
