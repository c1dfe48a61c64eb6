"""When to restart a crashed actor, and after how long. Pure: no clock, no scheduler.

More than ``intensity`` failures within ``period_seconds`` end the patience. Each failure waits
longer than the one before it; a quiet stretch of ``reset_after_seconds`` forgets them all.
Transient failures (the database is away) wait as well, but do not count: ten thousand actors
must not give up because of one outage they share.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """How patient to be with a crashing actor."""

    intensity: int = 3
    """Failures within the period that are forgiven; 0: stop at the first."""
    period_seconds: float = 5.0
    min_backoff_seconds: float = 0.05
    max_backoff_seconds: float = 5.0
    jitter: float = 0.2
    """Each wait is lengthened by up to this share of itself, so that a crowd spreads out."""
    reset_after_seconds: float = 30.0

    def __post_init__(self) -> None:
        if self.intensity < 0 or self.period_seconds <= 0:
            raise ValueError("intensity must not be negative, the period must be positive")
        if not 0 <= self.min_backoff_seconds <= self.max_backoff_seconds:
            raise ValueError("backoff must satisfy 0 <= min <= max")

    def backoff_seconds(self, attempt: int, random: float) -> float:
        """The wait before restart number ``attempt`` (from 1); ``random`` is in [0, 1)."""
        # The exponent is bounded: 2.0 ** 1024 overflows.
        doubled = self.min_backoff_seconds * 2.0 ** min(attempt - 1, 60)
        wait = min(self.max_backoff_seconds, doubled)
        return wait * (1.0 + self.jitter * random)


class RestartWindow:
    """The recent failures of one actor under a policy."""

    __slots__ = ("_attempt", "_counted", "_last", "_policy")

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._counted: list[float] = []
        self._attempt = 0
        self._last = float("-inf")

    def failed(self, now: float, *, transient: bool, random: float) -> float | None:
        """Note a failure at ``now``; seconds to wait before the restart, None to give up."""
        policy = self._policy
        if now - self._last >= policy.reset_after_seconds:
            self._attempt = 0
        self._last = now
        self._attempt += 1
        if not transient:
            edge = now - policy.period_seconds
            self._counted = [at for at in self._counted if at > edge]
            self._counted.append(now)
            if len(self._counted) > policy.intensity:
                return None
        return policy.backoff_seconds(self._attempt, random)
