"""The machinery of a run under faults: PostgreSQL, Redis, nodes, and what stands between them."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from aeon.load.cluster.bus_proxy import BusProxy
from aeon.load.cluster.redis_process import RedisProcess
from aeon.load.faults import LoadFault
from aeon.load.own_server import make_bot_token, settings_for_load
from aeon.load.server_process import ServerProcess
from storage import migrate
from storage.database import Database
from storage.embedded import EmbeddedPostgres, throwaway_directory

START_TRIES: Final = 8
"""Starts of a node that may fail because PostgreSQL is away at that moment."""
_TRY_AGAIN_SECONDS: Final = 1.0


class Node:
    """A node that is started again after each end, until the world ends."""

    def __init__(self, name: str, server: ServerProcess, proxy: BusProxy) -> None:
        self.name = name
        self.server = server
        self.proxy = proxy
        self.may_start = trio.Event()
        """While not set, it stays down after its end."""
        self.may_start.set()
        self.is_up = trio.Event()
        self.has_ended = trio.Event()
        """Of the latest start."""
        self.starts = 0

    async def run(self) -> None:
        """Keep it running.

        Raises:
            LoadFault: it does not start any more.
        """
        while True:
            await self._run_once()
            await self.may_start.wait()

    async def _run_once(self) -> None:
        for attempt in range(1, START_TRIES + 1):
            try:
                async with trio.open_nursery() as nursery:
                    await nursery.start(self.server.run)
                    self.starts += 1
                    self.has_ended = trio.Event()
                    self.is_up.set()
                self.is_up = trio.Event()
                self.has_ended.set()
            except* LoadFault:
                if attempt == START_TRIES:
                    raise
                await trio.sleep(_TRY_AGAIN_SECONDS)
            else:
                return


@dataclass(frozen=True, slots=True)
class World:
    """Everything of the run; frozen, what is in it is not."""

    bot_token: str
    postgres: EmbeddedPostgres
    database: Database
    """The verifier's own way to PostgreSQL, past all nodes."""
    redis: RedisProcess
    nodes: tuple[Node, ...]

    @property
    def urls(self) -> tuple[str, ...]:
        """Where the nodes listen."""
        return tuple(node.server.url for node in self.nodes)


@asynccontextmanager
async def open_world(
    *, nodes: int, redis_program: Path, max_chat_members: int, seed: int
) -> AsyncIterator[World]:
    """Start everything, and stop it at the end of the block.

    Raises:
        LoadFault: a part did not start.
    """
    bot_token = make_bot_token()
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(throwaway_directory("aeon-check-"))
        postgres = await stack.enter_async_context(EmbeddedPostgres.start(directory / "pg"))
        await migrate.upgrade(postgres.url)
        database = await stack.enter_async_context(Database.open(postgres.url, pool_size=4))
        redis = RedisProcess(redis_program, directory)
        stack.push_async_callback(redis.kill)
        await redis.start()
        settings = settings_for_load(directory, bot_token, max_chat_members=max_chat_members)
        made = []
        for number in range(nodes):
            proxy = BusProxy(redis.port, random.Random(f"{seed}/proxy/{number}"))
            await stack.enter_async_context(proxy.serving())
            environment = {
                **settings,
                "DATABASE_URL": postgres.url,
                "REDIS_URL": f"redis://127.0.0.1:{proxy.port}/0",
            }
            server = ServerProcess(directory, environment, name=f"node-{number}")
            made.append(Node(f"node-{number}", server, proxy))
        nursery = await stack.enter_async_context(trio.open_nursery())
        stack.callback(nursery.cancel_scope.cancel)
        for node in made:
            nursery.start_soon(node.run)
        for node in made:
            await node.is_up.wait()
        yield World(
            bot_token=bot_token,
            postgres=postgres,
            database=database,
            redis=redis,
            nodes=tuple(made),
        )
