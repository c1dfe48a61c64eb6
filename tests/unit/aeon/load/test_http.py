"""The HTTP client against bytes as servers send them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio

from aeon.load.endpoint import find
from aeon.load.http import BadAnswer, HttpClient

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@asynccontextmanager
async def answering(*connections: Sequence[bytes]) -> AsyncIterator[HttpClient]:
    """A server that gives each connection its answers, one per request, then closes it."""
    waiting = list(connections)

    async def serve(stream: trio.SocketStream) -> None:
        answers = waiting.pop(0)
        async with stream:
            for answer in answers:
                if not await stream.receive_some():
                    return
                for at in range(0, len(answer), 1000):
                    await stream.send_all(answer[at : at + 1000])

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        port = listeners[0].socket.getsockname()[1]
        client = HttpClient(await find(f"http://127.0.0.1:{port}"))
        with trio.fail_after(60):
            yield client
        client.close()
        nursery.cancel_scope.cancel()


async def test_a_connection_is_used_again() -> None:
    async with answering([OK, OK]) as client:
        first = await client.request("GET", "/")
        second = await client.request("POST", "/", json={"a": 1})

    assert (first.status, first.body, second.status) == (200, b"hi", 200)


async def test_a_kept_connection_that_was_closed_is_replaced_unseen() -> None:
    async with answering([OK], [OK]) as client:
        await client.request("GET", "/")
        await trio.testing.wait_all_tasks_blocked()
        reply = await client.request("GET", "/")

    assert reply.body == b"hi"


async def test_a_fresh_connection_that_is_closed_is_an_error() -> None:
    async with answering([b""]) as client:
        with pytest.raises(OSError, match="closed the connection"):
            await client.request("GET", "/")


async def test_a_long_body_that_comes_in_pieces() -> None:
    body = b"x" * 200_000
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n"
    async with answering([head + body]) as client:
        assert (await client.request("GET", "/")).body == body


async def test_chunks_are_joined() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with answering([head + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", OK]) as client:
        assert (await client.request("GET", "/")).body == b"abcde"
        assert (await client.request("GET", "/")).body == b"hi"


async def test_not_modified_has_no_body() -> None:
    head = b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nContent-Length: 10\r\n\r\n'
    async with answering([head, OK]) as client:
        reply = await client.request("GET", "/")
        after = await client.request("GET", "/")

    assert (reply.status, reply.headers["etag"], reply.body) == (304, '"1"', b"")
    assert after.body == b"hi"


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
    ],
    ids=["other protocol", "no length", "bad chunk", "endless head"],
)
async def test_what_is_no_http_is_said_so(answer: bytes) -> None:
    async with answering([answer]) as client:
        with pytest.raises(BadAnswer):
            await client.request("GET", "/")
