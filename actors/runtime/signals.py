"""What an actor is told by the runtime, not by another actor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from actors.runtime.address import Address


class StopReason(Enum):
    """Why an actor, or one incarnation of it, ended."""

    IDLE = "idle"
    """Passivated: nothing to do for a while, or at its own wish. Comes back when needed."""
    REQUESTED = "requested"
    """Somebody called ``ActorRef.stop``."""
    SHUTDOWN = "shutdown"
    """The system drains."""
    FAILED = "failed"
    """It crashed more often than its restart policy allows."""
    ABSENT = "absent"
    """It was not running when the watch began."""


@dataclass(frozen=True, slots=True)
class Terminated:
    """A watched actor is gone for good (restarts are not told)."""

    address: Address
    reason: StopReason
