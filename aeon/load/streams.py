"""What one person's client received of one chat, kept in constant space while all goes well.

A stream goes on over reconnects: the promise is that live events and replays together give
every ``seq`` after the baseline once, rising by one. So it is enough to keep the newest ``seq``
and the exceptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Stream:
    """The arrivals of one chat at one client."""

    baseline: int
    """Events up to this ``seq`` were there before; none of them is awaited."""
    newest: int = -1
    missing: set[int] = field(default_factory=set)
    """Leapt over, and not arrived since."""
    doubled: int = 0
    misordered: int = 0
    first_double: int | None = None
    first_misorder: int | None = None

    def __post_init__(self) -> None:
        if self.newest < 0:
            self.newest = self.baseline

    def note(self, seq: int) -> bool:
        """Take an arrival; false if it is a repeat."""
        newest = self.newest
        if seq == newest + 1:
            self.newest = seq
            return True
        return self._note_exception(seq)

    def _note_exception(self, seq: int) -> bool:
        if seq > self.newest:
            self.missing.update(range(self.newest + 1, seq))
            self.newest = seq
            return True
        if seq in self.missing:
            self.missing.discard(seq)
            self.misordered += 1
            if self.first_misorder is None:
                self.first_misorder = seq
            return True
        self.doubled += 1
        if self.first_double is None:
            self.first_double = seq
        return False

    def jump(self, seq: int) -> None:
        """Start afresh after ``seq``: the server said to reload the chat instead."""
        self.missing = {missed for missed in self.missing if missed > seq}
        self.newest = max(self.newest, seq)

    def lost(self, last: int) -> list[int]:
        """Return what should have arrived up to ``last``, and did not."""
        return sorted(seq for seq in self.missing if seq <= last) + list(
            range(self.newest + 1, last + 1)
        )

    def to_json(self) -> dict[str, Any]:
        """Return a form that JSON carries and ``from_json`` takes back."""
        return {
            "baseline": self.baseline,
            "newest": self.newest,
            "missing": sorted(self.missing),
            "doubled": self.doubled,
            "misordered": self.misordered,
            "first_double": self.first_double,
            "first_misorder": self.first_misorder,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Stream:
        """Read back what ``to_json`` gave."""
        return cls(**{**data, "missing": set(data["missing"])})
