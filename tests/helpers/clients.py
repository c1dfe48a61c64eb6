"""Clients over real ports: REST as the Mini App speaks it, and the realtime protocol."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import orjson
import trio
import trio_websocket

from tests.helpers.telegram import init_data

Json = dict[str, Any]
DEADLINE_SECONDS = 30.0
"""Only so that nothing hangs: a busy machine may be slow."""


class Rest:
    """One person's REST client."""

    def __init__(self, http: httpx.AsyncClient, raw_init_data: str, user_id: int) -> None:
        self.http = http
        self.user_id = user_id
        self.headers = {"X-Telegram-Init-Data": raw_init_data}

    async def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        headers = {**self.headers, **kwargs.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **kwargs)

    async def get(self, path: str, **kwargs: Any) -> Any:
        return ok(await self.request("GET", path, **kwargs))

    async def post(self, path: str, body: Json | None = None, **kwargs: Any) -> Any:
        return ok(await self.request("POST", path, json=body, **kwargs))

    async def put(self, path: str, body: Json) -> Any:
        return ok(await self.request("PUT", path, json=body))

    async def delete(self, path: str) -> Any:
        return ok(await self.request("DELETE", path))

    async def create_group(self, *member_ids: int, title: str = "Group") -> int:
        chat = await self.post(
            "/api/v1/chats/",
            {"title": title, "chat_type": "group", "member_ids": list(member_ids)},
        )
        chat_id: int = chat["id"]
        return chat_id

    async def send(self, chat_id: int, text: str, **fields: Any) -> Json:
        message: Json = await self.post(
            "/api/v1/messages/", {"chat_id": chat_id, "text": text, **fields}
        )
        return message


def ok(response: httpx.Response) -> Any:
    assert response.is_success, f"{response.status_code}: {response.text[:500]}"
    return response.json()


class Socket:
    """One connection; collects every frame and can wait for what it needs."""

    def __init__(self, connection: trio_websocket.WebSocketConnection) -> None:
        self.connection = connection
        self.frames: list[Json] = []
        self.closed: trio_websocket.CloseReason | None = None
        self._changed = trio.Event()
        self._count = 0

    @property
    def events(self) -> list[Json]:
        """Durable events in the order of arrival."""
        return [frame for frame in self.frames if "seq" in frame and frame["type"] != "ack"]

    async def listen(self) -> None:
        try:
            while True:
                self._note(orjson.loads(await self.connection.get_message()))
        except trio_websocket.ConnectionClosed as error:
            self.closed = error.reason
            self._changed.set()

    async def send(self, frame_type: str, **fields: Any) -> None:
        await self.send_raw(orjson.dumps({"type": frame_type, **fields}).decode())

    async def send_raw(self, text: str | bytes) -> None:
        await self.connection.send_message(text)

    async def command(self, frame_type: str, **fields: Any) -> Json:
        """Send with an id and return the reply, ack or error."""
        self._count += 1
        reply_id = f"c{self._count}"
        await self.send(frame_type, id=reply_id, **fields)
        return await self.frame(lambda frame: frame.get("id") == reply_id)

    async def frame(self, condition: Callable[[Json], bool]) -> Json:
        """Return the first frame, past or to come, that meets the condition."""
        seen = 0
        with trio.fail_after(DEADLINE_SECONDS):
            while True:
                for frame in self.frames[seen:]:
                    seen += 1
                    if condition(frame):
                        return frame
                assert self.closed is None, f"closed with {self.closed}"
                await self._changed.wait()

    async def event(self, event_type: str, **fields: Any) -> Json:
        """Return the first frame of a type whose fields have these values."""
        return await self.frame(
            lambda frame: (
                frame["type"] == event_type
                and all(frame.get(name) == value for name, value in fields.items())
            )
        )

    async def wait_for_any(self) -> None:
        """Wait until something came in, be it the end."""
        with trio.fail_after(DEADLINE_SECONDS):
            while not self.frames and self.closed is None:
                await self._changed.wait()

    async def wait_for_frames(self, more: int) -> None:
        """Wait until that many more frames have come in."""
        wanted = len(self.frames) + more
        while len(self.frames) < wanted and self.closed is None:
            await self._changed.wait()

    async def wait_closed(
        self, deadline_seconds: float = DEADLINE_SECONDS
    ) -> trio_websocket.CloseReason:
        with trio.fail_after(deadline_seconds):
            while self.closed is None:
                await self._changed.wait()
        return self.closed

    def _note(self, frame: Json) -> None:
        self.frames.append(frame)
        changed, self._changed = self._changed, trio.Event()
        changed.set()


class Server:
    """A running server, as clients see it."""

    def __init__(self, url: str) -> None:
        self.url = url
        address = urlsplit(url)
        assert address.hostname is not None
        assert address.port is not None
        self.host, self.port = address.hostname, address.port
        self._usernames: dict[int, str | None] = {}

    @asynccontextmanager
    async def person(
        self, user_id: int, first_name: str = "Anna", *, username: str | None = None
    ) -> AsyncIterator[Rest]:
        """Log a person in, so that others can name them, and give their client."""
        self._usernames[user_id] = username
        raw = init_data(user_id, first_name, username=username)
        async with httpx.AsyncClient(base_url=self.url, timeout=DEADLINE_SECONDS) as http:
            rest = Rest(http, raw, user_id)
            await rest.get("/api/v1/me")
            yield rest

    @asynccontextmanager
    async def socket(
        self, query: str = "", *, headers: list[tuple[bytes, bytes]] | None = None
    ) -> AsyncIterator[Socket]:
        # The stream is ours: trio-websocket leaves it open when the server closes first.
        stream = await trio.open_tcp_stream(self.host, self.port)
        async with stream, trio.open_nursery() as nursery:
            connection = await trio_websocket.wrap_client_stream(
                nursery, stream, f"{self.host}:{self.port}", f"/ws{query}", extra_headers=headers
            )
            socket = Socket(connection)
            nursery.start_soon(socket.listen)
            yield socket
            if socket.closed is None:
                await connection.aclose()
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def connected(
        self, user_id: int, first_name: str = "Anna", *, query: str = ""
    ) -> AsyncIterator[Socket]:
        """Connect as a person and wait for the greeting."""
        # Telegram names it wherever they come from.
        username = self._usernames.get(user_id)
        raw = quote(init_data(user_id, first_name, username=username), safe="")
        async with self.socket(f"?init_data={raw}{query}") as socket:
            await socket.event("connection_established")
            yield socket
