"""Pressure and endings: a stalled reader, too many windows, a server that stops."""

import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import orjson
import pytest
import trio
import trio.testing
import trio_websocket

from aeon.config import Settings
from aeon.limits import RATES, Kind
from aeon.main import serve_node
from aeon.services import Services
from storage.ids import UserId
from tests.helpers.clients import DEADLINE_SECONDS, Server
from tests.helpers.rawsocket import connected, frame
from tests.helpers.telegram import init_data

ANNA, BORIS = 1001, 1002
LONG_TEXT = "\U0001f600" * 4096
MAX_SENDS = 4_000


@asynccontextmanager
async def stalled_reader(server: Server, user_id: int) -> AsyncIterator[None]:
    """Connect somebody who reads the greeting and then nothing any more."""
    # A small receive buffer, so that the server's side fills soon.
    sock = trio.socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    await sock.connect((server.host, server.port))
    async with trio.SocketStream(sock) as stream, trio.open_nursery() as nursery:
        raw = quote(init_data(user_id), safe="")
        connection = await trio_websocket.wrap_client_stream(
            nursery,
            stream,
            f"{server.host}:{server.port}",
            f"/ws?init_data={raw}",
            message_queue_size=1,
        )
        await connection.get_message()
        yield
        nursery.cancel_scope.cancel()


async def test_a_stalled_reader_is_cut_off_and_loses_nothing(
    server: Server, services: Services
) -> None:
    async with (
        server.person(ANNA) as anna,
        server.person(BORIS),
        server.connected(ANNA) as reader,
    ):
        chat_id = await anna.create_group(BORIS)
        sent = 0
        async with stalled_reader(server, BORIS):
            while services.fanout.is_connected(UserId(BORIS)):
                await anna.send(chat_id, LONG_TEXT)
                sent += 1
                assert sent < MAX_SENDS
        async with server.connected(BORIS) as back:
            ack = await back.command("resume", cursors={str(chat_id): 1})
        await reader.event("new_message", seq=sent + 1)

    assert [event["seq"] for event in reader.events] == list(range(1, sent + 2))
    assert [event["seq"] for event in back.events] == list(range(2, sent + 2))
    assert ack["chats"][str(chat_id)]["replayed"] == sent


async def test_a_replay_leaves_room_for_what_comes_live_in_other_chats(
    server: Server, services: Services
) -> None:
    async with server.person(ANNA) as anna, server.person(BORIS):
        missed, named, unnamed = [await anna.create_group(BORIS, title=title) for title in "ABC"]
        for _ in range(100):
            await anna.send(missed, LONG_TEXT)
        async with connected(server.port, receive_buffer_bytes=4096) as client:
            await client.handshake(f"/ws?init_data={quote(init_data(BORIS), safe='')}")
            await client.text()
            cursors = {str(missed): 1, str(named): 1}
            await client.send(frame(1, orjson.dumps({"type": "resume", "cursors": cursors})))
            (session,) = services.fanout.sessions_of(UserId(BORIS))
            while not session.pending_frames:
                await trio.testing.wait_all_tasks_blocked()
            for chat_id in (named, unnamed):
                await anna.send(chat_id, "live")
            events: list[tuple[int, int]] = []
            while len(events) < 102:
                event = orjson.loads(await client.text())
                if "seq" in event:
                    events.append((event["chat_id"], event["seq"]))

    assert [seq for chat_id, seq in events if chat_id == missed] == list(range(2, 102))
    assert {(named, 2), (unnamed, 2)} < set(events[:-1]), "not behind the replay"


async def test_a_slow_reader_gets_to_see_why_it_is_closed(
    server: Server, services: Services
) -> None:
    """What waits is dropped: at its pace the code would come after the deadline of the close."""
    seqs: list[int] = []
    async with server.person(ANNA) as anna, server.person(BORIS):
        chat_id = await anna.create_group(BORIS)
        async with connected(server.port, receive_buffer_bytes=65536) as client:
            await client.handshake(f"/ws?init_data={quote(init_data(BORIS), safe='')}")
            await client.text()
            while services.fanout.is_connected(UserId(BORIS)):
                await anna.send(chat_id, LONG_TEXT)
            opcode, payload = await client.frame()
            while opcode == 1:
                await trio.sleep(0.1)
                seqs.append(orjson.loads(payload)["seq"])
                opcode, payload = await client.frame()

    assert (opcode, payload[2:]) == (8, b"too_slow")
    assert seqs == list(range(2, len(seqs) + 2))


async def test_one_window_too_many_replaces_the_oldest(server: Server, services: Services) -> None:
    async with trio.open_nursery() as nursery:
        oldest_closed: list[int] = []

        async def keep_open(task_status: trio.TaskStatus[None]) -> None:
            async with server.connected(ANNA) as socket:
                task_status.started()
                closed = await socket.wait_closed(deadline_seconds=60)
                oldest_closed.append(closed.code)

        for _ in range(17):
            await nursery.start(keep_open)
        with trio.fail_after(DEADLINE_SECONDS):
            while not oldest_closed:
                await trio.testing.wait_all_tasks_blocked(0.01)
        assert len(services.fanout.sessions_of(UserId(ANNA))) == 16
        nursery.cancel_scope.cancel()

    assert oldest_closed == [4009]


