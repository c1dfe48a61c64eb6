"""How the actors of one kind are run."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from actors.runtime.mailbox import OverflowPolicy
from actors.runtime.restart import RestartPolicy


class Directive(Enum):
    """What follows when a child has used up its restart policy."""

    STOP = "stop"
    """It ends, its mailbox is answered, its neighbours do not notice. The next use is a fresh
    start."""
    ESCALATE = "escalate"
    """The whole system shuts down in order, and its ``async with`` raises ``Escalated``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Props:
    """Bounds and policies of a kind."""

    capacity: int = 1000
    """Messages that may wait in one actor's mailbox."""
    overflow: OverflowPolicy = OverflowPolicy.REJECT
    max_batch: int = 64
    """Messages handled before other tasks get their turn, or given to one
    ``receive_batch``."""
    max_batch_seconds: float = 0.005
    """The same bound in time. One message is always handled to its end."""
    idle_after_seconds: float = 120.0
    """Idle actors are passivated after this long; infinite: never."""
    max_active: int | None = None
    """Above this many running actors the least recently used idle ones are passivated. A
    soft bound: a busy actor is never stopped."""
    max_concurrent_starts: int = 50
    """How many ``on_start`` of this kind may run at once; the others wait their turn."""
    restart: RestartPolicy = field(default_factory=RestartPolicy)
    transient: tuple[type[Exception], ...] = ()
    """Failures of the surroundings: they delay a restart, but don't use up its intensity. So do,
    unlisted, asks that fail because another actor is slow, full or gone."""
    exhausted: Directive = Directive.STOP
    """What happens when the restart policy gives up."""
    shutdown_seconds: float = 5.0
    """How long a shutdown waits for the kind's actors before it goes on to the next child."""
    flight_records: int = 1000
    """How many handled messages the kind's flight recorder remembers."""

    def __post_init__(self) -> None:
        if self.capacity < 1 or self.max_batch < 1 or self.max_concurrent_starts < 1:
            raise ValueError("capacity, max_batch and max_concurrent_starts start at 1")
