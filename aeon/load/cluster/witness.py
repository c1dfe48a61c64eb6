"""A witness at each node: whatever is told there must stand in PostgreSQL at that moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson
import trio
import trio_websocket

from aeon.load.plan import PersonPlan
from storage import event_log
from storage.database import Database
from storage.errors import StorageError
from storage.ids import ChatId, Seq

WATCHED_CHATS: Final = 3
"""Chats that a witness is a member of."""
_AGAIN_SECONDS: Final = 0.3
_ANSWER_SECONDS: Final = 10.0


@dataclass(slots=True)
class Testimony:
    """What all witnesses found."""

    checked: int = 0
    """Events that were looked for in PostgreSQL when they arrived."""
    unchecked: int = 0
    """Events that arrived while PostgreSQL did not answer."""
    before_commit: int = 0
    """Events that arrived and were not there."""
    reconnects: int = 0


class Witness:
    """A member of some chats, connected to one node, who looks everything up at once."""

    def __init__(
        self, person: PersonPlan, url: str, database: Database, testimony: Testimony
    ) -> None:
        self._person = person
        self._url = f"{url.replace('http', 'ws', 1)}/ws?resume=1"
        self._database = database
        self._testimony = testimony
        self._cursors: dict[str, int] = {}

    async def run(self) -> None:
        """Watch until cancelled; comes back whenever the node does."""
        while True:
            try:
                await self._watch()
            except* (
                trio_websocket.ConnectionClosed,
                trio_websocket.HandshakeError,
                trio_websocket.ConnectionTimeout,
                trio.TooSlowError,
                OSError,
            ):
                self._testimony.reconnects += 1
            await trio.sleep(_AGAIN_SECONDS)

    async def _watch(self) -> None:
        async with trio_websocket.open_websocket_url(
            self._url, connect_timeout=_ANSWER_SECONDS, disconnect_timeout=1.0
        ) as socket:
            auth = {"type": "auth", "init_data": self._person.init_data}
            await socket.send_message(orjson.dumps(auth).decode())
            resume = {"type": "resume", "id": "r", "cursors": self._cursors}
            await socket.send_message(orjson.dumps(resume).decode())
            with trio.fail_after(_ANSWER_SECONDS):
                await self._take(orjson.loads(await socket.get_message()))
            while True:
                await self._take(orjson.loads(await socket.get_message()))

    async def _take(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "ack" or "seq" not in frame:
            return
        chat_id, seq = frame["chat_id"], frame["seq"]
        try:
            async with self._database.connection() as conn:
                page = await event_log.read_events(conn, ChatId(chat_id), Seq(seq - 1), 1)
        except StorageError:
            self._testimony.unchecked += 1
        else:
            self._testimony.checked += 1
            if not page.events or page.events[0].seq != seq:
                self._testimony.before_commit += 1
        self._cursors[str(chat_id)] = max(self._cursors.get(str(chat_id), 0), seq)
