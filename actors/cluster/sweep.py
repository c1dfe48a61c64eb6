"""The sweep: finds what the other nodes did not tell, or told in vain.

Rules of this file:

- It compares positions with the database in a few queries, whatever the number of events. What
  it finds is read from the log by the chat's own actor.
- It runs slowly while news arrives by itself, quickly while it does not, and at once after the
  bus came back.
- What is on its way anyway is left alone: only chats that are still behind a moment later are
  caught up.
- Who joined lately is told by PostgreSQL's clock alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog
import trio

from actors.cluster.audience import Audience
from storage.errors import StorageError
from storage.ids import ChatId, Seq, UserId
from storage.positions import Joined

CHATS_TOGETHER: Final = 5_000
USERS_TOGETHER: Final = 2_000
"""Rows one query is asked about."""
JOIN_OVERLAP: Final = timedelta(seconds=60)
"""Longer than any transaction of the writer may take."""

_log = structlog.get_logger(__name__)


class Record(Protocol):
    """What the sweep asks of the database. Each may raise ``storage.errors.StorageError``."""

    async def now(self) -> datetime:
        """PostgreSQL's clock."""
        ...

    async def newer(self, known: Sequence[tuple[ChatId, Seq]]) -> list[tuple[ChatId, Seq]]:
        """Name the chats that are further than known, and how far."""
        ...

    async def joined(self, user_ids: Collection[UserId], since: datetime) -> list[Joined]:
        """Name the chats these people came into after ``since``, or somewhat earlier."""
        ...


@dataclass(frozen=True, slots=True)
class SweepTimes:
    """How often, in seconds."""

    connected: float = 5.0
    away: float = 1.0
    settling: float = 0.25
    """How long news may be on its way before it counts as missing."""


@dataclass(frozen=True, slots=True)
class SweepStatistics:
    """Counts since the start."""

    sweeps: int
    failed: int
    """Broken off because the database was away."""
    caught_up: int
    """Chats that were behind."""
    found_joins: int
    """People found in chats this node had not been told of."""


class Sweep:
    """Looks for missing events until cancelled."""

    def __init__(
        self,
        audience: Audience,
        record: Record,
        *,
        catch_up: Callable[[ChatId, Seq], None],
        is_told: Callable[[], bool],
        times: SweepTimes | None = None,
    ) -> None:
        self._audience = audience
        self._record = record
        self._catch_up = catch_up
        self._is_told = is_told
        self._times = times or SweepTimes()
        self._hurry = trio.Event()
        self._since: datetime | None = None
        self._sweeps = self._failed = self._caught_up = self._found_joins = 0

    async def hurry(self) -> None:
        """Sweep now: the bus is back, and what it carried meanwhile is lost."""
        self._hurry.set()
        await trio.lowlevel.checkpoint()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Sweep until cancelled."""
        task_status.started()
        while True:
            await self._pause()
            try:
                await self.look()
            except StorageError as error:
                # Nobody writes while it is away; the next sweep starts where this one did.
                self._failed += 1
                _log.warning("sweep_failed", error=type(error).__name__)

    async def look(self) -> None:
        """Sweep once.

        Raises:
            StorageError: the database is away; what was found before that counts.
        """
        now = await self._record.now()
        since = self._since or now
        await self._find_joins(since)
        behind = await self._behind()
        if behind:
            await trio.sleep(self._times.settling)
        for chat_id, seq in behind:
            position = self._audience.position(chat_id)
            if position is not None and position < seq:
                self._caught_up += 1
                self._catch_up(chat_id, seq)
        # Only now: a sweep that broke off looks from the same moment again.
        self._since = now
        self._sweeps += 1

    def statistics(self) -> SweepStatistics:
        """Count what it found."""
        return SweepStatistics(
            sweeps=self._sweeps,
            failed=self._failed,
            caught_up=self._caught_up,
            found_joins=self._found_joins,
        )

    async def _pause(self) -> None:
        """Wait for the next round; losing the bus shortens the wait within a second."""
        waited = 0.0
        while not self._hurry.is_set():
            is_well = self._is_told() and not self._audience.has_lost_track
            patience = self._times.connected if is_well else self._times.away
            if waited >= patience:
                return
            step = min(self._times.away, patience - waited)
            with trio.move_on_after(step):
                await self._hurry.wait()
            waited += step
        self._hurry = trio.Event()

    async def _find_joins(self, since: datetime) -> None:
        users = self._audience.users()
        for start in range(0, len(users), USERS_TOGETHER):
            for joined in await self._record.joined(users[start : start + USERS_TOGETHER], since):
                if not self._audience.follows(joined.user_id, joined.chat_id):
                    self._found_joins += 1
                    before = Seq(joined.seq - 1)
                    self._audience.welcome(joined.chat_id, before, [joined.user_id])

    async def _behind(self) -> list[tuple[ChatId, Seq]]:
        known = list(self._audience.positions())
        behind: list[tuple[ChatId, Seq]] = []
        for start in range(0, len(known), CHATS_TOGETHER):
            behind += await self._record.newer(known[start : start + CHATS_TOGETHER])
        return behind
