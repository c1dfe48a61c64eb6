"""Attacks over HTTP/2, in clear text by prior knowledge: streams and windows abused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import pytest
import trio

from tests.helpers.rawsocket import PATIENCE_SECONDS, RawClient, connected, frame, still_serves
from tests.helpers.serving import IMPATIENT, PATIENT, Running, serving

GET = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "test")]
POST = [(name, {":method": "POST", ":path": "/echo"}.get(name, value)) for name, value in GET]
WEBSOCKET = [
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "http"),
    (":path", "/ws"),
    (":authority", "test"),
    ("sec-websocket-version", "13"),
]


class Http2Client:
    """An HTTP/2 client that does not mind its manners."""

    def __init__(self, client: RawClient) -> None:
        self.client = client
        config = h2.config.H2Configuration(
            client_side=True,
            header_encoding="utf-8",
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self.h2 = h2.connection.H2Connection(config)
        self.events: list[h2.events.Event] = []
        self._turn = trio.Lock()

    async def flush(self) -> None:
        async with self._turn:
            await self.client.send(self.h2.data_to_send())

    async def start(self, headers: list[tuple[str, str]], *, end: bool = True) -> int:
        stream_id = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream_id, headers, end_stream=end)
        await self.flush()
        return int(stream_id)

    async def until(self, kind: type[h2.events.Event]) -> h2.events.Event:
        """Read on to an event of a kind."""
        while True:
            while self.events:
                event = self.events.pop(0)
                if isinstance(event, kind):
                    return event
            with trio.fail_after(PATIENCE_SECONDS):
                data = await self.client.stream.receive_some(65536)
            assert data, "the server hung up"
            self.events = self.h2.receive_data(data)
            await self.flush()


@asynccontextmanager
async def http2(
    server: Running, *, receive_buffer_bytes: int | None = None
) -> AsyncIterator[Http2Client]:
    async with connected(server.port, receive_buffer_bytes=receive_buffer_bytes) as raw:
        client = Http2Client(raw)
        client.h2.initiate_connection()
        await client.flush()
        yield client


async def test_preface_and_then_nothing(server: Running) -> None:
    async with http2(server) as client:
        await client.client.end()


async def test_idle_connection_is_closed(server: Running) -> None:
    async with http2(server) as client:
        await client.start(GET)
        await client.until(h2.events.StreamEnded)
        await client.client.end()


async def test_idle_client_that_pings_may_stay_as_long_as_a_silent_one() -> None:
    """A PING or WINDOW_UPDATE began a head that never came: cut off, and counted as too slow."""
    async with serving(keep_alive_seconds=1.0) as server:
        async with http2(server) as client:
            stream_id = await client.start(GET)
            await client.until(h2.events.StreamEnded)
            client.h2.ping(b"are you?")
            await client.client.send(window_update(stream_id))
            await client.flush()
            await client.client.end(within_seconds=3)
        assert server.listening.statistics().timeouts == 0


@pytest.mark.parametrize(
    "part",
    [
        b"\x00",
        b"\x00\x00\x04\x01\x04\x00\x00\x00\x03\x82",
        b"\x00\x00\x01\x01\x00\x00\x00\x00\x03\x82",
    ],
    ids=["of a frame's head", "of a frame", "of a request's head"],
)
async def test_head_that_is_begun_has_to_end(part: bytes) -> None:
    async with serving(keep_alive_seconds=30) as server:
        async with http2(server) as client:
            await client.start(GET)
            await client.until(h2.events.StreamEnded)
            await client.client.send(part)
            await client.client.end(within_seconds=3)
        assert server.listening.statistics().timeouts == 1


async def test_connection_whose_client_reset_all_is_idle(server: Running) -> None:
    """It counted as busy for ever, with no deadline at all."""
    slow = [(name, "/slow/60.0" if name == ":path" else value) for name, value in GET]
    async with http2(server) as client:
        stream_id = await client.start(slow)
        await server.wait_begun()
        client.h2.reset_stream(stream_id)
        await client.flush()
        await client.client.end(within_seconds=3)


@pytest.mark.parametrize("trickles", [False, True], ids=["silent", "trickling"])
async def test_slow_body_is_given_up_alone(server: Running, trickles: bool) -> None:
    async with http2(server) as client, trio.open_nursery() as nursery:
        stream_id = await client.start(POST, end=False)
        if trickles:
            nursery.start_soon(trickle, client, stream_id)
        reset = await client.until(h2.events.StreamReset)
        nursery.cancel_scope.cancel()
    assert isinstance(reset, h2.events.StreamReset)
    assert (reset.stream_id, reset.error_code) == (stream_id, h2.errors.ErrorCodes.CANCEL)
    assert server.listening.statistics().timeouts == 1


async def test_stream_beside_a_slow_body_goes_on() -> None:
    async with serving(keep_alive_seconds=5) as server, http2(server) as client:
        await client.start(POST, end=False)
        await client.until(h2.events.StreamReset)
        await client.start(GET)
        await client.until(h2.events.StreamEnded)


async def test_body_is_not_slow_while_the_application_takes_nothing() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http", "has no lifespan"
        await trio.sleep(3 * IMPATIENT.body_stall_seconds)
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"read all"})

    async with serving(app) as server, http2(server) as client:
        stream_id = await client.start(POST, end=False)
        for _ in range(30):
            client.h2.send_data(stream_id, b"x" * 1000)
        client.h2.end_stream(stream_id)
        await client.flush()
        data = await client.until(h2.events.DataReceived)
        assert isinstance(data, h2.events.DataReceived)
        assert data.data == b"read all"


async def trickle(client: Http2Client, stream_id: int) -> None:
    with suppress(h2.exceptions.StreamClosedError, trio.BrokenResourceError):
        while True:
            client.h2.send_data(stream_id, b"x")
            await client.flush()
            await trio.sleep(IMPATIENT.body_stall_seconds / 4)


def window_update(stream_id: int) -> bytes:
    """For a stream that is over: h2 itself sends none."""
    return b"\x00\x00\x04\x08\x00" + stream_id.to_bytes(4, "big") + b"\x00\x00\x00\x01"


async def test_rapid_reset_is_ended_at_its_limit() -> None:
    """Open and reset: each pair costs the client nothing and the server a task."""
    async with serving(limits=replace(IMPATIENT, max_stream_resets=50)) as server:
        async with http2(server) as client:
            await open_and_reset(client, 50)
            await client.start(GET)
            await client.until(h2.events.StreamEnded)
            await open_and_reset(client, 1)
            ended = await client.until(h2.events.ConnectionTerminated)
            assert isinstance(ended, h2.events.ConnectionTerminated)
            assert ended.error_code == h2.errors.ErrorCodes.ENHANCE_YOUR_CALM
            await client.client.end()
        await server.at_rest()
        await still_serves(server.port)


async def test_rapid_reset_as_fast_as_it_can_be_sent(server: Running) -> None:
    async with http2(server) as client:
        with suppress(trio.BrokenResourceError):
            await open_and_reset(client, 2_000)
            await client.client.end()


async def open_and_reset(client: Http2Client, count: int) -> None:
    for _ in range(count):
        stream_id = client.h2.get_next_available_stream_id()
        client.h2.send_headers(stream_id, GET, end_stream=True)
        client.h2.reset_stream(stream_id)
    await client.flush()


@pytest.mark.parametrize("missing", [":path", ":method", ":protocol"])
async def test_request_without_a_pseudo_header_resets_its_stream_only(
    server: Running, missing: str
) -> None:
    headers = [(name, value) for name, value in WEBSOCKET if name != missing]
    async with http2(server) as client:
        await client.start(headers)
        try:
            await client.until(h2.events.StreamReset)
        except AssertionError:
            return  # h2 itself takes some of these for the connection's error.
        await client.start(GET)
        await client.until(h2.events.StreamEnded)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (":path", b"/\xff"),
        (":path", b"?x"),
        (":path", b"elsewhere"),
        ("sec-websocket-protocol", b"\xff"),
        ("sec-websocket-extensions", b"\xff"),
    ],
)
async def test_illegible_request_resets_its_stream_only(
    server: Running, name: str, value: bytes
) -> None:
    """Each of these was an error of ours, which ended the connection with all its streams."""
    known = {key: text.encode() for key, text in WEBSOCKET}
    headers: Any = [(key.encode(), text) for key, text in {**known, name: value}.items()]
    async with http2(server) as client:
        await client.start(headers, end=False)
        await client.until(h2.events.StreamReset)
        await client.start(GET)
        await client.until(h2.events.StreamEnded)


async def test_body_that_goes_on_after_its_answer_ends_no_other_stream(server: Running) -> None:
    """An upload that was refused early: what was on its way cut off all that runs beside it."""
    post = [(name, {":method": "POST", ":path": "/unread"}.get(name, value)) for name, value in GET]
    async with http2(server) as client:
        websocket = await client.start(WEBSOCKET, end=False)
        await client.until(h2.events.ResponseReceived)
        stream_id = await client.start(post, end=False)
        await client.until(h2.events.StreamEnded)
        for _ in range(10):
            client.h2.send_data(stream_id, b"x" * 1000)
        client.h2.send_data(websocket, frame(1, b"still here"))
        await client.flush()
        reset = await client.until(h2.events.StreamReset)
        assert isinstance(reset, h2.events.StreamReset)
        assert (reset.stream_id, reset.error_code) == (stream_id, h2.errors.ErrorCodes.NO_ERROR)
        data = await client.until(h2.events.DataReceived)
        assert isinstance(data, h2.events.DataReceived)
        assert data.data.endswith(b"still here")


async def test_priorities_of_thousands_of_streams_are_ignored(server: Running) -> None:
    async with http2(server) as client:
        for stream_id in range(1, 6_001, 2):
            client.h2.prioritize(stream_id, weight=7, depends_on=max(0, stream_id - 2))
        await client.flush()
        await client.start(GET)
        await client.until(h2.events.StreamEnded)


async def test_connection_answers_more_requests_than_hypercorn_lets_it() -> None:
    async with serving(keep_alive_max_requests=3) as server:
        async with http2(server) as client:
            for _ in range(10):
                await client.start(GET)
                await client.until(h2.events.StreamEnded)
        await server.at_rest()


async def test_streams_that_never_end(server: Running) -> None:
    post = [(name, "POST" if name == ":method" else value) for name, value in GET]
    post = [(name, "/echo" if name == ":path" else value) for name, value in post]
    async with http2(server) as client:
        for _ in range(50):
            await client.start(post, end=False)
        await server.wait_begun(50)
    await server.at_rest()


async def test_more_streams_than_allowed(server: Running) -> None:
    async with http2(server) as client:
        slow = [(name, "/slow/1.0" if name == ":path" else value) for name, value in GET]
        try:
            for _ in range(300):
                await client.start(slow)
        except (h2.exceptions.TooManyStreamsError, trio.BrokenResourceError):
            pass
        await client.client.end()


async def test_response_that_nobody_reads_is_not_kept(server: Running) -> None:
    """Hypercorn 0.18 keeps all of it for a client whose window is closed."""
    big = [(name, "/big/9000000" if name == ":path" else value) for name, value in GET]
    async with http2(server) as client:
        client.h2.update_settings({4: 0})
        await client.start(big)
        await client.until(h2.events.StreamReset)


async def test_window_opened_byte_by_byte_is_served(server: Running) -> None:
    async with http2(server) as client:
        client.h2.update_settings({4: 0})
        stream_id = await client.start(GET)
        body = b""
        await client.until(h2.events.ResponseReceived)
        for _ in range(6):
            client.h2.increment_flow_control_window(1, stream_id)
            await client.flush()
            event = await client.until(h2.events.DataReceived)
            assert isinstance(event, h2.events.DataReceived)
            body += event.data
        assert body == b"served"


async def test_websocket_rejected_and_fed(server: Running) -> None:
    nowhere = [(name, "/nowhere" if name == ":path" else value) for name, value in WEBSOCKET]
    async with http2(server) as client:
        stream_id = await client.start(nowhere, end=False)
        client.h2.send_data(stream_id, frame(1, b"anyway"))
        await client.flush()
        event = await client.until(h2.events.ResponseReceived)
        assert isinstance(event, h2.events.ResponseReceived)
        assert dict(event.headers)[":status"] in ("400", "403", "404")


async def test_websocket_whose_stream_is_reset_or_ended(server: Running) -> None:
    async with http2(server) as client:
        for end in (client.h2.reset_stream, client.h2.end_stream):
            stream_id = await client.start(WEBSOCKET, end=False)
            await client.until(h2.events.ResponseReceived)
            client.h2.send_data(stream_id, frame(1, b"x"))
            end(stream_id)
            await client.flush()
        with trio.fail_after(PATIENCE_SECONDS):
            while server.listening.statistics().websockets:  # noqa: ASYNC110 - the server's pace
                await trio.sleep(0.01)


async def test_websocket_that_answers_no_ping_is_dropped_alone() -> None:
    async with serving(limits=IMPATIENT, keep_alive_seconds=5) as server:
        async with http2(server) as client:
            await client.start(WEBSOCKET, end=False)
            await client.until(h2.events.ResponseReceived)
            with trio.fail_after(PATIENCE_SECONDS):
                while server.listening.statistics().websockets:  # noqa: ASYNC110 - its pace
                    await trio.sleep(0.01)
            await client.start(GET)
            await client.until(h2.events.StreamEnded)
        await server.at_rest()


async def test_close_code_reaches_an_http2_client(server: Running) -> None:
    async with http2(server) as client:
        stream_id = await client.start(WEBSOCKET, end=False)
        await client.until(h2.events.ResponseReceived)
        client.h2.send_data(stream_id, frame(3, b"x"))
        await client.flush()
        data = b""
        while not data.startswith(b"\x88"):
            event = await client.until(h2.events.DataReceived)
            assert isinstance(event, h2.events.DataReceived)
            data = event.data
        assert int.from_bytes(data[2:4], "big") == 1002
        await client.until(h2.events.StreamEnded)


async def test_noise_after_the_preface(server: Running) -> None:
    async with connected(server.port) as client:
        await client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 5000)
        await client.end()


async def test_shutdown_while_an_http2_client_reads_nothing() -> None:
    async with serving(limits=PATIENT, graceful_seconds=0.5) as server:
        big = [(name, "/big/9000000" if name == ":path" else value) for name, value in GET]
        async with http2(server, receive_buffer_bytes=4096) as client:
            await client.start(big)
            await client.start(WEBSOCKET, end=False)
            await server.wait_begun(2)
            server.stop.set()
            with trio.fail_after(PATIENCE_SECONDS):
                await server.stopped.wait()


async def test_still_serves_websockets_by_http1_beside(server: Running) -> None:
    async with http2(server) as client:
        await client.start(GET)
        await still_serves(server.port)
        await client.until(h2.events.StreamEnded)
