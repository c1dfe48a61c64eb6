"""A server that stops cuts nobody off in mid-request, and nobody who was about to ask."""

from dataclasses import replace

import trio

from tests.helpers.rawsocket import get
from tests.helpers.serving import IMPATIENT, Running, serving

PATIENT = replace(IMPATIENT, farewell_seconds=5.0, request_head_seconds=10.0)


async def _answer(stream: trio.SocketStream) -> bytes:
    """Read one response of the test application: all of them end with their word."""
    received = b""
    with trio.fail_after(10):
        while not received.endswith((b"served", b"slept")):
            data = await stream.receive_some()
            assert data, received
            received += data
    return received


async def _accepts_no_more(server: Running) -> None:
    with trio.fail_after(10):
        while True:
            try:
                stream = await trio.open_tcp_stream("127.0.0.1", server.port)
            except OSError:
                return
            await stream.aclose()


async def test_the_next_request_of_an_idle_connection_is_answered_for_the_last_time() -> None:
    async with serving(limits=PATIENT, keep_alive_seconds=30.0, graceful_seconds=10.0) as server:
        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        async with stream:
            await stream.send_all(get())
            assert b"connection: close" not in (await _answer(stream)).lower()
            server.stop.set()
            await _accepts_no_more(server)

            await stream.send_all(get())
            assert b"connection: close" in (await _answer(stream)).lower()
            with trio.fail_after(10):
                assert await stream.receive_some() == b""


async def test_a_request_under_way_is_answered_and_told_that_it_was_the_last() -> None:
    async with serving(limits=PATIENT, keep_alive_seconds=30.0, graceful_seconds=10.0) as server:
        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        async with stream:
            await stream.send_all(get("/slow/0.5"))
            with trio.fail_after(10):
                await server.wait_begun()
            server.stop.set()
            assert b"connection: close" in (await _answer(stream)).lower()


async def test_a_connection_that_stays_idle_is_closed() -> None:
    async with serving(limits=IMPATIENT, keep_alive_seconds=30.0, graceful_seconds=10.0) as server:
        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        async with stream:
            await stream.send_all(get())
            await _answer(stream)
            server.stop.set()
            with trio.fail_after(5):
                assert await stream.receive_some() == b""
