"""Many connects at once: what they ask of the database, and who is made to wait."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from urllib.parse import quote

import pytest
import trio

from aeon.config import Settings
from aeon.limits import RATES, Kind, Limiter, Rate
from aeon.main import serve_node
from aeon.services import Services
from storage.ids import UserId
from tests.helpers.clients import Server
from tests.helpers.rawsocket import RawClient, connected
from tests.helpers.telegram import init_data

ANNA = 1001
PARALLEL = 8
ROUNDS = 3
"""The node's own housekeeping may ask something meanwhile: the cheapest of some counts."""


async def test_parallel_connects_of_one_person_share_one_query(
    server: Server, services: Services
) -> None:
    async with server.connected(ANNA):
        costs = []
        for _ in range(ROUNDS):
            services.logins.forget(UserId(ANNA))
            before = services.database.statistics().queries
            await connect_at_once(server, [ANNA] * PARALLEL)
            costs.append(services.database.statistics().queries - before)

    assert min(costs) == 1


async def test_a_person_who_was_just_here_costs_no_query(
    server: Server, services: Services
) -> None:
    async with server.connected(ANNA):
        costs = []
        for _ in range(ROUNDS):
            before = services.database.statistics().queries
            await connect_at_once(server, [ANNA] * PARALLEL)
            costs.append(services.database.statistics().queries - before)

    assert min(costs) == 0


async def test_a_resume_of_chats_where_nothing_happened_is_one_query(
    server: Server, services: Services
) -> None:
    async with server.person(ANNA) as anna, server.connected(ANNA) as socket:
        cursors = {str(await anna.create_group(title=f"G{n}")): 1 for n in range(6)}
        costs = []
        for _ in range(ROUNDS):
            before = services.database.statistics().queries
            ack = await socket.command("resume", cursors=cursors)
            costs.append(services.database.statistics().queries - before)

    assert min(costs) == 1
    assert {one["seq"] for one in ack["chats"].values()} == {1}


async def connect_at_once(server: Server, user_ids: list[int]) -> None:
    """Connect, wait until everybody was greeted, and hang up."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(server.port)) for _ in user_ids]
        async with trio.open_nursery() as nursery:
            for client, user_id in zip(clients, user_ids, strict=True):
                nursery.start_soon(greeted, client, user_id)


async def greeted(client: RawClient, user_id: int) -> None:
    await client.handshake(f"/ws?init_data={quote(init_data(user_id), safe='')}")
    assert '"connection_established"' in await client.text()


class TestWithFewAttempts:
    """Attempts of one address are counted before anybody is asked who they are."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"rate_limits": "on"})

    @pytest.fixture
    async def server(self, services: Services) -> AsyncIterator[Server]:
        limiter = Limiter({**RATES, Kind.KNOCK: Rate(burst=PARALLEL, per_second=0.001)})
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            limited = replace(services, limiter=limiter)
            listening = await nursery.start(serve_node, limited, stop)
            yield Server(listening.url)
            stop.set()

    async def test_an_address_that_knocks_again_and_again_is_told_to_back_off(
        self, server: Server
    ) -> None:
        codes = []
        for _ in range(PARALLEL + 2):
            async with connected(server.port) as client:
                await client.handshake("/ws?token=nonsense")
                codes.append((await client.closed()).code)

        assert codes == [4001] * PARALLEL + [4029] * 2

    async def test_whoever_has_a_network_of_ipv6_knocks_as_one(self, services: Services) -> None:
        limiter = Limiter({**RATES, Kind.KNOCK: Rate(burst=2, per_second=0.001)})
        proxied = services.settings.model_copy(update={"trusted_proxies": ["127.0.0.1"]})
        limited = replace(services, limiter=limiter, settings=proxied)
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            server = Server((await nursery.start(serve_node, limited, stop)).url)
            codes = [
                await code_for(server, address)
                for address in ("2001:db8::1", "2001:db8::2", "2001:db8::3:4:5:6", "2001:db8:0:1::")
            ]
            stop.set()

        assert codes == [4001, 4001, 4029, 4001]
        assert limiter.statistics()["buckets"] == 2


async def code_for(server: Server, address: str) -> int:
    """Knock as somebody behind a proxy."""
    async with connected(server.port) as client:
        await client.handshake("/ws?token=nonsense", f"X-Forwarded-For: {address}")
        return (await client.closed()).code
