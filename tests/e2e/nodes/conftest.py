"""Several nodes of one deployment in this process: one database, one Redis, a port each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest
import trio

from aeon.config import Settings
from aeon.main import open_services, serve_node
from aeon.services import Services
from tests.helpers.clients import DEADLINE_SECONDS, Server
from tests.helpers.redis import RedisServer, running_redis


@dataclass
class Node(Server):
    """A node as its clients see it, and its insides."""

    services: Services

    def __init__(self, url: str, services: Services) -> None:
        super().__init__(url)
        self.services = services

    async def has_passed_by(self, events: int) -> None:
        """Wait until so many events of other nodes, of chats with nobody here, have come.

        Who connects while such news is on its way may be sent it, after the greeting and in
        order; a test that names the first event of a connection waits for it before.
        """
        assert self.services.cluster is not None
        with trio.fail_after(DEADLINE_SECONDS):
            while self.services.cluster.relay.statistics().passed_by < events:  # noqa: ASYNC110
                await trio.sleep(0.005)


RunNode = Callable[[], AbstractAsyncContextManager[Node]]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
def settings(settings: Settings, redis: RedisServer) -> Settings:
    return Settings.model_validate({**settings.model_dump(), "redis_url": redis.url})


@pytest.fixture
def run_node(settings: Settings) -> RunNode:
    @asynccontextmanager
    async def run() -> AsyncIterator[Node]:
        async with open_services(settings) as services:
            stop = trio.Event()
            async with trio.open_nursery() as nursery:
                listening = await nursery.start(serve_node, services, stop)
                yield Node(listening.url, services)
                stop.set()

    return run


@pytest.fixture
async def a(run_node: RunNode) -> AsyncIterator[Node]:
    async with run_node() as node:
        yield node


@pytest.fixture
async def b(run_node: RunNode) -> AsyncIterator[Node]:
    async with run_node() as node:
        yield node
