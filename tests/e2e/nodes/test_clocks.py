"""Nodes and their PostgreSQL whose clocks differ by minutes: nothing compares them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import trio

from aeon.config import Settings
from aeon.main import open_services, serve_node
from tests.e2e.nodes.conftest import Node
from tests.helpers.redis import RedisServer

ANNA, BEN = 1001, 1002


def set_clock(database_url: str, minutes: int) -> None:
    """Let every statement of this database see another time: its own functions come first."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA skewed")
        for name in ("now", "statement_timestamp", "transaction_timestamp", "clock_timestamp"):
            connection.execute(
                f"CREATE FUNCTION skewed.{name}() RETURNS timestamptz LANGUAGE sql STABLE"
                f" AS $$SELECT pg_catalog.{name}() + interval '{minutes} minutes'$$".encode()
            )
        name = connection.info.dbname
        connection.execute(
            f'ALTER DATABASE "{name}" SET search_path = skewed, public, pg_catalog'.encode()
        )
        for [default] in connection.execute(
            "SELECT format('ALTER TABLE %I ALTER COLUMN %I SET DEFAULT skewed.now()',"
            " table_name, column_name) FROM information_schema.columns"
            " WHERE table_schema = 'public' AND column_default = 'now()'"
        ).fetchall():
            connection.execute(default.encode())


@asynccontextmanager
async def node_at(settings: Settings, minutes: int) -> AsyncIterator[Node]:
    def now() -> datetime:
        return datetime.now(UTC) + timedelta(minutes=minutes)

    async with open_services(settings) as services:
        services = replace(services, now=now)
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            listening = await nursery.start(serve_node, services, stop)
            yield Node(listening.url, services)
            stop.set()


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - another node changes it
            await trio.sleep(0.01)


@pytest.mark.parametrize("minutes", [-9, 9])
async def test_clocks_that_differ_by_minutes_change_nothing(
    settings: Settings, redis: RedisServer, minutes: int
) -> None:
    """One node is ahead of the other and of Telegram; PostgreSQL is further off than either."""
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    set_clock(url, minutes)
    with psycopg.connect(url) as connection:
        [off] = connection.execute("SELECT now() - pg_catalog.now()").fetchone() or [None]
    assert off == timedelta(minutes=minutes)
    async with (
        node_at(settings, 7) as a,
        node_at(settings, 0) as b,
        a.person(ANNA, "Anna") as anna,
        b.person(BEN, "Ben") as ben,
    ):
        chat = await anna.create_group(BEN)
        async with a.connected(ANNA) as at_a, b.connected(BEN, "Ben") as at_b:
            await anna.send(chat, "from a")
            await at_b.event("new_message", seq=2)
            await ben.send(chat, "from b")
            await at_a.event("new_message", seq=3)
            await at_b.event("new_message", seq=3)
            assert at_a.events == at_b.events
            # What the news of was lost is found by looking into PostgreSQL.
            assert a.services.bus is not None
            assert b.services.cluster is not None
            bus = a.services.bus
            bus.publish = lambda topic, payload: False  # type: ignore[method-assign]
            other = await anna.create_group(BEN)
            await b.services.cluster.sweep.hurry()
            await at_b.event("chat_created", chat_id=other)
            # Both see both, and each other's sessions.
            online = await anna.get(f"/api/v1/chats/{chat}/online")
            assert sorted(online["online"]) == [ANNA, BEN]
            token = await anna.post(
                "/api/v1/auth/token", {"init_data": anna.headers["X-Telegram-Init-Data"]}
            )
            headers = {"Authorization": f"Bearer {token['access_token']}"}
            assert (await ben.http.get("/api/v1/me", headers=headers)).status_code == 200
    # Redis is given durations only: nobody tells it the time, or asks for it.
    asked = redis.command("INFO", "commandstats").lower()
    assert b"cmdstat_pexpire:" in asked
    for absolute in (b"cmdstat_time:", b"cmdstat_expireat:", b"cmdstat_pexpireat:"):
        assert absolute not in asked
