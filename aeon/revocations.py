"""Revoked sessions and changed people: forgotten and hung up at once, on every node.

Rules of this file:

- What a node changes about a person it forgets itself and tells the others; so a revoked token
  is refused everywhere as fast as the bus carries the news.
- The news may be lost, and a connection may be made in the very moment of its revocation. So
  every node looks now and then, and whenever the bus comes back, whether the tokens that its
  connections were made with still stand: one query for all of them.
- A cached log-in is trusted for ``logins.KEPT_SECONDS`` at most, whatever is lost.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import orjson
import structlog
import trio

from actors.delivery.fanout import Fanout
from actors.delivery.session import CloseReason
from aeon.logins import Logins
from storage import sessions
from storage.bus import Bus
from storage.database import Database
from storage.errors import StorageError
from storage.ids import UserId

TOPIC: Final = "login.changed"
LOOK_SECONDS: Final = 20.0
SESSIONS_TOGETHER: Final = 5_000

_USER: Final = struct.Struct(">q")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RevocationStatistics:
    """Counts since the start."""

    told: int
    heard: int
    hung_up: int
    """Connections closed because their token was revoked."""
    found: int
    """Of these, the ones that no news had told of."""


class Revocations:
    """One per node; without other nodes it tells nobody."""

    def __init__(self, logins: Logins, fanout: Fanout, database: Database, bus: Bus | None) -> None:
        self._logins = logins
        self._fanout = fanout
        self._database = database
        self._bus = bus
        self._hurry = trio.Event()
        self._told = self._heard = self._hung_up = self._found = 0
        if bus is not None:
            bus.on(TOPIC, self._hear)
            bus.on_connect(self._look_soon)

    def person_changed(self, user_id: UserId) -> None:
        """What is cached about a person's log-ins is no good any more, here and elsewhere."""
        self.revoked(user_id, ())

    def revoked(self, user_id: UserId, session_ids: Collection[str]) -> None:
        """Forget a person's log-ins, and close the connections made with these sessions."""
        self._apply(user_id, session_ids)
        if self._bus is not None:
            body = _USER.pack(user_id) + orjson.dumps(list(session_ids))
            self._told += self._bus.publish(TOPIC, body)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look now and then, until cancelled."""
        task_status.started()
        while True:
            with trio.move_on_after(LOOK_SECONDS):
                await self._hurry.wait()
            self._hurry = trio.Event()
            try:
                await self.look()
            except StorageError as error:
                _log.warning("revocations_not_read", error=type(error).__name__)

    async def look(self) -> None:
        """Close the connections whose session was revoked.

        Raises:
            StorageError: the database is away.
        """
        credentials = {
            session.credential_id
            for session in self._fanout.all_sessions()
            if session.credential_id is not None
        }
        known = sorted(credentials)
        for start in range(0, len(known), SESSIONS_TOGETHER):
            async with self._database.connection() as conn:
                revoked = await sessions.revoked_among(
                    conn, known[start : start + SESSIONS_TOGETHER]
                )
            for session in self._fanout.all_sessions() if revoked else ():
                if session.credential_id in revoked:
                    self._found += 1
                    self._hung_up += 1
                    self._logins.forget(session.user_id)
                    session.end(CloseReason.REVOKED)

    def statistics(self) -> RevocationStatistics:
        """Count what was told, heard and done."""
        return RevocationStatistics(
            told=self._told, heard=self._heard, hung_up=self._hung_up, found=self._found
        )

    async def _look_soon(self) -> None:
        self._hurry.set()
        await trio.lowlevel.checkpoint()

    def _hear(self, _sender: str, body: bytes) -> None:
        try:
            (user_id,) = _USER.unpack_from(body)
            session_ids = orjson.loads(body[_USER.size :])
        except (struct.error, orjson.JSONDecodeError):
            return
        if isinstance(session_ids, list):
            self._heard += 1
            self._apply(UserId(user_id), session_ids)

    def _apply(self, user_id: UserId, session_ids: Collection[object]) -> None:
        self._logins.forget(user_id)
        for session in self._fanout.sessions_of(user_id):
            if session.credential_id is not None and session.credential_id in session_ids:
                self._hung_up += 1
                session.end(CloseReason.REVOKED)
