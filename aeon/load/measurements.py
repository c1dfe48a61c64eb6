"""What a client process counts and times, by the second of the run.

Counts and latencies are kept per second, so that the report can show how they went over time;
the totals are the sums. ``merge`` adds up several processes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from aeon.load.histogram import Histogram

NS_PER_SECOND = 1_000_000_000


class Measurements:
    """Counters and latency histograms of one process, or of all."""

    def __init__(self, started_ns: int = 0) -> None:
        self.started_ns = started_ns
        """The moment of the run's second 0, on the machine's monotonic clock."""
        self._counts: dict[str, Counter[int]] = {}
        self._latencies: dict[str, dict[int, Histogram]] = {}

    def count(self, name: str, now_ns: int, times: int = 1) -> None:
        """Count something that happened now."""
        second = (now_ns - self.started_ns) // NS_PER_SECOND
        by_second = self._counts.get(name)
        if by_second is None:
            by_second = self._counts[name] = Counter()
        by_second[second] += times

    def time(self, name: str, since_ns: int, now_ns: int) -> None:
        """Record how long something took that is over now."""
        second = (now_ns - self.started_ns) // NS_PER_SECOND
        by_second = self._latencies.setdefault(name, {})
        histogram = by_second.get(second)
        if histogram is None:
            histogram = by_second[second] = Histogram()
        histogram.record((now_ns - since_ns) // 1000)

    def merge(self, other: Measurements) -> None:
        """Add another process's; seconds are taken as they are."""
        for name, counts in other._counts.items():
            self._counts.setdefault(name, Counter()).update(counts)
        for name, by_second in other._latencies.items():
            mine = self._latencies.setdefault(name, {})
            for second, histogram in by_second.items():
                mine.setdefault(second, Histogram()).merge(histogram)

    def total(self, name: str) -> int:
        """Return how often it was counted."""
        return sum(self._counts.get(name, Counter()).values())

    def totals(self, prefix: str = "") -> dict[str, int]:
        """Return every counter whose name starts so, without the prefix."""
        return {
            name.removeprefix(prefix): sum(counts.values())
            for name, counts in sorted(self._counts.items())
            if name.startswith(prefix)
        }

    def latency_names(self) -> list[str]:
        """Return what was timed, by name."""
        return sorted(self._latencies)

    def latency(self, name: str) -> Histogram:
        """Return all of one kind of latency, in microseconds."""
        whole = Histogram()
        for histogram in self._latencies.get(name, {}).values():
            whole.merge(histogram)
        return whole

    def counts_by_second(self, name: str) -> dict[int, int]:
        """Return one counter by second, seconds rising; seconds without any are left out."""
        return dict(sorted(self._counts.get(name, Counter()).items()))

    def latency_by_second(self, name: str) -> dict[int, Histogram]:
        """Return one kind of latency by second, seconds rising."""
        return dict(sorted(self._latencies.get(name, {}).items()))

    def to_json(self) -> dict[str, Any]:
        """Return a form that JSON carries and ``from_json`` takes back."""
        return {
            "counts": {name: sorted(counts.items()) for name, counts in self._counts.items()},
            "latencies": {
                name: [[second, histogram.to_json()] for second, histogram in by_second.items()]
                for name, by_second in self._latencies.items()
            },
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measurements:
        """Read back what ``to_json`` gave."""
        measurements = cls()
        for name, counts in data["counts"].items():
            measurements._counts[name] = Counter(dict(counts))
        for name, by_second in data["latencies"].items():
            measurements._latencies[name] = {
                second: Histogram.from_json(histogram) for second, histogram in by_second
            }
        return measurements
