"""The attacks of ``tests/e2e/attacks`` that concern the whole node, on a whole node."""

from __future__ import annotations

import trio

from tests.helpers.clients import DEADLINE_SECONDS, Server
from tests.helpers.rawsocket import connected, frame, get, upgrade


async def test_node_outlives_attacks_and_keeps_no_task_of_them(server: Server) -> None:
    port = int(server.url.rpartition(":")[2])
    await serves(port)
    at_rest = trio.lowlevel.current_statistics().tasks_living
    attacks = [
        b"",
        b"\x00" * 1000,
        get("/nowhere", "Upgrade: websocket", "Connection: Upgrade"),
        upgrade("/nowhere") + frame(1, b"anyway"),
        upgrade("/ws") + frame(1, b"glued"),
        upgrade("/ws?token=nonsense"),
        get("/api/v1/health") * 50,
    ]
    for attack in attacks * 5:
        async with connected(port) as client:
            await client.send(attack)
            client.reset()
    for bad, code in ((frame(3), 1002), (frame(1, b"\xff"), 1007), (frame(1, b"x" * 65537), 1009)):
        async with connected(port) as client:
            await client.handshake("/ws")
            await client.send(bad)
            assert (await client.closed()).code == code
    await serves(port)
    with trio.fail_after(DEADLINE_SECONDS):
        while trio.lowlevel.current_statistics().tasks_living > at_rest:  # noqa: ASYNC110
            await trio.sleep(0.01)


async def serves(port: int) -> None:
    async with connected(port) as client:
        await client.send(get("/api/v1/health", "Connection: close"))
        assert (await client.head()).startswith(b"HTTP/1.1 200")
