"""Attacks with frames: each rule of RFC 6455 that a client can break has its close code."""

from __future__ import annotations

import pytest

from aeon.server import NetLimits
from tests.helpers.rawsocket import RawClient, connected, frame
from tests.helpers.serving import Running

LIMIT = NetLimits().max_frame_bytes


@pytest.fixture
def limits() -> NetLimits:
    """As in production: none of these attacks is one by slowness."""
    return NetLimits()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(frame(3, b"x"), 1002, id="reserved data opcode"),
        pytest.param(frame(11, b"x"), 1002, id="reserved control opcode"),
        pytest.param(frame(1, b"x", reserved=4), 1002, id="reserved bit 1"),
        pytest.param(frame(1, b"x", reserved=1), 1002, id="reserved bit 3"),
        pytest.param(frame(1, b"x", masked=False), 1002, id="unmasked"),
        pytest.param(frame(9, b"x", masked=False), 1002, id="unmasked ping"),
        pytest.param(frame(1, b"\xff\xfe"), 1007, id="not UTF-8"),
        pytest.param(frame(1, b"\xed\xa0\x80"), 1007, id="a surrogate in UTF-8"),
        pytest.param(frame(1, b"\xe2\x82", fin=False) + frame(0, b"x"), 1007, id="cut character"),
        pytest.param(frame(0, b"x"), 1002, id="continues nothing"),
        pytest.param(frame(1, b"x", fin=False) + frame(1, b"y"), 1002, id="message in a message"),
        pytest.param(frame(9, b"x", fin=False), 1002, id="fragmented ping"),
        pytest.param(frame(9, b"x" * 126), 1002, id="long ping"),
        pytest.param(frame(8, b"x"), 1002, id="close with half a code"),
        pytest.param(frame(8, (1005).to_bytes(2, "big")), 1002, id="close with a local code"),
        pytest.param(frame(8, (2999).to_bytes(2, "big")), 1002, id="close with an unassigned code"),
        pytest.param(frame(8, (1000).to_bytes(2, "big") + b"\xff"), 1007, id="close, bad reason"),
        pytest.param(frame(1, b"x" * (LIMIT + 1)), 1009, id="one byte over the limit"),
        pytest.param(frame(2, b"x" * (LIMIT + 1)), 1009, id="binary over the limit"),
        pytest.param(frame(1, b"", claimed_size=2**62), 1009, id="claims four exabytes"),
        pytest.param(
            frame(1, b"x" * LIMIT, fin=False) + frame(0, b"x"), 1009, id="over it in fragments"
        ),
        pytest.param(b"\x81\xfe\x00\x01", 1002, id="length not minimal"),
    ],
)
async def test_broken_rule_is_closed_with_its_code(server: Running, data: bytes, code: int) -> None:
    async with connected(server.port) as client:
        await client.handshake()
        await client.send(data)
        assert (await client.closed()).code == code
        await client.end()


async def test_close_code_survives_a_client_that_goes_on_sending(server: Running) -> None:
    """Closing a socket with unread bytes would reset it and lose the close frame."""
    async with connected(server.port) as client:
        await client.handshake()
        await client.send(frame(1, b"x" * (LIMIT + 1)) + frame(1, b"more") * 50_000)
        assert (await client.closed()).code == 1009


async def test_largest_message_passes(server: Running) -> None:
    async with connected(server.port) as client:
        await client.handshake()
        await client.send(frame(1, b"x" * LIMIT))
        assert len(await client.text()) == LIMIT


async def test_fragments_with_a_ping_between_them_pass(server: Running) -> None:
    async with connected(server.port) as client:
        await client.handshake()
        await client.send(frame(1, "hé".encode()[:2], fin=False) + frame(9, b"p"))
        assert await answer(client, opcode=10) == b"p"
        await client.send(frame(0, b"", fin=False) * 100 + frame(0, "é".encode()[1:] + b"llo"))
        assert await client.text() == "héllo"


@pytest.mark.parametrize("size", [0, 1, 3000])
async def test_binary_frames_reach_the_application(server: Running, size: int) -> None:
    async with connected(server.port) as client:
        await client.handshake()
        await client.send(frame(2, b"\x00" * size))
        assert await client.text() == f"{size} bytes"


async def test_ten_thousand_bad_frames(server: Running) -> None:
    async with connected(server.port) as client:
        await client.handshake()
        await client.send(frame(1, b"\xff") * 10_000)
        assert (await client.closed()).code == 1007


async def test_reset_in_the_middle_of_a_frame(server: Running) -> None:
    for _ in range(20):
        async with connected(server.port) as client:
            await client.handshake()
            await client.send(frame(1, b"x" * 1000)[:500])
            client.reset()


async def test_one_byte_at_a_time(server: Running) -> None:
    async with connected(server.port) as client:
        await client.handshake()
        for byte in frame(1, b"slowly"):
            await client.send(bytes([byte]))
        assert await client.text() == "slowly"


async def answer(client: RawClient, *, opcode: int) -> bytes:
    """Read on to the next frame of a kind."""
    while True:
        kind, payload = await client.frame()
        if kind == opcode:
            return payload
