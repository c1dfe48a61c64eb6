"""How values are distributed: counts by upper bound, cheap enough for every commit.

A part owns its distributions and hands out snapshots; what becomes of them (a histogram for
Prometheus, a row on a page) is others' business.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DistributionSnapshot:
    """Counts since the start."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    """Values up to each bound and above the one before it; the last: above all bounds."""
    total: float
    """Sum of all values."""

    @property
    def number(self) -> int:
        """How many values."""
        return sum(self.counts)


class Distribution:
    """Counts values by fixed upper bounds. Observing is atomic and allocates nothing."""

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """Begin empty; ``bounds`` ascend."""
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def snapshot(self) -> DistributionSnapshot:
        """Give the counts as they are now."""
        return DistributionSnapshot(self._bounds, tuple(self._counts), self._total)
