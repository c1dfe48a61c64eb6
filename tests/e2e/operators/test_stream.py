"""The stream of overviews, and the endpoints while the database is away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import orjson
import pytest
import trio
from pydantic import SecretStr

from actors.runtime import Address
from aeon.admin import stream as stream_module
from aeon.admin.models import Overview
from aeon.config import Settings
from aeon.main import open_services, serve_node
from aeon.services import Services
from tests.e2e.operators.conftest import ADMIN_ID, ADMIN_TOKEN, Blockade
from tests.helpers.clients import DEADLINE_SECONDS, Rest, Server
from tests.helpers.proxy import PostgresProxy
from tests.helpers.telegram import init_data

HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
STREAM = "/api/v1/admin/stream"
ANNA = 1001


class Follower:
    """A reader of the stream over a bare socket; one chunk is one event."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._unread = b""

    async def until(self, end: bytes) -> bytes:
        """Read up to ``end``; what there is when the server hangs up."""
        while end not in self._unread:
            data = await self._stream.receive_some()
            if not data:
                found, self._unread = self._unread, b""
                return found
            self._unread += data
        found, _, self._unread = self._unread.partition(end)
        return found

    async def next_overview(self) -> Overview:
        await self.until(b"event: overview\ndata: ")
        return Overview.model_validate(orjson.loads(await self.until(b"\n\n")))


@asynccontextmanager
async def following(server: Server) -> AsyncIterator[tuple[Follower, str]]:
    async with await trio.open_tcp_stream(server.host, server.port) as stream:
        lines = [f"GET {STREAM} HTTP/1.1", "Host: aeon", f"Authorization: Bearer {ADMIN_TOKEN}"]
        await stream.send_all("\r\n".join([*lines, "", ""]).encode())
        follower = Follower(stream)
        with trio.fail_after(60):
            yield follower, (await follower.until(b"\r\n\r\n")).decode().lower()


async def until_busy(services: Services, chat_id: int, *, busy: bool = True) -> None:
    with trio.fail_after(DEADLINE_SECONDS):
        while (services.system.describe(Address("chat", chat_id)).state == "busy") is not busy:
            await trio.lowlevel.checkpoint()


async def none_open(services: Services) -> None:
    with trio.fail_after(DEADLINE_SECONDS):
        while len(services.streams):  # noqa: ASYNC110 - the server tells nobody
            await trio.sleep(0.01)


async def test_it_shows_what_is_stuck_and_gives_its_place_back(
    server: Server, services: Services, blockade: Blockade
) -> None:
    async with server.person(ANNA) as anna, trio.open_nursery() as nursery:
        chat_id = await anna.create_group()
        blockade.chats.add(chat_id)
        nursery.start_soon(
            lambda: anna.request(
                "POST", "/api/v1/messages/", json={"chat_id": chat_id, "text": "x"}
            )
        )
        await blockade.caught.wait()
        async with following(server) as (follower, head):
            assert "content-type: text/event-stream" in head
            assert "cache-control: no-store" in head
            overviews = [await follower.next_overview() for _ in range(3)]
            assert [row.address for row in overviews[-1].stuck] == [f"chat/{chat_id}"]
            assert overviews[-1].busiest[0].address == f"chat/{chat_id}"
            names = [node.name for node in overviews[-1].tree.children]
            assert {"writer", "audit", "chat", "user"} <= set(names)
            assert len(services.streams) == 1
        await none_open(services)
        nursery.cancel_scope.cancel()
    # However many events there were: one use.
    assert [use.action for use in services.audit.recent()] == ["stream_overview"]


async def test_streams_are_bounded_and_share_their_work(
    server: Server, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One overview a minute: both readers come within it, also on a slow machine.
    monkeypatch.setattr(stream_module, "EVERY_SECONDS", 60.0)
    worked = 0
    original = services.streams.latest

    async def latest(source: stream_module.Source) -> bytes:
        async def counted() -> bytes:
            nonlocal worked
            worked += 1
            return await source()

        return await original(counted)

    object.__setattr__(services.streams, "latest", latest)
    services.streams._max_streams = 2
    async with following(server) as (first, _), following(server) as (second, _):
        await first.next_overview()
        await second.next_overview()
        assert worked == 1
        async with httpx.AsyncClient(base_url=server.url, headers=HEADERS) as http:
            refused = await http.get(STREAM)
            assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
            assert (await http.head(STREAM)).status_code == 503
    await none_open(services)


async def test_it_ends_when_the_node_drains(services: Services) -> None:
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        listening = await nursery.start(serve_node, services, stop)
        async with following(Server(listening.url)) as (follower, _):
            await follower.next_overview()
            stop.set()
            # The whole answer, to its last chunk.
            assert (await follower.until(b"\r\n0\r\n\r\n")) == b""
        await none_open(services)


async def test_everything_answers_while_the_database_is_away(settings: Settings) -> None:
    assert settings.database_url is not None
    raw, stop = init_data(ADMIN_ID, "Admin"), trio.Event()
    async with PostgresProxy.open(settings.database_url.get_secret_value()) as proxied:
        url = SecretStr(proxied.url)
        async with (
            open_services(settings.model_copy(update={"database_url": url})) as services,
            trio.open_nursery() as nursery,
        ):
            listening = await nursery.start(serve_node, services, stop)
            await look_while_away(proxied, Server(listening.url), services, raw)
            stop.set()


async def look_while_away(
    proxied: PostgresProxy, server: Server, services: Services, raw: str
) -> None:
    async with (
        httpx.AsyncClient(base_url=server.url, timeout=10) as http,
        following(server) as (follower, _),
    ):
        admin, token = Rest(http, raw, ADMIN_ID), HEADERS
        await admin.get("/api/v1/admin/system")
        chat_id = await admin.create_group()
        await services.audit.flush(5)
        proxied.flowing = trio.Event()
        async with trio.open_nursery() as nursery:
            body = {"chat_id": chat_id, "text": "held up by the database"}
            nursery.start_soon(lambda: admin.request("POST", "/api/v1/messages/", json=body))
            await until_busy(services, chat_id)
            path = f"/api/v1/admin/actors/chat/{chat_id}/restart"
            assert (await http.post(path, headers=token)).status_code == 200
            await until_busy(services, chat_id, busy=False)
            nursery.cancel_scope.cancel()
        with trio.fail_after(DEADLINE_SECONDS):
            for path in ("system", "actors", "tree", "dead-letters", "sessions"):
                for headers in (admin.headers, token):
                    answer = await http.get(f"/api/v1/admin/{path}", headers=headers)
                    assert answer.status_code == 200, (path, answer.text)
            answer = await http.post("/api/v1/admin/actors/chat/1/stop", headers=token)
            assert answer.status_code == 200
            trail = (await http.get("/api/v1/admin/audit", headers=token)).json()
            assert trail["is_complete"] is False
            assert trail["entries"][0]["action"] == "stop_actor"
            await follower.next_overview()
            assert services.audit.statistics().waiting >= 11
        proxied.flowing.set()
        assert await services.audit.flush(20)
        trail = (await http.get("/api/v1/admin/audit", headers=token)).json()
        assert trail["is_complete"] is True
        assert services.audit.statistics().lost == 0
        assert len([one for one in trail["entries"] if one["action"] == "show_tree"]) == 2
