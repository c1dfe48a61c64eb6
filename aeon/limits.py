"""Token buckets: how much of each kind of request a person may make.

Generous on purpose: the Mini App polls 14.5 times a minute for each open window, and a send
that is refused loses its text there. The buckets stop scripts, not people.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import trio


class Kind(StrEnum):
    """Kinds of requests; each person has a bucket for each."""

    READ = "read"
    SEND = "send"
    CHANGE = "change"
    """Edits, deletions, read marks, members and chats."""
    TYPING = "typing"
    LOGIN = "login"
    """Access tokens made."""
    CONNECT = "connect"
    """WebSockets opened by one person."""
    KNOCK = "knock"
    """WebSockets opened from one network address (of IPv6: one /64), whoever it is. Behind a proxy
    all share one, so this bucket is large: it stops floods, not crowds."""
    OPERATE = "operate"
    """Requests for operators from one network address, theirs or a guesser's."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A bucket's size, and how fast it fills."""

    burst: int
    per_second: float


RATES: Final[Mapping[Kind, Rate]] = MappingProxyType(
    {
        Kind.READ: Rate(burst=300, per_second=30.0),
        Kind.SEND: Rate(burst=60, per_second=10.0),
        Kind.CHANGE: Rate(burst=120, per_second=10.0),
        Kind.TYPING: Rate(burst=20, per_second=5.0),
        Kind.LOGIN: Rate(burst=30, per_second=0.5),
        Kind.CONNECT: Rate(burst=40, per_second=1.0),
        Kind.KNOCK: Rate(burst=2_000, per_second=200.0),
        Kind.OPERATE: Rate(burst=120, per_second=20.0),
    }
)


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class Limiter:
    """All buckets of a node, the least recently used dropped first. Never waits."""

    def __init__(
        self,
        rates: Mapping[Kind, Rate] = RATES,
        *,
        max_buckets: int = 100_000,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._rates = rates
        self._max_buckets = max_buckets
        self._clock = clock
        self._buckets: OrderedDict[tuple[Kind, int | str], _Bucket] = OrderedDict()
        self._refused = 0

    def take(self, kind: Kind, who: int | str) -> float:
        """Take one token.

        Returns:
            0.0, or the seconds until there is one.
        """
        rate, now, key = self._rates[kind], self._clock(), (kind, who)
        bucket = self._buckets.get(key)
        if bucket is None:
            # A dropped bucket comes back full: memory is bounded in the person's favour.
            if len(self._buckets) >= self._max_buckets:
                self._buckets.popitem(last=False)
            bucket = self._buckets[key] = _Bucket(float(rate.burst), now)
        else:
            self._buckets.move_to_end(key)
            gained = (now - bucket.filled_at) * rate.per_second
            bucket.tokens = min(float(rate.burst), bucket.tokens + gained)
            bucket.filled_at = now
        if bucket.tokens >= 1.0:
            bucket.tokens -= 1.0
            return 0.0
        self._refused += 1
        return (1.0 - bucket.tokens) / rate.per_second

    def statistics(self) -> Mapping[str, int]:
        """Buckets held and requests refused since the start."""
        return {"buckets": len(self._buckets), "refused": self._refused}
