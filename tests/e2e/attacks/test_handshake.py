"""Attacks around the WebSocket handshake."""

from __future__ import annotations

import pytest

from aeon.server import NetLimits
from tests.helpers.rawsocket import connected, frame, get, upgrade
from tests.helpers.serving import Running


@pytest.fixture
def limits() -> NetLimits:
    """As in production: none of these attacks is one by slowness."""
    return NetLimits()


@pytest.mark.parametrize("path", ["/nowhere", "/", "/ws"])
async def test_bytes_after_a_rejected_handshake(server: Running, path: str) -> None:
    """Hypercorn 0.18 died of these: frames sent although the handshake was turned down."""
    bad_version = get(path, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: eA==")
    async with connected(server.port) as client:
        await client.send(bad_version if path == "/ws" else upgrade(path))
        head = await client.head()
        assert int(head.split()[1]) in (400, 403, 404)
        await client.send(frame(1, b"anyway") * 10 + b"\x00" * 1000)
        await client.end()


async def test_frame_glued_to_the_handshake(server: Running) -> None:
    """Hypercorn 0.18 died of this too; a client has to wait for the answer."""
    async with connected(server.port) as client:
        await client.send(upgrade("/ws") + frame(1, b"glued"))
        assert b" 400" in (await client.end()).split(b"\r\n")[0]


@pytest.mark.parametrize("early", [frame(1, b"glued"), b"body!"], ids=["frame", "body"])
async def test_no_frame_follows_a_handshake_refused_for_early_data(
    server: Running, early: bytes
) -> None:
    """The application learns of it later, and writes as if the WebSocket were open."""
    async with connected(server.port) as client:
        await client.send(upgrade("/flood/5", f"Content-Length: {len(early)}") + early)
        head, _, rest = (await client.end()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400")
        assert rest == b""


async def test_frame_glued_to_a_handshake_that_is_rejected(server: Running) -> None:
    async with connected(server.port) as client:
        await client.send(upgrade("/nowhere") + frame(1, b"glued"))
        assert (await client.end()).startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize(
    "headers",
    [
        ("Upgrade: websocket", "Connection: Upgrade"),
        ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
        ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: \xff", "X: y"),
        ("Upgrade: websocket", "Connection: keep-alive, Upgrade", "Sec-WebSocket-Version: 8"),
        ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Protocol: \xff"),
        ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Extensions: \xff"),
        ("Upgrade: websocket", "Connection: Upgrade, \xff"),
    ],
)
async def test_incomplete_handshake_is_answered_and_ended(
    server: Running, headers: tuple[str, ...]
) -> None:
    async with connected(server.port) as client:
        await client.send(get("/ws", *headers))
        assert (await client.end()).startswith(b"HTTP/1.1 400")


async def test_client_leaves_while_the_handshake_is_under_way(server: Running) -> None:
    for _ in range(20):
        async with connected(server.port) as client:
            await client.send(upgrade("/ws"))
            client.reset()


async def test_compression_is_not_agreed_on_unless_configured(server: Running) -> None:
    async with connected(server.port) as client:
        head = await client.handshake("/ws", "Sec-WebSocket-Extensions: permessage-deflate")
        assert b"sec-websocket-extensions" not in head.lower()
        await client.send(frame(1, b"\x00", reserved=4))
        assert (await client.closed()).code == 1002


async def test_cleartext_upgrade_to_http2_is_ignored(server: Running) -> None:
    async with connected(server.port) as client:
        await client.send(
            get("/", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMA")
        )
        assert (await client.response()) == (200, b"served")
