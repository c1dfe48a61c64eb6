"""How long to wait before a worker is started again, and when that has happened too often."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Restart intensity: at most ``max_restarts`` within ``window_seconds``."""

    first_seconds: float = 0.1
    longest_seconds: float = 10.0
    max_restarts: int = 5
    window_seconds: float = 60.0


class Restarts:
    """The recent restarts of one worker."""

    def __init__(self, policy: RestartPolicy, chance: Callable[[], float] = random.random) -> None:
        """``chance`` gives numbers from 0 to 1."""
        self._policy = policy
        self._chance = chance
        self._times: deque[float] = deque()

    def note(self, now: float) -> float:
        """Note a death at this time, in seconds; gives the seconds to wait before the restart.

        They double with each death in the window, and vary by half so that workers that died
        together don't come back together.
        """
        self._times.append(now)
        self._forget(now)
        policy = self._policy
        longest = min(policy.longest_seconds, policy.first_seconds * 2.0 ** (len(self._times) - 1))
        return longest * (0.5 + 0.5 * self._chance())

    def are_too_many(self, now: float) -> bool:
        """Say whether the intensity is exceeded."""
        self._forget(now)
        return len(self._times) > self._policy.max_restarts

    def _forget(self, now: float) -> None:
        while self._times and self._times[0] <= now - self._policy.window_seconds:
            self._times.popleft()
