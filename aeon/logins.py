"""Log-ins seen lately, so that a client that polls does not log in with each poll.

Rules of this file:

- Keys are hashes: neither init data nor tokens stay in memory.
- An entry is trusted for seconds only; what this node itself changes about a person or a
  session is forgotten at once. Expiry of the credentials is checked by the caller each time.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import trio

from storage.ids import UserId
from storage.records import UserRecord

KEPT_SECONDS: Final = 20.0
MAX_ENTRIES: Final = 20_000
MAX_FORGOTTEN: Final = 10_000
"""People whose last forgetting is remembered, for look-ups that are under way."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who presented some credentials, as of the last look at the database."""

    user: UserRecord
    expires_at: float
    """Unix seconds from which the credentials themselves are no good any more."""
    session_id: str | None = None


@dataclass(slots=True)
class _Turn:
    lock: trio.Lock = field(default_factory=trio.Lock)
    users: int = 0


class Logins:
    """A bounded memory of log-ins; the oldest go first."""

    def __init__(
        self,
        *,
        kept_seconds: float = KEPT_SECONDS,
        max_entries: int = MAX_ENTRIES,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._kept_seconds = kept_seconds
        self._max_entries = max_entries
        self._clock = clock
        self._entries: OrderedDict[bytes, tuple[float, Login]] = OrderedDict()
        self._keys: dict[UserId, set[bytes]] = {}
        self._turns: dict[UserId, _Turn] = {}
        self._forgets = self._forgets_dropped = 0
        self._forgotten: OrderedDict[UserId, int] = OrderedDict()

    @staticmethod
    def key(credentials: str) -> bytes:
        """Reduce credentials to what may be kept of them."""
        return hashlib.sha256(credentials.encode("utf-8", "surrogatepass")).digest()

    def get(self, key: bytes) -> Login | None:
        """Give a log-in that is fresh enough to be trusted."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        noted_at, login = entry
        if self._clock() - noted_at > self._kept_seconds:
            self._drop(key)
            return None
        return login

    def moment(self) -> int:
        """Mark the beginning of a look-up, for ``note``."""
        return self._forgets

    def note(self, key: bytes, login: Login, *, since: int | None = None) -> None:
        """Remember a log-in that was just looked up.

        Nothing is remembered if the person was forgotten after ``since``: the look-up may have
        read what was true before.
        """
        if since is not None and since < max(
            self._forgotten.get(login.user.id, 0), self._forgets_dropped
        ):
            return
        self._drop(key)
        if len(self._entries) >= self._max_entries:
            self._drop(next(iter(self._entries)))
        self._entries[key] = self._clock(), login
        self._keys.setdefault(login.user.id, set()).add(key)

    @asynccontextmanager
    async def turn(self, user_id: UserId) -> AsyncIterator[None]:
        """Let one person's log-ins on this node happen one after the other.

        An app's first requests come all at once: the second to get its turn finds the log-in of
        the first noted, with all that it brought (a chat joined by invitation).
        """
        turn = self._turns.setdefault(user_id, _Turn())
        turn.users += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[user_id]

    def forget(self, user_id: UserId) -> None:
        """Drop everything about a person: the next request looks them up."""
        self._forgets += 1
        self._forgotten[user_id] = self._forgets
        self._forgotten.move_to_end(user_id)
        if len(self._forgotten) > MAX_FORGOTTEN:
            _, self._forgets_dropped = self._forgotten.popitem(last=False)
        for key in tuple(self._keys.get(user_id, ())):
            self._drop(key)

    def __len__(self) -> int:
        return len(self._entries)

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            user_id = entry[1].user.id
            keys = self._keys[user_id]
            keys.discard(key)
            if not keys:
                del self._keys[user_id]
