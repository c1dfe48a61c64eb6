"""Attacks on the TLS handshake."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from tests.helpers.certificates import write_certificate
from tests.helpers.rawsocket import RawClient, connected, get
from tests.helpers.serving import Running, serving


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def secure(certificate: tuple[Path, Path]) -> AsyncIterator[Running]:
    """A server over TLS; after the test it has to serve a stranger and be at rest."""
    async with serving(certfile=str(certificate[0]), keyfile=str(certificate[1])) as running:
        yield running
        async with connected(running.port) as raw:
            stream = await over_tls(raw)
            await stream.send(get("/", "Connection: close"))
            assert (await stream.response()) == (200, b"served")
        await running.at_rest()


async def over_tls(raw: RawClient) -> RawClient:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    stream = trio.SSLStream(raw.stream, context, https_compatible=True)
    await stream.do_handshake()
    return RawClient(stream)


@pytest.mark.parametrize(
    "data", [b"", b"\x16\x03\x01", get(), b"\x00" * 1000, b"\x16\x03\x01\xff\xff"]
)
async def test_what_is_no_handshake_is_given_up(secure: Running, data: bytes) -> None:
    async with connected(secure.port) as client:
        await client.send(data)
        await client.end()


async def test_client_leaves_during_the_handshake(secure: Running) -> None:
    for _ in range(20):
        async with connected(secure.port) as client:
            await client.send(b"\x16\x03\x01\x02\x00")
            client.reset()


async def test_silence_after_the_handshake(secure: Running) -> None:
    async with connected(secure.port) as raw:
        client = await over_tls(raw)
        await client.end()


async def test_idle_connection_is_closed(secure: Running) -> None:
    async with connected(secure.port) as raw:
        client = await over_tls(raw)
        await client.send(get())
        assert await client.response() == (200, b"served")
        await client.end()


async def test_response_that_nobody_reads(secure: Running) -> None:
    async with connected(secure.port, receive_buffer_bytes=4096) as raw:
        client = await over_tls(raw)
        await client.send(get("/big/9000000"))
        await secure.wait_begun()
        await secure.at_rest()


async def test_peer_that_answers_no_ping_is_dropped(secure: Running) -> None:
    async with connected(secure.port) as raw:
        client = await over_tls(raw)
        await client.handshake()
        await client.end()
