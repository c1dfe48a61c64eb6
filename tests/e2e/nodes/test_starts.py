"""How a node starts with a Redis it can not use, and beside a deployment of others."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import trio

from aeon.config import Settings
from aeon.main import open_services, serve_node
from storage.bus import BusRefused
from storage.database import Database
from tests.e2e.nodes.conftest import Node
from tests.helpers.postgres import TestServer
from tests.helpers.redis import RedisServer, running_redis
from tests.helpers.telegram import BOT_TOKEN

ANNA, BEN = 1001, 1002


def with_redis(settings: Settings, url: str) -> Settings:
    return Settings.model_validate({**settings.model_dump(), "redis_url": url})


async def test_a_wrong_password_ends_the_start(settings: Settings) -> None:
    with running_redis("--requirepass", "right") as server:
        wrong = server.url.replace("redis://", "redis://:wrong-one@")
        with pytest.raises(BusRefused, match="password") as caught:
            async with open_services(with_redis(settings, wrong)):
                pass
    assert "wrong-one" not in str(caught.value)


def test_the_command_says_so_and_exits_with_2(database_url: str) -> None:
    with running_redis("--requirepass", "right") as server:
        environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": database_url,
            "REDIS_URL": server.url.replace("redis://", "redis://:wrong-one@"),
            "TELEGRAM_BOT_TOKEN": BOT_TOKEN,
            "SECRET_KEY": "s" * 48,
            "PORT": "0",
        }
        done = subprocess.run(
            [sys.executable, "-m", "aeon", "serve"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert done.returncode == 2
    assert "REDIS_URL: Redis refuses" in done.stderr
    assert "wrong-one" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


async def test_two_deployments_on_one_redis_never_meet(
    a: Node, settings: Settings, postgres_server: TestServer, redis: RedisServer
) -> None:
    url = postgres_server.create_database()
    try:
        # The template's copies have the template's id, as a restored backup has the original's.
        async with Database.open(url) as database, database.connection() as conn:
            await conn.execute("UPDATE deployment SET id = gen_random_uuid()")
        others = Settings.model_validate({**settings.model_dump(), "database_url": url})
        async with open_services(others) as services:
            stop = trio.Event()
            async with trio.open_nursery() as nursery:
                listening = await nursery.start(serve_node, services, stop)
                b = Node(listening.url, services)
                async with (
                    a.person(ANNA, "Anna") as at_a,
                    b.person(BEN, "Ben"),
                    a.person(BEN, "Ben"),
                    b.person(ANNA, "Anna") as at_b,
                    a.connected(BEN, "Ben") as ben_a,
                    b.connected(BEN, "Ben") as ben_b,
                ):
                    chats = [await rest.create_group(BEN) for rest in (at_a, at_b)]
                    # The same ids in both: only the deployments tell them apart.
                    assert chats[0] == chats[1]
                    await at_a.send(chats[0], "for a")
                    await at_b.send(chats[1], "for b")
                    for socket, text in ((ben_a, "for a"), (ben_b, "for b")):
                        await socket.event("new_message", seq=2)
                        texts = [e["message"]["text"] for e in socket.events if e["seq"] == 2]
                        assert texts == [text]
                    for node in (a, b):
                        assert node.services.bus is not None
                        assert node.services.bus.statistics().received == 0
                        assert len(await node.services.bus.live_nodes()) == 1
                stop.set()
    finally:
        postgres_server.drop_database(url)
