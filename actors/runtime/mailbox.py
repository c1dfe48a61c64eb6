"""The bounded inbox of an actor: two lanes, system before user. Pure and synchronous.

Why not a plain memory channel: it can not put a stop request before a full inbox, drop the
oldest message, tell how long its head has waited, or survive the task that reads it without a
second owner, and it weighs more than the actor's task (README, "The inbox").

The user lane is bounded. The system lane holds what the runtime itself sends (timers, watch
signals, inspection); its senders are bounded one by one: a key, a watched actor, a piped task.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")
S = TypeVar("S")


class OverflowPolicy(Enum):
    """Who suffers when a message meets a full mailbox. An asker always hears ``MailboxFull``."""

    REJECT = "reject"
    """The sender: ``tell`` returns False. For messages somebody has to answer for."""
    DROP_NEWEST = "drop_newest"
    """The new message: ``tell`` returns True, a dead letter tells of the drop."""
    DROP_OLDEST = "drop_oldest"
    """The oldest waiting message. For news that age: typing, presence."""


class Mailbox(Generic[T, S]):
    """User lane of ``T``, system lane of ``S``.

    An empty lane costs nothing: the queues are made with the first message and given back when
    the actor goes to sleep (an empty deque is 760 bytes).
    """

    __slots__ = ("_signals", "_user", "capacity", "overflow", "peak_depth")

    def __init__(self, capacity: int, overflow: OverflowPolicy = OverflowPolicy.REJECT) -> None:
        if capacity < 1:
            raise ValueError("a mailbox holds at least one message")
        self.capacity = capacity
        self.overflow = overflow
        self.peak_depth = 0
        self._user: deque[T] | None = None
        self._signals: deque[S] | None = None

    @property
    def depth(self) -> int:
        """Waiting user messages."""
        return len(self._user) if self._user else 0

    @property
    def is_empty(self) -> bool:
        """Both lanes are."""
        return not self._user and not self._signals

    def offer(self, item: T) -> T | None:
        """Take ``item`` in. Returns the message that found no room, which may be ``item``."""
        user = self._user
        if user is None:
            user = self._user = deque()
        depth = len(user)
        if depth < self.capacity:
            user.append(item)
            if depth >= self.peak_depth:
                self.peak_depth = depth + 1
            return None
        if self.overflow is not OverflowPolicy.DROP_OLDEST:
            return item
        oldest = user.popleft()
        user.append(item)
        return oldest

    def take(self) -> T | None:
        """The oldest user message."""
        return self._user.popleft() if self._user else None

    def take_many(self, limit: int) -> list[T]:
        """Up to ``limit`` user messages, oldest first."""
        user = self._user
        if not user:
            return []
        if len(user) <= limit:
            taken = list(user)
            user.clear()
            return taken
        return [user.popleft() for _ in range(limit)]

    def peek(self) -> T | None:
        """The oldest user message, left where it is."""
        return self._user[0] if self._user else None

    def post(self, signal: S) -> None:
        """Put a signal into the system lane."""
        if self._signals is None:
            self._signals = deque()
        self._signals.append(signal)

    def take_signal(self) -> S | None:
        """The oldest signal."""
        return self._signals.popleft() if self._signals else None

    def take_signals(self) -> list[S]:
        """All signals; the lane is empty afterwards."""
        signals = list(self._signals or ())
        self._signals = None
        return signals

    def withdraw(self, signal: S) -> None:
        """Take ``signal`` out of the system lane if it still waits there."""
        if self._signals and signal in self._signals:
            self._signals.remove(signal)

    def compact(self) -> None:
        """Give the memory of empty lanes back."""
        if not self._user:
            self._user = None
        if not self._signals:
            self._signals = None
