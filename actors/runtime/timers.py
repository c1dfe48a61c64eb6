"""Timers of all actors: one queue, one task.

A timer is identified by the object itself: an actor that sets its key again, cancels it, or
starts a new incarnation drops the object, and whatever fires later finds itself unknown.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable
from itertools import count

import trio


class Timer:
    """One wish to be told ``message`` at ``when`` (Trio's clock)."""

    __slots__ = ("fire", "is_live", "key", "message", "when")

    def __init__(
        self, when: float, key: Hashable, message: object, fire: Callable[[Timer], None]
    ) -> None:
        self.when = when
        self.key = key
        self.message = message
        self.fire = fire
        self.is_live = True

    def forget(self) -> None:
        """Let go of the actor and the message: the queue may hold a dead timer for long."""
        self.is_live = False
        self.message, self.fire = None, _nobody


def _nobody(_: Timer) -> None:
    """Who hears of a timer that was cancelled."""


class TimerQueue:
    """Timers by due time. Pure.

    Cancelled timers stay until they are due or outnumber the live ones.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._dead = 0

    def __len__(self) -> int:
        return len(self._heap) - self._dead

    def add(self, timer: Timer) -> None:
        """Queue it; equal times fire in the order they were set."""
        heapq.heappush(self._heap, (timer.when, next(self._order), timer))

    def cancel(self, timer: Timer) -> None:
        """Let it never fire. Idempotent."""
        if not timer.is_live:
            return
        timer.forget()
        self._dead += 1
        if self._dead > 64 and self._dead * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].is_live]
            heapq.heapify(self._heap)
            self._dead = 0

    def next_due(self) -> float:
        """When the next one is due; infinite if there is none. May be a cancelled one's."""
        return self._heap[0][0] if self._heap else float("inf")

    def take_due(self, now: float) -> list[Timer]:
        """Remove and return what is due, oldest first."""
        due = []
        while self._heap and self._heap[0][0] <= now:
            timer = heapq.heappop(self._heap)[2]
            if timer.is_live:
                timer.is_live = False
                due.append(timer)
            else:
                self._dead -= 1
        return due


class TimerService:
    """The queue and the task that sleeps on its head."""

    def __init__(self) -> None:
        self._queue = TimerQueue()
        self._sleep = trio.CancelScope()

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, timer: Timer) -> None:
        """Start the timer. Atomic."""
        self._queue.add(timer)
        self._sleep.deadline = min(self._sleep.deadline, timer.when)

    def cancel(self, timer: Timer) -> None:
        """Stop the timer. Atomic, idempotent."""
        self._queue.cancel(timer)

    async def run(self) -> None:
        """Fire what is due until cancelled."""
        while True:
            with trio.CancelScope(deadline=self._queue.next_due()) as self._sleep:
                await trio.sleep_forever()
            for timer in self._queue.take_due(trio.current_time()):
                timer.fire(timer)
