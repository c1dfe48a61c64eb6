"""permessage-deflate with a client that offers it, over a real port: declined unless configured."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import quote

import orjson
import pytest
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Request, TextMessage
from wsproto.extensions import PerMessageDeflate

from aeon.config import Settings
from tests.helpers.clients import Server
from tests.helpers.rawsocket import connected, frame, upgrade
from tests.helpers.serving import PATIENCE_SECONDS, PATIENT, serving
from tests.helpers.telegram import init_data

ANNA = 1001
LONG = "compressible " * 300
LIMITS = replace(PATIENT, permessage_deflate=True)
OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"


class Client:
    """A WebSocket client of wsproto that offers compression."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []
        self.bytes_sent = 0
        self.extension = PerMessageDeflate()

    async def send(self, event: Event) -> None:
        data = self._connection.send(event)
        self.bytes_sent += len(data)
        await self._stream.send_all(data)

    async def event(self, kind: type[Event]) -> Event:
        """Read on to an event of a kind; wsproto checks every frame on the way."""
        with trio.fail_after(PATIENCE_SECONDS):
            while True:
                for event in self._connection.events():
                    if isinstance(event, kind):
                        return event
                data = await self._stream.receive_some(65536)
                self._connection.receive_data(data or None)

    async def open(self, target: str) -> None:
        offer = Request(host="test", target=target, extensions=[self.extension])
        await self.send(offer)
        await self.event(AcceptConnection)


@asynccontextmanager
async def client_of(port: int, target: str) -> AsyncIterator[Client]:
    async with connected(port) as raw:
        client = Client(raw.stream)
        await client.open(target)
        yield client


async def test_agreed_on_where_it_is_configured_and_frames_stay_valid() -> None:
    async with serving(limits=LIMITS) as server:
        async with client_of(server.port, "/ws") as client:
            assert client.extension.enabled()
            before = client.bytes_sent
            for text in (LONG, "", "short", LONG):
                await client.send(TextMessage(data=text))
                answer = await client.event(TextMessage)
                assert isinstance(answer, TextMessage)
                assert answer.data == text
            assert client.bytes_sent - before < len(LONG)
            await client.send(CloseConnection(code=1000))
            await client.event(CloseConnection)
        await server.at_rest()


async def test_compressed_message_larger_than_allowed_is_refused_before_it_is_unpacked() -> None:
    async with serving(limits=LIMITS) as server:
        async with client_of(server.port, "/ws") as client:
            await client.send(TextMessage(data="0" * (LIMITS.max_frame_bytes + 1)))
            closed = await client.event(CloseConnection)
            assert isinstance(closed, CloseConnection)
            assert closed.code == 1009
        await server.at_rest()


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\x06"])
async def test_nonsense_in_place_of_compressed_data(data: bytes) -> None:
    async with serving(limits=LIMITS) as server:
        async with connected(server.port) as raw:
            await raw.send(upgrade("/ws", OFFER))
            assert b"permessage-deflate" in await raw.head()
            await raw.send(frame(1, data, reserved=4))
            assert (await raw.closed()).code in (1002, 1007)
        await server.at_rest()


class TestOnANode:
    """The whole node, by its setting."""

    @pytest.fixture(params=["off", "on"])
    def settings(self, settings: Settings, request: pytest.FixtureRequest) -> Settings:
        return settings.model_copy(update={"websocket_compression": request.param})

    async def test_commands_are_understood_either_way(
        self, server: Server, settings: Settings
    ) -> None:
        credentials = quote(init_data(ANNA), safe="")
        async with client_of(server.port, f"/ws?init_data={credentials}") as client:
            assert client.extension.enabled() is (settings.websocket_compression == "on")
            greeting = await client.event(TextMessage)
            await client.send(TextMessage(data='{"type":"ping","id":"a"}'))
            pong = await client.event(TextMessage)

        assert isinstance(greeting, TextMessage)
        assert isinstance(pong, TextMessage)
        assert orjson.loads(greeting.data)["type"] == "connection_established"
        assert orjson.loads(pong.data) == {"type": "pong", "id": "a"}
