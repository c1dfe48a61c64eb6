"""The transport's promises, over every way a WebSocket can reach the application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio
from quart import websocket
from quart_trio import QuartTrio

from aeon.server import Transport, current_transport
from tests.helpers import peers
from tests.helpers.certificates import write_certificate
from tests.helpers.peers import Connect, Peer, Way
from tests.helpers.serving import PATIENCE_SECONDS, PATIENT, Running

WAYS = [peers.by_tcp, peers.by_tls, peers.by_http2, peers.by_foreign_server, peers.by_test_client]
LARGE = b"z" * 200_000

Script = Callable[[Transport], Awaitable[None]]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certificates")
    write_certificate(directory)
    return directory


@dataclass
class Stage:
    """An application whose WebSocket does what the test says."""

    connect: Connect
    running: Running | None
    transports: list[Transport]
    ended: list[str]
    kind: str

    async def at_rest(self) -> None:
        with trio.fail_after(PATIENCE_SECONDS):
            while not self.ended:  # noqa: ASYNC110 - the handler ends whenever it ends
                await trio.sleep(0.01)
        if self.running is not None:
            await self.running.at_rest()


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__.removeprefix("by_"))
def stage(request: pytest.FixtureRequest, certificates: Path) -> Any:
    """Give ``async with stage(script) as ...`` on one of the ways."""
    way: Way = request.param

    @asynccontextmanager
    async def run(script: Script) -> AsyncIterator[Stage]:
        app = QuartTrio(__name__)
        transports: list[Transport] = []
        ended: list[str] = []

        @app.websocket("/ws")
        async def follow_script() -> None:
            await websocket.accept()
            transports.append(current_transport())
            try:
                await script(transports[-1])
                ended.append("returned")
            except BaseException as error:
                ended.append(type(error).__name__)
                raise

        async with way(app, PATIENT, certificates) as (connect, running):
            yield Stage(connect, running, transports, ended, way.__name__)

    return run


async def wait_for_word(transport: Transport) -> None:
    await websocket.receive()


async def test_messages_of_all_senders_come_in_order(stage: Any) -> None:
    async def script(transport: Transport) -> None:
        assert transport.send_nowait((b"1", b"2"))
        await websocket.send("3")
        assert transport.send_nowait((b"4",))
        assert transport.send_nowait((LARGE, b"5"))
        assert transport.send_nowait((b"6", b"7", b"8"))
        await websocket.send("9")
        await websocket.receive()

    async with stage(script) as on, on.connect() as peer:
        got = [await peer.text() for _ in range(10)]
        assert [text if len(text) == 1 else "L" for text in got] == list("1234L56789")
        await peer.say("thanks")
    await on.at_rest()


async def test_overflow_refuses_whole_batches_and_loses_nothing_it_took(stage: Any) -> None:
    """A reader that stops is refused within the bound; what was taken arrives once it reads."""
    taken: list[str] = []
    refused = trio.Event()
    go_on = trio.Event()

    async def script(transport: Transport) -> None:
        number = 0
        while True:
            batch = [f"{number + i} ".encode() + b"q" * 3000 for i in range(3)]
            if not transport.send_nowait(batch):
                break
            taken.extend(str(number + i) for i in range(3))
            number += 3
            await trio.lowlevel.checkpoint()
        assert 200 < transport.pending_frames <= PATIENT.max_pending_frames
        assert transport.pending_bytes <= PATIENT.max_pending_bytes
        assert not transport.send_nowait((b"x",), transient=True)
        refused.set()
        await go_on.wait()
        await transport.wait_drained()
        assert (transport.pending_frames, transport.pending_bytes) == (0, 0)
        assert transport.send_nowait((b"end ",), transient=True)
        taken.append("end")
        await websocket.receive()

    async with stage(script) as on, on.connect() as peer:
        with trio.fail_after(PATIENCE_SECONDS):
            await refused.wait()
        go_on.set()
        got = [(await peer.text()).split()[0] for _ in taken]
        while got[-1] != "end":
            got.append((await peer.text()).split()[0])
        assert got == taken
        await peer.say("thanks")
    await on.at_rest()


async def test_transient_messages_are_refused_above_half_of_the_bounds(stage: Any) -> None:
    refused: list[int] = []

    async def script(transport: Transport) -> None:
        while transport.send_nowait((b"t" * 3000,), transient=True):
            await trio.lowlevel.checkpoint()
        refused.append(transport.pending_frames)
        assert transport.send_nowait((b"durable",))
        transport.abort()

    async with stage(script) as on, on.connect():
        await on.at_rest()
    assert refused[0] <= PATIENT.max_pending_frames // 2


async def test_close_comes_behind_what_was_sent(stage: Any) -> None:
    async def script(transport: Transport) -> None:
        transport.send_nowait([b"m%d" % i for i in range(100)])
        await transport.close(4001, "token_expired")
        assert transport.send_nowait((b"late",)), "nobody is there to miss it"
        await transport.close(4008, "a second close changes nothing")

    async with stage(script) as on, on.connect() as peer:
        assert [await peer.text() for _ in range(100)] == [f"m{i}" for i in range(100)]
        code, reason = await peer.closed()
        assert code == 4001
        assert reason in ("token_expired", "")
        await peer.ended()
    await on.at_rest()


async def test_close_of_a_peer_that_reads_nothing_is_bounded(stage: Any) -> None:
    took: list[float] = []

    async def script(transport: Transport) -> None:
        while transport.send_nowait((b"u" * 3000,)):
            await trio.lowlevel.checkpoint()
        started = trio.current_time()
        try:
            await transport.close(4008, "too_slow")
        finally:
            took.append(trio.current_time() - started)

    async with stage(script) as on, on.connect():
        await on.at_rest()
    assert took[0] < PATIENCE_SECONDS


async def test_abort_hangs_up_at_once(stage: Any) -> None:
    async def script(transport: Transport) -> None:
        await websocket.receive()
        transport.send_nowait((LARGE,) * 20)
        transport.abort()
        await trio.sleep_forever()

    async with stage(script) as on:
        async with on.connect() as peer:
            await peer.say("abort")
            await on.at_rest()
            if on.kind != "by_test_client":
                await peer.ended()
        assert on.ended == ["Cancelled"]


async def test_peer_that_leaves_ends_the_handler_and_the_waiting(stage: Any) -> None:
    waited: list[str] = []

    async def script(transport: Transport) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, transport)
            await websocket.receive()
            await websocket.receive()

    async def watch(transport: Transport) -> None:
        with trio.CancelScope(shield=True), trio.fail_after(PATIENCE_SECONDS):
            await transport.wait_closed()
            await transport.wait_drained()
            waited.append("closed")

    async with stage(script) as on, on.connect() as peer:
        await peer.say("here")
        await peer.leave()
        with trio.fail_after(PATIENCE_SECONDS):
            while not waited:  # noqa: ASYNC110 - it ends whenever the server notices
                await trio.sleep(0.01)
        assert on.transports[0].is_closing
    await on.at_rest()


async def test_statistics_tell_the_way(stage: Any) -> None:
    kinds = {"by_tcp": "direct", "by_tls": "flushed", "by_http2": "flushed"}

    async def script(transport: Transport) -> None:
        transport.send_nowait((b"a", b"b"))
        await transport.wait_drained()
        await websocket.receive()

    async with stage(script) as on, on.connect() as peer:
        assert await peer.text() == "a"
        statistics = on.transports[0].statistics()
        assert statistics.kind == kinds.get(on.kind, "asgi")
        assert (statistics.frames_sent, statistics.frames_refused) == (2, 0)
        if statistics.kind == "direct":
            assert (statistics.direct_writes, statistics.joined_writes) == (2, 0)
        await peer.say("bye")
    await on.at_rest()


async def test_binary_message_without_bytes_is_told_from_none(stage: Any) -> None:
    received: list[object] = []

    async def script(transport: Transport) -> None:
        received.append(await websocket.receive())

    async with stage(script) as on, on.connect() as peer:
        await say_empty_binary(peer)
        await on.at_rest()
    assert received == [b""]


async def say_empty_binary(peer: Peer) -> None:
    if isinstance(peer, peers.TcpPeer):
        await peer.client.send(peers.frame(2, b""))
    else:
        await peer.say(b"")  # type: ignore[arg-type]  # Quart's test client sends either kind
