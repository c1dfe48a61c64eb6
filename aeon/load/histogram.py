"""A histogram of latencies with bounded relative error, as HdrHistogram keeps it.

Values are non-negative integers (here microseconds). Up to 255 they are kept exactly; above,
each power of two is divided into 128 buckets, and a bucket is read back as its middle, which is
at most 1/256 (0.4 %) of the value away. Histograms of several processes add up without loss.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final

_BITS: Final = 7
_SUB_BUCKETS: Final = 1 << _BITS
_EXACT_BELOW: Final = _SUB_BUCKETS * 2

MAX_RELATIVE_ERROR: Final = 1 / _EXACT_BELOW


def bucket_of(value: int) -> int:
    """Number the bucket of a value; monotonic in the value."""
    shift = value.bit_length() - _BITS - 1
    if shift <= 0:
        return value
    return (shift << _BITS) + (value >> shift)


def middle_of(bucket: int) -> int:
    """Return the value a bucket stands for."""
    if bucket < _EXACT_BELOW:
        return bucket
    shift = (bucket >> _BITS) - 1
    mantissa = bucket - (shift << _BITS)
    return (mantissa << shift) + (1 << shift >> 1)


class Histogram:
    """Counts of values; smallest, largest and the sum are kept exactly."""

    __slots__ = ("_counts", "count", "largest", "smallest", "total")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = 0
        self.total = 0
        self.smallest = 0
        self.largest = 0

    def record(self, value: int, times: int = 1) -> None:
        """Count a value; a negative one (clocks of two cores) counts as 0."""
        if value < 0:
            value = 0
        bucket = bucket_of(value)
        self._counts[bucket] = self._counts.get(bucket, 0) + times
        if self.count == 0:
            self.smallest = self.largest = value
        elif value > self.largest:
            self.largest = value
        elif value < self.smallest:
            self.smallest = value
        self.count += times
        self.total += value * times

    def merge(self, other: Histogram) -> None:
        """Add what another histogram counted."""
        if not other.count:
            return
        for bucket, times in other._counts.items():
            self._counts[bucket] = self._counts.get(bucket, 0) + times
        if self.count:
            self.smallest = min(self.smallest, other.smallest)
            self.largest = max(self.largest, other.largest)
        else:
            self.smallest, self.largest = other.smallest, other.largest
        self.count += other.count
        self.total += other.total

    @property
    def mean(self) -> float:
        """The exact mean, 0 when nothing was recorded."""
        return self.total / self.count if self.count else 0.0

    def percentile(self, percent: float) -> int:
        """Return the value that ``percent`` of the values do not exceed; 0 when empty.

        Off by at most ``MAX_RELATIVE_ERROR`` of the true value; 0 and 100 are exact.
        """
        if not self.count:
            return 0
        if percent >= 100:
            return self.largest
        rank = max(1, math.ceil(percent * self.count / 100))
        seen = 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            if seen >= rank:
                return min(max(middle_of(bucket), self.smallest), self.largest)
        return self.largest

    def steps(self) -> Iterator[tuple[int, float]]:
        """Yield (value, percent of all values up to it), rising."""
        seen = 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            value = min(max(middle_of(bucket), self.smallest), self.largest)
            yield value, 100 * seen / self.count

    def to_json(self) -> dict[str, object]:
        """Return a form that JSON carries and ``from_json`` takes back."""
        return {
            "total": self.total,
            "smallest": self.smallest,
            "largest": self.largest,
            "counts": sorted(self._counts.items()),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Histogram:
        """Read back what ``to_json`` gave."""
        histogram = cls()
        counts = data["counts"]
        assert isinstance(counts, (list, tuple))
        histogram._counts = {int(bucket): int(times) for bucket, times in counts}
        histogram.count = sum(histogram._counts.values())
        for name in ("total", "smallest", "largest"):
            value = data[name]
            assert isinstance(value, int)
            setattr(histogram, name, value)
        return histogram
