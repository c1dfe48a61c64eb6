"""How a conversation with an actor can fail: a closed set.

::

    Refusal          the actor understood and said no; an answer, never a crash
    ActorError       the runtime could not get an answer
    ├── MailboxFull      the actor is busy beyond its bound; the message was not taken
    ├── AskTimeout       no answer in time; the message may or may not have been handled
    ├── ActorStopped     the actor ended before it handled the message
    ├── ActorFailed      the actor crashed on the message; ``__cause__`` is the crash
    ├── AskCycle         the ask would have waited for itself
    └── UnknownKind      nothing is registered under this kind

All but ``AskCycle`` and ``UnknownKind`` (mistakes in the program) may succeed on a retry.
"""

from __future__ import annotations

from actors.runtime.address import Address


class Refusal(Exception):
    """Base of an application's domain refusals.

    Raised from ``Actor.receive`` (or given to ``Delivery.fail``) it travels to the asker as it
    is, and the actor goes on: no restart, no dead letter.
    """


class ActorError(Exception):
    """No answer from ``address``."""

    retryable = True

    def __init__(self, address: Address, detail: str = "") -> None:
        super().__init__(f"{address}: {detail}" if detail else str(address))
        self.address = address


class MailboxFull(ActorError):
    """The actor's mailbox is at its bound (or its overflow policy dropped this message)."""


class AskTimeout(ActorError):
    """The deadline passed. The outcome is unknown unless the message is known to be unread."""


class ActorStopped(ActorError):
    """The actor ended, or the system is not running; this message was not handled."""


class ActorFailed(ActorError):
    """The actor crashed, or was cut off, while it handled this message or while it started."""


class AskCycle(ActorError):
    """The asked actor waits, directly or through others, for the one that asks."""

    retryable = False


class UnknownKind(ActorError):
    """No actor kind of this name is registered."""

    retryable = False
