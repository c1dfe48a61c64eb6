"""Who is online, over nodes: a connection anywhere counts, and a killed node's people leave."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

from aeon.config import Settings
from tests.e2e.nodes.conftest import Node
from tests.helpers.clients import DEADLINE_SECONDS
from tests.helpers.redis import RedisServer
from tests.helpers.workers import serving_environment, serving_with_workers

ANNA, BORIS, CLARA = 1001, 1002, 1003


async def test_a_connection_on_any_node_counts(a: Node, b: Node) -> None:
    async with a.person(ANNA) as anna, b.person(BORIS, "Boris"), b.person(CLARA, "Clara"):
        chat_id = await anna.create_group(BORIS, CLARA)
        async with a.connected(ANNA) as socket:
            async with b.connected(BORIS, "Boris"):
                await socket.event("user_status", user_id=BORIS, is_online=True)
                async with a.connected(BORIS, "Boris"), b.connected(CLARA, "Clara"):
                    await socket.event("user_status", user_id=CLARA, is_online=True)
                there = await anna.get(f"/api/v1/chats/{chat_id}/online")
            await socket.event("user_status", user_id=BORIS, is_online=False)

    assert there["online"] == [ANNA, BORIS, CLARA]
    told = [(one["user_id"], one["is_online"]) for one in socket.frames if "is_online" in one]
    assert told.count((BORIS, True)) == told.count((BORIS, False)) == 1


async def test_who_was_there_before_is_asked_for(a: Node, b: Node) -> None:
    async with a.person(ANNA) as anna, b.person(BORIS, "Boris") as boris:
        chat_id = await anna.create_group(BORIS)
        async with b.connected(BORIS, "Boris"), a.connected(ANNA):
            # The other node hears of him by the bus, soon and not at once.
            with trio.fail_after(DEADLINE_SECONDS):
                there = await anna.get(f"/api/v1/chats/{chat_id}/online")
                while there["online"] != [ANNA, BORIS]:
                    await trio.sleep(0.05)
                    there = await anna.get(f"/api/v1/chats/{chat_id}/online")
            await boris.put("/api/v1/me", {"privacy": {"show_last_seen": False}})
            there = await anna.get(f"/api/v1/chats/{chat_id}/online")
            assert there["online"] == [ANNA]


@pytest.mark.skipif("AEON_LONG_TESTS" not in os.environ, reason="takes 25 s; AEON_LONG_TESTS=1")
async def test_a_killed_node_takes_its_people_offline(
    a: Node, redis: RedisServer, settings: Settings, tmp_path: Path
) -> None:
    assert settings.database_url is not None
    environment = serving_environment(
        settings.database_url.get_secret_value(), tmp_path, REDIS_URL=redis.url
    )
    with serving_with_workers(environment, tmp_path) as other:
        async with a.person(ANNA) as anna, a.person(BORIS, "Boris"), a.connected(ANNA) as socket:
            await anna.create_group(BORIS)
            async with other.server.connected(BORIS, "Boris") as doomed:
                await socket.event("user_status", user_id=BORIS, is_online=True)
                other.process.kill()
                await doomed.wait_closed()
            with trio.fail_after(24):
                while not any(frame.get("is_online") is False for frame in socket.frames):
                    await socket.wait_for_frames(1)
