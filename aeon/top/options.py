"""What ``aeon top`` is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Sort(StrEnum):
    """Which actors come first; the words are the API's."""

    BUSIEST = "busiest"
    CURRENT = "current"
    DEPTH = "depth"
    OLDEST = "oldest"
    HANDLED = "handled"
    RESTARTS = "restarts"
    IDLE = "idle"
    ADDRESS = "address"

    def next(self) -> Sort:
        """Give the one that the key ``s`` goes on to."""
        all_sorts = list(Sort)
        return all_sorts[(all_sorts.index(self) + 1) % len(all_sorts)]


class Kind(StrEnum):
    """Actors of which kind; the words are the API's."""

    CHAT = "chat"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Options:
    """One run."""

    url: str
    token: str
    sort: Sort
    kind: Kind | None
    """None: actors of any."""
    interval_seconds: float
    patience_seconds: float
    """How long the node may be away before the run ends."""
    is_json: bool
    is_once: bool
