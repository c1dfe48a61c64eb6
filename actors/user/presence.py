"""Presence: who came and who went, told to those who share a chat with them.

Rules of this file:

- Batch by being busy, like the writer: while one look-up runs, changes gather; the next takes
  all of them in one query, so a storm of connects costs a few queries and not one each.
- Only the latest state of a person counts; changes that cancel out are never sent.
- Presence is transient: when PostgreSQL is away, it is dropped and counted, never queued up.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import structlog
import trio

from actors.chat.ports import EventEncoder
from actors.delivery.fanout import Fanout
from actors.delivery.frame import Frame
from storage import users
from storage.database import Database
from storage.errors import StorageError
from storage.ids import UserId

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PresenceStatistics:
    """Counts since the start."""

    waiting: int
    announced: int
    lost: int


class Presence:
    """Announces changes to the connected people who share a chat with the one who changed."""

    def __init__(
        self,
        database: Database,
        fanout: Fanout,
        encoder: EventEncoder,
        *,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._fanout = fanout
        self._encoder = encoder
        self._unix_time = unix_time
        self._changed: dict[UserId, bool] = {}
        self._wake = trio.Event()
        self._announced = 0
        self._lost = 0

    def announce(self, user_id: UserId, *, is_online: bool) -> None:
        """Note a change; bounded by the number of people, since the latest one replaces."""
        self._changed[user_id] = is_online
        self._wake.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Announce until cancelled."""
        task_status.started()
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            changed, self._changed = self._changed, {}
            try:
                await self._tell(changed)
            except StorageError as error:
                self._lost += len(changed)
                _log.warning("presence_lost", people=len(changed), error=type(error).__name__)

    def statistics(self) -> PresenceStatistics:
        """Count what was announced and what was lost."""
        return PresenceStatistics(
            waiting=len(self._changed), announced=self._announced, lost=self._lost
        )

    async def _tell(self, changed: dict[UserId, bool]) -> None:
        now = self._unix_time()
        async with self._database.connection() as conn:
            gone = [user_id for user_id, is_online in changed.items() if not is_online]
            if gone:
                await users.touch_last_seen(conn, gone)
            peers = await users.peers_among(
                conn, list(changed), list(self._fanout.connected_users())
            )
        audience: defaultdict[UserId, set[UserId]] = defaultdict(set)
        for user_id, peer_id in peers:
            audience[user_id].add(peer_id)
        for user_id, is_online in changed.items():
            payload = self._encoder.user_status(user_id, is_online=is_online, last_seen_at=now)
            await self._fanout.deliver(audience[user_id], [Frame(payload)], without=user_id)
            self._announced += 1
