"""A slow reader gets joined frames, its pongs, and time as long as it takes anything at all."""

from __future__ import annotations

import trio
from quart import websocket
from quart_trio import QuartTrio

from aeon.server import Transport, current_transport
from tests.helpers.rawsocket import connected, frame
from tests.helpers.serving import PATIENCE_SECONDS, PATIENT, serving

FRAMES = 3_000
PAYLOAD = b"p" * 1_000


async def test_slower_reader_gets_joined_frames_and_the_backlog_stays_within_bounds() -> None:
    app = QuartTrio(__name__)
    senders: list[Transport] = []
    largest = 0

    @app.websocket("/ws")
    async def talk() -> None:
        nonlocal largest
        await websocket.accept()
        transport = current_transport()
        senders.append(transport)
        for number in range(FRAMES):
            # As a sender that is paced by its slowest reader would.
            while not transport.send_nowait((b"%d " % number + PAYLOAD,)):
                await transport.wait_drained()
            largest = max(largest, transport.pending_frames)
        await websocket.receive()

    async with serving(app, limits=PATIENT) as server:
        async with connected(server.port, receive_buffer_bytes=4096) as reader:
            await reader.handshake("/ws")
            with trio.fail_after(PATIENCE_SECONDS):
                for number in range(FRAMES):
                    assert (await reader.text()).split()[0] == str(number)
            statistics = senders[0].statistics()
        await server.at_rest()

    assert largest <= PATIENT.max_pending_frames
    assert statistics.joined_writes > 0
    assert statistics.direct_writes + statistics.joined_writes < FRAMES / 4


async def test_a_ping_is_answered_behind_what_waits() -> None:
    """Clients' libraries hang up when their ping is not answered, backlog or not."""
    app = QuartTrio(__name__)

    @app.websocket("/ws")
    async def talk() -> None:
        await websocket.accept()
        transport = current_transport()
        while transport.send_nowait((PAYLOAD,)):
            pass
        assert transport.pending_frames
        await websocket.receive()

    async with (
        serving(app, limits=PATIENT) as server,
        connected(server.port, receive_buffer_bytes=4096) as reader,
    ):
        await reader.handshake("/ws")
        await reader.send(frame(9, b"first") + frame(9, b"second"))
        with trio.fail_after(PATIENCE_SECONDS):
            opcode, payload = await reader.frame()
            while opcode == 1:
                opcode, payload = await reader.frame()
            assert (opcode, payload) == (10, b"first")
            assert await reader.frame() == (10, b"second")
