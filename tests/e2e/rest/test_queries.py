"""What requests cost the database: a returning person's polls are cheap, and no list is N + 1."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aeon.services import Services
from storage.ids import UserId
from tests.helpers.clients import Rest, Server

ANNA, BORIS = 1001, 1002
TRIES = 3
"""The node's own housekeeping may ask something meanwhile: the cheapest of some counts."""


class Cost:
    queries = 0
    transactions = 0


@asynccontextmanager
async def counted(services: Services) -> AsyncIterator[Cost]:
    before = services.database.statistics()
    cost = Cost()
    yield cost
    after = services.database.statistics()
    cost.queries = after.queries - before.queries
    cost.transactions = after.transactions - before.transactions


async def _fill(anna: Rest, chats: int, messages: int) -> int:
    chat_id = 0
    for number in range(chats):
        chat_id = await anna.create_group(BORIS, title=f"G{number}")
        for text in range(messages):
            await anna.send(chat_id, f"m{text}")
    return chat_id


@pytest.mark.parametrize("chats", [1, 6])
async def test_reads(server: Server, services: Services, chats: int) -> None:
    async with server.person(BORIS, "Boris"), server.person(ANNA) as anna:
        chat_id = await _fill(anna, chats, messages=4)
        history = f"/api/v1/messages/chat/{chat_id}"
        etag = (await anna.request("GET", history)).headers["ETag"]
        cases = [
            ("/api/v1/me", {}, 0),
            ("/api/v1/chats/", {}, 1),
            (f"/api/v1/chats/{chat_id}", {}, 2),
            (history, {}, 3),
            # A poll of a chat where nothing happened reads no message.
            (history, {"If-None-Match": etag}, 1),
        ]
        for path, headers, most in cases:
            costs = []
            for _ in range(TRIES):
                async with counted(services) as cost:
                    await anna.request("GET", path, headers=headers)
                costs.append(cost.queries)
            assert min(costs) <= most, path


async def test_logging_in(server: Server, services: Services) -> None:
    async with server.person(ANNA) as anna:
        first, next_ones = [], []
        for _ in range(TRIES):
            services.logins.forget(UserId(ANNA))
            async with counted(services) as cost:
                await anna.get("/api/v1/me")
            first.append((cost.queries, cost.transactions))
            async with counted(services) as cost:
                await anna.get("/api/v1/me")
            next_ones.append(cost.queries)
    assert min(first) == (1, 0)
    assert min(next_ones) == 0


async def test_a_send_is_one_transaction(server: Server, services: Services) -> None:
    async with server.person(ANNA) as anna:
        chat_id = await anna.create_group()
        costs = []
        for _ in range(TRIES):
            async with counted(services) as cost:
                await anna.send(chat_id, "Hello")
            costs.append(cost.transactions)
    assert min(costs) == 1


async def test_privacy_costs_no_query(server: Server, services: Services) -> None:
    """Hiding is a look-up inside the statements there are, for every reader alike."""
    async with server.person(BORIS, "Boris") as boris, server.person(ANNA) as anna:
        chat_id = await _fill(anna, chats=1, messages=4)
        costs: list[list[tuple[int, int]]] = []
        for hides in (False, True):
            await boris.put("/api/v1/me", {"privacy": {"show_read_receipts": not hides}})
            await boris.get("/api/v1/me")
            tries = []
            for number in range(TRIES):
                message = await anna.send(chat_id, f"{hides} {number}")
                paths = [
                    ("GET", f"/api/v1/messages/chat/{chat_id}"),
                    ("GET", f"/api/v1/chats/{chat_id}"),
                    ("GET", f"/api/v1/messages/{message['id']}/readers"),
                    ("POST", f"/api/v1/messages/chat/{chat_id}/read-all"),
                ]
                counts = []
                for method, path in paths:
                    async with counted(services) as cost:
                        assert (await boris.request(method, path)).is_success
                    counts.append((cost.queries, cost.transactions))
                tries.append(counts)
            costs.append([min(column) for column in zip(*tries, strict=True)])
    shown, hidden = costs
    assert [queries for queries, _ in shown[:3]] == [3, 2, 1]
    assert hidden[:3] == shown[:3]
    # Marking is one transaction; without an event it has less to write.
    assert shown[3][1] == hidden[3][1] == 1
    assert hidden[3][0] <= shown[3][0]