async def test_a_thousand_connections_by_one_user(server: Server, services: Services) -> None:
    """Each newcomer replaces the oldest; sixteen stay, nobody else notices, nothing is left."""
    target = f"/ws?init_data={quote(init_data(ANNA), safe='')}"
    codes: list[int] = []
    async with server.connected(BORIS) as other, trio.open_nursery() as nursery:
        at_rest = trio.lowlevel.current_statistics().tasks_living

        async def keep_open(task_status: trio.TaskStatus[None]) -> None:
            async with connected(server.port) as client:
                await client.handshake(target)
                await client.text()
                task_status.started()
                codes.append((await client.closed()).code)

        for _ in range(1_000):
            await nursery.start(keep_open)
        with trio.fail_after(DEADLINE_SECONDS):
            while len(codes) < 1_000 - 16:
                await trio.testing.wait_all_tasks_blocked(0.01)
        assert len(services.fanout.sessions_of(UserId(ANNA))) == 16
        assert (await other.command("ping"))["type"] == "pong"
        nursery.cancel_scope.cancel()
    with trio.fail_after(DEADLINE_SECONDS):
        while trio.lowlevel.current_statistics().tasks_living > at_rest:
            await trio.testing.wait_all_tasks_blocked(0.01)

    assert set(codes) == {4009}


async def test_a_stopping_server_says_when_to_come_back(services: Services) -> None:
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        listening = await nursery.start(serve_node, services, stop)
        server = Server(listening.url)
        async with server.connected(ANNA) as first, server.connected(BORIS) as second:
            stop.set()
            farewells = [await socket.event("server_shutdown") for socket in (first, second)]
            closings = [await socket.wait_closed() for socket in (first, second)]

    assert [closing.code for closing in closings] == [1012, 1012]
    delays = [farewell["reconnect_after_ms"] for farewell in farewells]
    assert all(1_000 <= delay <= 11_000 for delay in delays)


async def test_who_comes_to_a_stopping_server_is_told_when_to_come_back(
    server: Server, services: Services
) -> None:
    services.lifecycle.is_draining = True
    async with server.socket() as socket:
        closed = await socket.wait_closed()

    assert closed.code == 1012
    assert [frame["type"] for frame in socket.frames] == ["server_shutdown"]


async def test_a_session_that_is_revoked_ends_its_connections(server: Server) -> None:
    async with server.person(ANNA) as anna:
        token = await anna.http.post(
            "/api/v1/auth/token", json={"init_data": init_data(ANNA), "device": "phone"}
        )
        access_token = token.json()["access_token"]
        async with server.socket(f"?token={access_token}") as socket:
            await socket.event("connection_established")
            sessions = await anna.get("/api/v1/auth/sessions")
            await anna.delete(f"/api/v1/auth/sessions/{sessions[0]['id']}")
            closed = await socket.wait_closed()
        async with server.socket(f"?token={access_token}") as socket:
            refused = await socket.wait_closed()

    assert (closed.code, closed.reason) == (4009, "revoked")
    assert (refused.code, refused.reason) == (4001, "token_invalid")


class TestWithRateLimits:
    """With RATE_LIMITS=on attempts are counted."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"rate_limits": "on"})

    async def test_a_person_who_connects_again_and_again_is_told_to_back_off(
        self, server: Server
    ) -> None:
        codes: list[int] = []
        for _ in range(10 * RATES[Kind.CONNECT].burst):
            async with server.socket(f"?init_data={quote(init_data(ANNA), safe='')}") as socket:
                await socket.wait_for_any()
                if socket.closed is not None:
                    codes.append(socket.closed.code)
                    break
        async with server.connected(BORIS) as other:
            await other.command("ping")

        assert codes == [4029]

    async def test_sends_beyond_the_rate_are_told_how_long_to_wait(self, server: Server) -> None:
        async with server.person(ANNA) as anna, server.connected(ANNA) as socket:
            chat_id = await anna.create_group()
            # All at once: answered one by one, they would be as slow as this machine.
            for number in range(2 * RATES[Kind.SEND].burst):
                await socket.send("send_message", id=f"{number}", chat_id=chat_id, text="x")
            reply = await socket.frame(lambda frame: frame["type"] == "error")

        assert reply["code"] == "rate_limited"
        assert reply["retryable"] is True
        assert reply["retry_after_ms"] > 0


async def test_strangers_who_only_talk_nonsense_are_given_up(server: Server) -> None:
    async with server.socket() as socket:
        with contextlib.suppress(trio_websocket.ConnectionClosed):
            for _ in range(1_000):
                await socket.send("ping")
        closed = await socket.wait_closed()

    assert closed.code == 4010
    assert {frame["code"] for frame in socket.frames} == {"unauthenticated"}
