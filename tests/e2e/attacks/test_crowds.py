"""Too many connections: refused in words while that is affordable, never to others' harm."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace

from tests.helpers.rawsocket import RawClient, connected, get, still_serves
from tests.helpers.serving import IMPATIENT, Running, serving


async def test_more_connections_than_allowed_are_refused_in_words() -> None:
    limits = replace(IMPATIENT, max_connections=3, request_head_seconds=60)
    async with serving(limits=limits) as server:
        async with AsyncExitStack() as stack:
            await crowd(stack, server, 3)
            await is_refused(server)
        await server.at_rest()
        await still_serves(server.port)


async def test_more_connections_of_one_address_than_allowed_are_refused_in_words() -> None:
    limits = replace(IMPATIENT, max_connections_per_address=2, request_head_seconds=60)
    async with serving(limits=limits) as server:
        async with AsyncExitStack() as stack:
            await crowd(stack, server, 2)
            await is_refused(server)
        await server.at_rest()
        await still_serves(server.port)


async def test_more_than_can_be_refused_in_words_are_just_closed() -> None:
    limits = replace(IMPATIENT, max_connections=2, max_refusals=2, request_head_seconds=60)
    async with serving(limits=limits) as server:
        async with AsyncExitStack() as stack:
            await crowd(stack, server, 4)
            client = await stack.enter_async_context(connected(server.port))
            assert await client.end() == b""
            assert server.listening.statistics().dropped == 1
        await server.at_rest()
        await still_serves(server.port)


async def crowd(stack: AsyncExitStack, server: Running, count: int) -> list[RawClient]:
    clients = [await stack.enter_async_context(connected(server.port)) for _ in range(count)]
    await clients[0].send(get())
    assert await clients[0].response() == (200, b"served")
    return clients


async def is_refused(server: Running) -> None:
    async with connected(server.port) as client:
        await client.handshake()
        closed = await client.closed()
        assert (closed.code, closed.reason) == (4029, "too_many")
    async with connected(server.port) as client:
        await client.send(get())
        status, _ = await client.response()
        assert status == 503
        await client.end()
