"""Attacks with HTTP requests: half, slow, oversized, pipelined, idle."""

from __future__ import annotations

import time

import pytest
import trio

from tests.helpers.rawsocket import PATIENCE_SECONDS, connected, get
from tests.helpers.serving import PATIENT, Running, serving


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET / HT", id="half a line"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: test\r\n", id="half a head"),
        pytest.param(
            b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nhalf",
            id="half a body",
        ),
        pytest.param(
            b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            id="half a chunk",
        ),
    ],
)
async def test_half_request_is_given_up(server: Running, data: bytes) -> None:
    async with connected(server.port) as client:
        await client.send(data)
        await client.end()


async def test_slow_head_is_given_up_however_it_trickles(server: Running) -> None:
    """Slowloris: each byte in time, the head never complete."""
    async with connected(server.port) as client:
        with pytest.raises((trio.BrokenResourceError, trio.ClosedResourceError)):
            await trickle(client.stream, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000)
    assert server.listening.statistics().timeouts == 1


async def test_slow_body_is_given_up_however_it_trickles(server: Running) -> None:
    async with connected(server.port) as client:
        await client.send(b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\n")
        with pytest.raises((trio.BrokenResourceError, trio.ClosedResourceError)):
            await trickle(client.stream, b"x" * 100_000)
    assert server.listening.statistics().timeouts == 1


async def test_bytes_that_come_as_the_time_is_over_do_not_hide_that(server: Running) -> None:
    """On a machine that stood still for a moment, both are there at once."""
    async with connected(server.port) as client:
        await client.send(b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\n")
        await server.wait_begun()
        time.sleep(0.5)  # noqa: ASYNC251, TID251 - the event loop is to stand still
        await client.send(b"x")
        await client.end()
    assert server.listening.statistics().timeouts == 1


async def trickle(stream: trio.SocketStream, data: bytes) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        for byte in data:
            await stream.send_all(bytes([byte]))
            await trio.sleep(0.01)


async def test_idle_connection_is_closed_after_keep_alive(server: Running) -> None:
    """Hypercorn 0.18 never closed an idle connection of a Quart-Trio application."""
    async with connected(server.port) as client:
        for _ in range(3):
            asked = trio.current_time()
            await client.send(get())
            assert await client.response() == (200, b"served")
        assert await client.end() == b""
        assert trio.current_time() - asked > 0.3, "it was hung up on at once"
    assert server.listening.statistics().timeouts == 0


@pytest.mark.parametrize(
    "request_bytes", [get("/", "Connection: close"), b"GET / HTTP/1.0\r\nHost: test\r\n\r\n"]
)
async def test_connection_close_is_honoured(request_bytes: bytes) -> None:
    async with (
        serving(limits=PATIENT, keep_alive_seconds=60) as server,
        connected(server.port) as client,
    ):
        await client.send(request_bytes)
        assert (await client.end()).endswith(b"served")


async def test_handler_slower_than_every_deadline_is_left_in_peace(server: Running) -> None:
    """Deadlines are for peers; while the application works, nothing is due from them."""
    async with connected(server.port) as client:
        await client.send(get("/slow/1.0") + get("/slow/0.1"))
        assert await client.response() == (200, b"slept")
        assert await client.response() == (200, b"slept")
    assert server.listening.statistics().timeouts == 0


async def test_pipelined_flood_is_answered_in_order(server: Running) -> None:
    async with connected(server.port) as client:
        await client.send(get() * 300)
        for _ in range(300):
            assert await client.response() == (200, b"served")


async def test_pipelined_flood_of_a_client_that_leaves(server: Running) -> None:
    async with connected(server.port) as client:
        await client.send(get("/slow/0.2") * 1000)


POST = b"POST /echo HTTP/1.1\r\nHost: t\r\n"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
            400,
            id="chunked and a length",
        ),
        pytest.param(
            POST + b"content-length: 5\r\ntransfer-encoding: Chunked\r\n\r\n0\r\n\r\n",
            400,
            id="a length and chunked",
        ),
        pytest.param(
            POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            id="chunked in HTTP/1.0",
        ),
        pytest.param(POST + b"Content-Length: 3, 4\r\n\r\nabcd", 400, id="a list of lengths"),
        pytest.param(POST + b"Content-Length: +3\r\n\r\nabc", 400, id="a length with a sign"),
        pytest.param(POST + b"Content-Length : 3\r\n\r\nabc", 400, id="space before the colon"),
        pytest.param(POST + b"Transfer-Encoding: identity\r\n\r\n", 501, id="identity"),
        pytest.param(
            POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, id="gzip, chunked"
        ),
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", 501, id="chunked twice"
        ),
        pytest.param(
            POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400, id="a hidden coding"
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\n X: a\r\nHost: t\r\n\r\n", 400, id="folds the request line"
        ),
        pytest.param(get("/", "X: a\rY: b"), 400, id="bare CR"),
        pytest.param(b"GET ?x HTTP/1.1\r\nHost: t\r\n\r\n", 400, id="a query and no path"),
        pytest.param(get("elsewhere"), 400, id="no slash"),
        pytest.param(b"CONNECT t:443 HTTP/1.1\r\nHost: t:443\r\n\r\n", 400, id="authority form"),
        pytest.param(get("//[::1/"), 404, id="half a bracket"),
        pytest.param(get().replace(b"1.1", b"1.9"), 505, id="a version to come"),
        pytest.param(get().replace(b"1.1", b"2.0"), 505, id="HTTP/2 in words"),
        pytest.param(get("/", "Host: other"), 400, id="two hosts"),
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\n\r\n1;x\n\r\na\r\n0\r\n\r\n",
            400,
            id="bare LF in a chunk's head",
        ),
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
            400,
            id="a chunk longer than it says",
        ),
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 200_000,
            431,
            id="endless chunk extension",
        ),
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 30_000,
            431,
            id="endless trailers",
        ),
        pytest.param(get("/", "X: " + "y" * 70_000), 431, id="oversized header"),
        pytest.param(get("/", *(f"X{i}: y" for i in range(5000))), 431, id="too many headers"),
        pytest.param(get("/" + "y" * 70_000), 431, id="oversized target"),
        pytest.param(b"\x00" * 100_000, 400, id="zeroes"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20, 400, id="TLS"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, id="no host"),
        pytest.param(
            b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n", 400, id="bad length"
        ),
        pytest.param(
            b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
            400,
            id="two lengths",
        ),
        pytest.param(
            b"POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
            400,
            id="bad chunk",
        ),
    ],
)
async def test_bad_request_is_refused_and_ended(server: Running, data: bytes, status: int) -> None:
    async with connected(server.port) as client:
        try:
            await client.send(data)
        except trio.BrokenResourceError:
            return  # Hung up on before it was all sent, which is refusal enough.
        answer = await client.end()
        assert answer.startswith(b"HTTP/1.1 %d" % status)
        assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("lengths", [b"", b"Content-Length: 6\r\n"])
