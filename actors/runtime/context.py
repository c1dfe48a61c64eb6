"""What an actor may ask of the runtime, bound to one incarnation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Protocol, TypeVar

from actors.runtime.address import Address, Key
from actors.runtime.ref import ActorRef

T = TypeVar("T")


class Host(Protocol):
    """What the context needs from the actor's cell; see there."""

    address: Address
    generation: int

    def ref(self, kind: str, key: Key) -> ActorRef[object]: ...  # noqa: D102
    def passivate(self) -> None: ...  # noqa: D102
    def timer(self, key: Hashable, after_seconds: float, message: object) -> None: ...  # noqa: D102
    def cancel_timer(self, key: Hashable) -> bool: ...  # noqa: D102
    def watch(self, address: Address) -> None: ...  # noqa: D102
    def unwatch(self, address: Address) -> bool: ...  # noqa: D102
    def pipe(  # noqa: D102
        self,
        work: Callable[[], Awaitable[Any]],
        on_success: Callable[[Any], object],
        on_failure: Callable[[Exception], object],
    ) -> None: ...


class ActorContext:
    """Given to the factory; bound to one incarnation.

    Everything here is atomic (no checkpoint). Timers, watches and pipes end with the
    incarnation; a new one sets up its own in ``on_start``. Once its incarnation is over, a
    context does nothing.
    """

    __slots__ = ("_generation", "_host")

    def __init__(self, host: Host, generation: int) -> None:
        self._host = host
        self._generation = generation

    @property
    def is_current(self) -> bool:
        """Whether the incarnation it was given to still lives."""
        return self._host.generation == self._generation

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
        if self.is_current:
            self._host.passivate()

    def timer(self, key: Hashable, after_seconds: float, message: object) -> None:
        """Send ``message`` to this actor in ``after_seconds``, before what others send.

        Replaces the timer with the same key, also one that has fired and is not yet handled. A
        pending timer keeps the actor from being passivated.
        """
        if self.is_current:
            self._host.timer(key, after_seconds, message)

    def cancel_timer(self, key: Hashable) -> bool:
        """Stop a timer, also one that has fired and is not yet handled. False if none."""
        return self.is_current and self._host.cancel_timer(key)

    def watch(self, address: Address) -> None:
        """Call ``on_terminated`` once when the actor ends; at once if it is not running.

        Restarts are not told. Watching does not start the actor. Twice is once.
        """
        if self.is_current:
            self._host.watch(address)

    def unwatch(self, address: Address) -> bool:
        """Stop watching; news that is under way is void. False if it was not watched."""
        return self.is_current and self._host.unwatch(address)

    def pipe_to_self(
        self,
        work: Callable[[], Awaitable[T]],
        on_success: Callable[[T], object],
        on_failure: Callable[[Exception], object],
    ) -> None:
        """Do long ``work`` beside the actor, which goes on with other messages meanwhile.

        Its result or its error, mapped by one of the two functions (in the actor), comes back
        as a message before what others send. It is cancelled with the incarnation; a shutdown
        waits for it. Inside ``work`` there is no current call: give its asks deadlines.
        """
        if self.is_current:
            self._host.pipe(work, on_success, on_failure)
