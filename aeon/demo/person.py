"""A person of the demo: logs in over REST, talks and listens over WebSocket."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx
import orjson
import trio
import trio_websocket

ANSWER_SECONDS: Final = 10.0

Json = dict[str, Any]


@dataclass(slots=True)
class Person:
    """One client: everything it was told, in the order it was told."""

    name: str
    user_id: int
    init_data: str
    http: httpx.AsyncClient
    socket: trio_websocket.WebSocketConnection
    events: list[Json] = field(default_factory=list)
    arrived_at: dict[int, float] = field(default_factory=dict)
    """Message id to the moment (``time.perf_counter``) its ``new_message`` came in."""
    _replies: dict[str, Json] = field(default_factory=dict)
    _changed: trio.Event = field(default_factory=trio.Event)
    _count: int = 0

    async def listen(self) -> None:
        """Collect frames until the connection ends."""
        try:
            while True:
                frame: Json = orjson.loads(await self.socket.get_message())
                if frame["type"] in ("ack", "error", "pong") and "id" in frame:
                    self._replies[frame["id"]] = frame
                else:
                    self.events.append(frame)
                    if frame["type"] == "new_message":
                        self.arrived_at[frame["message"]["id"]] = time.perf_counter()
                changed, self._changed = self._changed, trio.Event()
                changed.set()
        except trio_websocket.ConnectionClosed:
            return

    async def command(self, frame_type: str, **fields: object) -> Json:
        """Send a command and wait for its ack.

        Raises:
            DemoFailed: the server answered with an error.
        """
        self._count += 1
        reply_id = f"{self.name}-{self._count}"
        await self.socket.send_message(
            orjson.dumps({"type": frame_type, "id": reply_id, **fields}).decode()
        )
        await self.wait_until(lambda: reply_id in self._replies, f"the answer to {frame_type}")
        reply = self._replies.pop(reply_id)
        if reply["type"] == "error":
            raise DemoFailed(f"{frame_type} failed: {reply['code']}: {reply['message']}")
        return reply

    async def post(self, path: str, body: Json) -> Json:
        """POST over REST as this person."""
        response = await self.http.post(path, json=body, headers=self._headers())
        answer: Json = _checked(response)
        return answer

    async def get(self, path: str) -> Any:
        """GET over REST as this person."""
        return _checked(await self.http.get(path, headers=self._headers()))

    async def arrival_of(self, message_id: int) -> float:
        """Wait for a message; the moment (``time.perf_counter``) it came in."""
        await self.wait_until(lambda: message_id in self.arrived_at, f"message {message_id}")
        return self.arrived_at[message_id]

    async def wait_for_messages(self, count: int) -> None:
        """Wait until that many messages came in."""
        await self.wait_until(lambda: len(self.arrived_at) >= count, f"{count} messages")

    async def wait_for_event(self, event_type: str) -> None:
        """Wait until an event of this type came in."""
        await self.wait_until(
            lambda: any(event["type"] == event_type for event in self.events), event_type
        )

    async def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something that came in makes the condition true."""
        with trio.move_on_after(ANSWER_SECONDS):
            while not condition():
                await self._changed.wait()
            return
        raise DemoFailed(f"{self.name} waited {ANSWER_SECONDS:g} s in vain for {what}")

    def _headers(self) -> dict[str, str]:
        return {"X-Telegram-Init-Data": self.init_data}


class DemoFailed(Exception):
    """Something did not go as promised."""


@asynccontextmanager
async def connect(base_url: str, name: str, user_id: int, init_data: str) -> AsyncIterator[Person]:
    """Connect a person and listen in the background until the block ends."""
    socket_url = f"{base_url.replace('http', 'ws', 1)}/ws?init_data={quote(init_data, safe='')}"
    async with (
        httpx.AsyncClient(base_url=base_url, timeout=ANSWER_SECONDS) as http,
        trio_websocket.open_websocket_url(socket_url) as socket,
        trio.open_nursery() as nursery,
    ):
        person = Person(name=name, user_id=user_id, init_data=init_data, http=http, socket=socket)
        nursery.start_soon(person.listen)
        await person.wait_until(lambda: bool(person.events), "connection_established")
        yield person
        nursery.cancel_scope.cancel()


def _checked(response: httpx.Response) -> Any:
    if response.is_error:
        raise DemoFailed(
            f"{response.request.method} {response.request.url.path}: "
            f"{response.status_code} {response.text[:200]}"
        )
    return response.json()
