"""A server of one chat that keeps the realtime protocol, except where it is told not to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
import trio
import trio_websocket

CHAT_ID = 12
Json = dict[str, Any]


@dataclass
class FaultyServer:
    """Its faults hit the first ``victim`` that connected."""

    lose: frozenset[int] = frozenset()
    """Events that never reach the victim."""
    double: frozenset[int] = frozenset()
    swap: frozenset[int] = frozenset()
    """Events that reach the victim after the next one."""
    forge: frozenset[int] = frozenset()
    """Events that the victim sees as another message's."""
    ack_only: frozenset[int] = frozenset()
    """Messages that are acked and told to nobody."""
    answer_later: frozenset[int] = frozenset()
    """Sends whose first answer is a retryable error, though they took effect."""
    close_after: int = 0
    """Drop everybody, once, after this event."""
    refuse: bool = False
    """Accept nobody."""

    url: str = ""
    log: list[Json] = field(default_factory=list)
    by_key: dict[str, Json] = field(default_factory=dict)
    clients: list[trio_websocket.WebSocketConnection] = field(default_factory=list)
    victims: list[trio_websocket.WebSocketConnection] = field(default_factory=list)
    _late: list[Json] = field(default_factory=list)
    _turn: trio.Lock = field(default_factory=trio.Lock)

    async def serve(self, request: trio_websocket.WebSocketRequest) -> None:
        ws = await request.accept()
        try:
            auth = orjson.loads(await ws.get_message())
            if self.refuse:
                await ws.aclose(4001, "init_data_invalid")
                return
            user_id = int(auth["init_data"])
            await _send(ws, {"type": "connection_established", "user_id": user_id})
            if "resume=1" not in request.path:
                self._admit(ws, user_id)
            while True:
                await self._take(ws, user_id, orjson.loads(await ws.get_message()))
        except trio_websocket.ConnectionClosed:
            pass
        finally:
            if ws in self.clients:
                self.clients.remove(ws)

    def _admit(self, ws: trio_websocket.WebSocketConnection, user_id: int) -> None:
        self.clients.append(ws)
        if user_id == 1:
            self.victims.append(ws)

    async def _take(
        self, ws: trio_websocket.WebSocketConnection, user_id: int, command: Json
    ) -> None:
        async with self._turn:
            if command["type"] == "resume":
                cursor = command["cursors"][str(CHAT_ID)]
                for event in self.log[cursor:]:
                    await _send(ws, event)
                await _send(ws, {"type": "ack", "id": command["id"], "chats": {}, "resync": []})
                self._admit(ws, user_id)
                return
            await self._send_message(ws, user_id, command)

    async def _send_message(
        self, ws: trio_websocket.WebSocketConnection, user_id: int, command: Json
    ) -> None:
        known = self.by_key.get(command["client_msg_id"])
        event = known or self._new_event(user_id, command)
        seq = event["seq"]
        if known is None:
            if seq not in self.ack_only:
                for client in list(self.clients):
                    await self._tell(client, event)
            if seq in self.answer_later:
                reply = {"code": "unavailable", "message": "?", "retryable": True}
                await _send(
                    ws,
                    {"type": "error", "id": command["id"], "retry_after_ms": 10, **reply},
                )
                return
        ack = {"message": event["message"], "seq": seq, "duplicate": known is not None}
        await _send(ws, {"type": "ack", "id": command["id"], **ack})
        if seq == self.close_after:
            self.close_after = 0
            for client in list(self.clients):
                await client.aclose(4500, "fault")

    def _new_event(self, user_id: int, command: Json) -> Json:
        seq = len(self.log) + 1
        message = {"id": 100 + seq, "sender_id": user_id, "text": command["text"]}
        event = {"type": "new_message", "chat_id": CHAT_ID, "seq": seq, "message": message}
        self.log.append(event)
        self.by_key[command["client_msg_id"]] = event
        return event

    async def _tell(self, ws: trio_websocket.WebSocketConnection, event: Json) -> None:
        seq = event["seq"]
        if ws not in self.victims:
            await _send(ws, event)
            return
        if seq in self.forge:
            await _send(ws, {**event, "message": {**event["message"], "id": 999_999}})
        elif seq in self.swap:
            self._late.append(event)
            return
        elif seq not in self.lose:
            await _send(ws, event)
        if seq in self.double:
            await _send(ws, event)
        while self._late:
            await _send(ws, self._late.pop())


async def _send(ws: trio_websocket.WebSocketConnection, frame: Json) -> None:
    with suppress(trio_websocket.ConnectionClosed):
        await ws.send_message(orjson.dumps(frame).decode())


@asynccontextmanager
async def faulty_server(server: FaultyServer) -> AsyncIterator[FaultyServer]:
    async with trio.open_nursery() as nursery:
        listener = await nursery.start(
            trio_websocket.serve_websocket, server.serve, "127.0.0.1", 0, None
        )
        server.url = f"http://127.0.0.1:{listener.port}"
        yield server
        nursery.cancel_scope.cancel()
