"""Messages that no actor handled: counted for ever, the last ones remembered.

A dead letter never holds the message itself, only its type's name: letters are read by
operators, and messages are private.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from enum import Enum

from actors.runtime import log
from actors.runtime.address import Address


class DeadLetterReason(Enum):
    """Why nobody handled it."""

    FULL = "full"
    """The mailbox was at its bound."""
    STOPPED = "stopped"
    """The actor, or the system, was stopping or not there."""
    FAILED = "failed"
    """The actor crashed on it."""
    EXPIRED = "expired"
    """Its asker's deadline passed while it waited."""
    CANCELLED = "cancelled"
    """Its handler was cut off: by an operator, or at the end of the shutdown budget."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that was not handled."""

    address: Address
    message_type: str
    reason: DeadLetterReason
    at: float
    """Trio's clock."""


class DeadLetters:
    """A bounded ring of the last dead letters and counters of all of them."""

    def __init__(self, capacity: int = 256) -> None:
        self._ring: deque[DeadLetter] = deque(maxlen=capacity)
        self._counts: Counter[tuple[str, DeadLetterReason]] = Counter()

    def add(self, address: Address, message: object, reason: DeadLetterReason, at: float) -> None:
        """Note one. Atomic."""
        self._ring.append(DeadLetter(address, type(message).__name__, reason, at))
        self._counts[address.kind, reason] += 1
        log.dead_letters(address.kind, reason.value, self._counts[address.kind, reason])

    @property
    def total(self) -> int:
        """How many there ever were."""
        return self._counts.total()

    def counts(self) -> dict[tuple[str, DeadLetterReason], int]:
        """How many by kind and reason."""
        return dict(self._counts)

    def count(self, reason: DeadLetterReason) -> int:
        """How many of one reason, over all kinds."""
        return sum(n for (_, r), n in self._counts.items() if r is reason)

    def recent(self) -> tuple[DeadLetter, ...]:
        """The last ones, oldest first."""
        return tuple(self._ring)
