"""Attacks by doing nothing: unread frames, unanswered pings, clients that stop or vanish."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio
from quart import websocket
from quart_trio import QuartTrio

from tests.helpers.rawsocket import PATIENCE_SECONDS, connected, frame, get, upgrade
from tests.helpers.serving import IMPATIENT, PATIENT, Running, serving

MANY = 100
"""More messages than an application's queues hold."""


async def test_peer_that_answers_no_ping_is_dropped(server: Running) -> None:
    """Hypercorn 0.18 sends pings and never looks for the pongs."""
    async with connected(server.port) as client:
        connected_at = trio.current_time()
        await client.handshake()
        await client.end()
        assert trio.current_time() - connected_at > 0.5, "it had no time to answer"
    assert server.listening.statistics().heartbeats_missed == 1


async def test_peer_that_talks_but_answers_no_ping_is_dropped(server: Running) -> None:
    async with connected(server.port) as client, trio.open_nursery() as nursery:
        await client.handshake()

        async def talk() -> None:
            while True:
                await client.send(frame(1, b"hello") + frame(10, b"not what was asked for"))
                await trio.sleep(0.05)

        nursery.start_soon(talk)
        await client.end()
        nursery.cancel_scope.cancel()


async def test_peer_that_answers_pings_stays(server: Running) -> None:
    async with connected(server.port) as client:
        await client.handshake()
        for _ in range(4):
            opcode, payload = await client.frame()
            assert opcode == 9
            await client.send(frame(10, payload))
        await client.send(frame(1, b"still here"))
        assert await client.text() == "still here"


async def test_reader_that_stops_during_shutdown() -> None:
    """Hypercorn 0.18 waits for it for ever, because its writes are shielded."""
    async with (
        serving(limits=PATIENT, graceful_seconds=0.5) as server,
        connected(server.port, receive_buffer_bytes=4096) as reader,
        connected(server.port, receive_buffer_bytes=4096) as downloader,
    ):
        await reader.handshake("/flood/5000")
        await downloader.send(get("/big/9000000"))
        await downloader.head()
        server.stop.set()
        with trio.fail_after(PATIENCE_SECONDS):
            await server.stopped.wait()


async def test_websocket_flood_that_nobody_reads_is_cut_off_and_forgotten(server: Running) -> None:
    async with connected(server.port, receive_buffer_bytes=4096) as client:
        await client.handshake("/flood/5000")
        await server.at_rest()


async def test_application_that_reads_nothing_does_not_keep_the_connection(
    server: Running,
) -> None:
    async with connected(server.port) as client:
        await client.handshake("/deaf")
        await client.send(frame(1, b"unread") * 1000)
    await server.at_rest()


async def test_application_that_writes_is_not_stalled_though_it_reads_nothing() -> None:
    """A long replay: what the client sends meanwhile waits for it."""
    app = QuartTrio(__name__)

    @app.websocket("/ws")
    async def talk() -> None:
        await websocket.accept()
        for _ in range(10):
            await trio.sleep(IMPATIENT.app_stall_seconds / 4)
            await websocket.send("more")
        for _ in range(MANY):
            await websocket.receive()
        await websocket.send("read all")

    limits = replace(PATIENT, app_stall_seconds=IMPATIENT.app_stall_seconds)
    async with (
        serving(app, limits=limits) as server,
        connected(server.port) as client,
    ):
        await client.handshake()
        await client.send(frame(1, b"waits") * MANY)
        assert [await client.text() for _ in range(11)] == ["more"] * 10 + ["read all"]


@pytest.mark.parametrize("limits", [PATIENT], ids=["patient"])
async def test_pings_of_a_client_that_reads_nothing_fill_no_memory(server: Running) -> None:
    async with connected(server.port, receive_buffer_bytes=4096) as client:
        await client.handshake()
        with trio.move_on_after(0.5):
            while True:
                await client.send(frame(9, b"p" * 125) * 100)
        for transport in server.transports:
            assert transport.pending_bytes <= 1000


async def test_clients_that_vanish(server: Running) -> None:
    for _ in range(50):
        async with connected(server.port) as client:
            await client.handshake()
            await client.send(frame(1, b"bye"))
            client.reset()


async def test_thousands_of_short_bad_connections(server: Running) -> None:
    kinds = [b"", b"\x00", b"GET", get("/nowhere"), upgrade("/ws")[:40], upgrade() + b"\xff" * 9]
    count = 2000
    limiter = trio.CapacityLimiter(50)

    async def attack(data: bytes) -> None:
        async with limiter, connected(server.port) as client:
            await client.send(data)
            client.reset()

    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(attack, kinds[number % len(kinds)])
    await server.at_rest()