async def test_what_follows_a_chunked_body_is_no_request_of_a_doubtful_one(
    server: Running, lengths: bytes
) -> None:
    """Another server would take the second request for the end of the first one's body."""
    first = POST + lengths + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    async with connected(server.port) as client:
        await client.send(first + get("/", "Connection: close"))
        answers = (await client.end()).count(b"HTTP/1.1 200")
        assert answers == (0 if lengths else 2)


@pytest.mark.parametrize(
    "target",
    [
        "http://test/",
        "HTTP://o:80/",
        "https://o",
        "http://[::1/",
        "http://%5B/",
        "http://o?x=/big/9",
    ],
)
async def test_target_in_absolute_form_is_its_path(server: Running, target: str) -> None:
    """Quart parsed it again, and failed at half a bracket: a 500 for whoever asked for one."""
    async with connected(server.port) as client:
        await client.send(get(target))
        assert await client.response() == (200, b"served")


async def test_trailers_are_no_headers(server: Running) -> None:
    async with connected(server.port) as client:
        chunks = b"2\r\nab\r\n0\r\nContent-Length: 500\r\nHost: other\r\n\r\n"
        await client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + get())
        assert await client.response() == (200, b"ab")
        assert await client.response() == (200, b"served")


async def test_body_that_nobody_reads(server: Running) -> None:
    """The answer comes, and the rest of the body does not keep the connection."""
    async with connected(server.port) as client:
        await client.send(b"POST /unread HTTP/1.1\r\nHost: t\r\nContent-Length: 500000\r\n\r\n")
        await client.send(b"x" * 100_000)
        assert (await client.end()).endswith(b"not read")


async def test_body_over_the_limit(server: Running) -> None:
    async with connected(server.port) as client:
        await client.send(b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 9000000\r\n\r\n")
        assert (await client.end()).startswith(b"HTTP/1.1 413")


async def test_client_leaves_in_the_middle_of_a_response(server: Running) -> None:
    for _ in range(10):
        async with connected(server.port) as client:
            await client.send(get("/big/5000000"))
            await client.head()
            client.reset()


async def test_response_that_nobody_reads(server: Running) -> None:
    async with connected(server.port, receive_buffer_bytes=4096) as client:
        await client.send(get("/big/5000000"))
        await server.wait_begun()
        await server.at_rest()
