"""The bus over a real Redis that is stopped, silenced, emptied, or says no."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest
import trio
from coredis.typing import ResponseType
from structlog.testing import capture_logs

from aeon.load.cluster.bus_proxy import BusProxy
from storage.bus import BusAway, BusRefused
from storage.bus_packet import VERSION, encode_packet
from storage.bus_redis import RedisBus, RedisOptions
from tests.helpers.redis import RedisServer, free_port, running_redis

QUICK = RedisOptions(
    connect_seconds=5.0,
    ping_seconds=0.1,
    answer_seconds=1.0,
    heartbeat_seconds=0.1,
    node_expiry_seconds=1.5,
    last_retry_seconds=0.1,
)


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


PATIENT = replace(QUICK, answer_seconds=5.0)
"""Where nobody may hang up: a busy machine is no silent Redis."""


def make_bus(url: str, namespace: str = "aeon:test", options: RedisOptions = QUICK) -> RedisBus:
    return RedisBus(url, namespace=namespace, options=options)


@asynccontextmanager
async def running(*buses: RedisBus) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        for bus in buses:
            await nursery.start(bus.run)
        with trio.fail_after(60):
            yield
        nursery.cancel_scope.cancel()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - another process changes it
        await trio.sleep(0.005)


async def until_nodes(bus: RedisBus, *others: RedisBus) -> None:
    wanted = {each.node_id for each in (bus, *others)}
    while await bus.live_nodes() != wanted:  # noqa: ASYNC110 - another process changes it
        await trio.sleep(0.01)


async def is_heard(sender: RedisBus, heard: list[bytes], payload: bytes) -> None:
    assert sender.publish("t", payload)
    await until(lambda: heard[-1:] == [payload])


def pair(
    server: RedisServer, options: RedisOptions = QUICK
) -> tuple[RedisBus, RedisBus, list[bytes]]:
    a, b = (make_bus(server.url, options=options) for _ in range(2))
    heard: list[bytes] = []
    b.on("t", lambda _sender, payload: heard.append(payload))
    return a, b, heard


async def test_it_heals_after_a_restart(server: RedisServer) -> None:
    a, b, heard = pair(server)
    greeted: list[int] = []

    async def greet() -> None:
        greeted.append(b.statistics().connects)

    b.on_connect(greet)
    async with running(a, b):
        await is_heard(a, heard, b"before")
        server.stop()
        await until(lambda: not a.is_connected and not b.is_connected)
        assert not a.publish("t", b"lost")
        server.start()
        await until(lambda: a.is_connected and b.is_connected)
        await is_heard(a, heard, b"after")
        assert heard == [b"before", b"after"]
        assert greeted == [1, 2]
        assert a.statistics().reconnects == 1
        assert a.statistics().dropped == 1


async def test_silence_is_noticed_and_healed(server: RedisServer) -> None:
    a, b, heard = pair(server)
    async with running(a, b):
        server.pause()
        await until(lambda: not a.is_connected and not b.is_connected)
        assert a.statistics().last_error == "redis_silent"
        server.resume()
        await until(lambda: a.is_connected and b.is_connected)
        await is_heard(a, heard, b"after")


def test_silence_is_noticed_within_two_seconds_unless_told_otherwise() -> None:
    options = RedisOptions()
    assert options.ping_seconds + options.answer_seconds < 2.0


async def test_an_emptied_redis_changes_nothing_for_long(server: RedisServer) -> None:
    a, b, heard = pair(server)
    async with running(a, b):
        await is_heard(a, heard, b"1")
        server.flush()
        await is_heard(a, heard, b"2")
        await until_nodes(a, b)


async def test_a_dead_node_and_its_sets_are_forgotten(server: RedisServer) -> None:
    a, b, _ = pair(server)
    async with running(a):
        async with running(b):
            await b.add_members("online", [1, 2])
            await until_nodes(a, b)
            await trio.sleep(2 * QUICK.node_expiry_seconds)
            assert await a.members_of(b.node_id, "online") == {1, 2}
        await until_nodes(a)
        # Renewed after the sign of life, it expires a moment after it.
        while await a.members_of(b.node_id, "online"):  # noqa: ASYNC110 - Redis changes it
            await trio.sleep(0.005)


async def test_two_deployments_never_meet(server: RedisServer) -> None:
    a, b = make_bus(server.url, "aeon:one"), make_bus(server.url, "aeon:two")
    heard: list[bytes] = []
    b.on("t", lambda _sender, payload: heard.append(payload))
    async with running(a, b):
        a.publish("t", b"x")
        await until(lambda: a.statistics().published == 1)
        await b.add_members("online", [1])
        assert await a.live_nodes() == {a.node_id}
        assert await a.members_of(b.node_id, "online") == frozenset()
        keys = server.command("KEYS", "*")
        assert keys.count(b"aeon:") == keys.count(b"aeon:one:") + keys.count(b"aeon:two:")
    assert heard == []


async def test_foreign_packets_are_counted_and_ignored(server: RedisServer) -> None:
    a, _, _ = pair(server)
    heard: list[bytes] = []
    a.on("t", lambda _sender, payload: heard.append(payload))
    known = encode_packet("00" * 8, [("t", b"known")])
    newer = bytes([VERSION + 1]) + encode_packet("00" * 8, [("t", b"newer")])[1:]
    async with running(a):
        for packet in (b"rubbish", newer, known):
            server.publish("aeon:test:bus", packet)
        await until(lambda: heard == [b"known"])
        assert a.statistics().ignored == 2


async def test_what_comes_in_faster_than_turns_does_not_pile_up(server: RedisServer) -> None:
    a = RedisBus(server.url, namespace="aeon:test")
    waiting: list[int] = []

    def look(_sender: str, _payload: bytes) -> None:
        assert a._connection is not None
        waiting.append(a._connection._push_message_buffer_in.statistics().current_buffer_used)

    a.on("t", look)
    packet = encode_packet("00" * 8, [("t", bytes(150))])
    publish = b"*3\r\n$7\r\nPUBLISH\r\n$13\r\naeon:test:bus\r\n$%d\r\n%b\r\n"
    count = 4_000
    async with running(a), await trio.open_tcp_stream("127.0.0.1", server.port) as others:
        await others.send_all(publish % (len(packet), packet) * count)
        await until(lambda: len(waiting) == count)
    # No more than a few reads of 64 KiB from the socket hold; all of them are 0.9 MB.
    assert max(waiting) < count // 4


async def test_a_wrong_password_is_refused_at_the_start() -> None:
    with running_redis("--requirepass", "right") as server:
        for password, code in (("", "redis_password_needed"), (":wrong@", "redis_wrong_password")):
            url = server.url.replace("redis://", f"redis://{password}")
            with capture_logs() as logs, pytest.raises(BusRefused) as caught:
                await make_bus(url).check()
            assert caught.value.code == code
            assert "wrong@" not in str(caught.value)
            assert "wrong@" not in str(logs)
        bus = make_bus(server.url.replace("redis://", "redis://:right@"))
        await bus.check()
        async with running(bus):
            assert bus.is_connected


@pytest.mark.parametrize(
    ("settings", "database", "code", "words"),
    [
        (("--cluster-enabled", "yes"), 0, "redis_cluster", "Redis Cluster"),
        ((), 16, "redis_no_database", "no database of that number"),
    ],
)
async def test_a_redis_that_can_never_carry_the_bus_is_refused_at_the_start(
    settings: tuple[str, ...], database: int, code: str, words: str
) -> None:
    with running_redis(*settings) as server:
        bus = make_bus(f"redis://127.0.0.1:{server.port}/{database}")
        with pytest.raises(BusRefused, match=words) as caught:
            await bus.check()
        assert caught.value.code == code
        # One that became so while nodes run.
        async with running(bus):
            assert not bus.is_connected
            assert bus.statistics().last_error == code


async def test_a_password_that_became_wrong_is_told_once_and_retried() -> None:
    with running_redis("--requirepass", "right") as server:
        bus = make_bus(server.url.replace("redis://", "redis://:wrong@"))
        with capture_logs() as logs:
            async with running(bus):
                assert not bus.is_connected
                assert bus.statistics().last_error == "redis_wrong_password"
                await trio.sleep(0.5)
        assert [log["code"] for log in logs] == ["redis_wrong_password"]
        assert "wrong@" not in str(logs)


async def test_being_stopped_while_it_connects_is_no_trouble() -> None:
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve_words, b"")
        bus = make_bus(f"redis://127.0.0.1:{port}/0")
        with capture_logs() as logs, trio.move_on_after(QUICK.connect_seconds / 4):
            await bus.run()
        assert logs == []
        nursery.cancel_scope.cancel()


async def serve_words(words: bytes, task_status: trio.TaskStatus[int]) -> None:
    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            async for _ in stream:
                await stream.send_all(words)

    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, answer, 0, host="127.0.0.1")
        [listener] = await nursery.start(serve)
        task_status.started(listener.socket.getsockname()[1])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "redis_not_redis"),
        (b"+OK\r\n", "redis_not_redis"),
        (b"-ERR unknown command 'HELLO', with args beginning with: '3'\r\n", "redis_too_old"),
        (b"-DENIED Redis is running in protected mode because\r\n", "redis_protected_mode"),
        (b"-ERR SELECT is not allowed in cluster mode\r\n", "redis_cluster"),
        (b"-MOVED 3999 127.0.0.1:6381\r\n", "redis_cluster"),
        (
            b"%4\r\n+version\r\n+7.0.15\r\n+proto\r\n:3\r\n+id\r\n:3\r\n+mode\r\n+sentinel\r\n",
            "redis_sentinel",
        ),
    ],
)
async def test_what_is_no_usable_redis_is_refused_at_the_start(words: bytes, code: str) -> None:
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve_words, words)
        with pytest.raises(BusRefused) as caught:
            await make_bus(f"redis://:secret@127.0.0.1:{port}/0").check()
        assert caught.value.code == code
        assert "secret" not in str(caught.value)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", "redis_loading"),
        (b"-ERR max number of clients reached\r\n", "redis_too_many_clients"),
    ],
)
async def test_what_passes_is_waited_for(words: bytes, code: str) -> None:
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve_words, words)
        bus = make_bus(f"redis://127.0.0.1:{port}/0")
        await bus.check()
        async with running(bus):
            assert bus.statistics().last_error == code
        nursery.cancel_scope.cancel()


async def test_who_takes_every_connection_and_hangs_up_is_not_asked_on_and_on(
    server: RedisServer,
) -> None:
    proxy = BusProxy(server.port, random.Random(1))
    options = replace(QUICK, first_retry_seconds=0.002, last_retry_seconds=3600.0)
    async with proxy.serving():
        bus = make_bus(f"redis://127.0.0.1:{proxy.port}/0", options=options)

        async def hang_up() -> None:
            await trio.lowlevel.checkpoint()
            proxy.hang_up()

        bus.on_connect(hang_up)
        with trio.move_on_after(2):
            await bus.run()
    # Twice as long a pause each time: 0.002, 0.004 … make two seconds in ten.
    assert 3 < bus.statistics().connects < 20


async def test_nobody_there_is_waited_for() -> None:
    bus = make_bus(f"redis://127.0.0.1:{free_port()}/0")
    await bus.check()
    async with running(bus):
        assert not bus.is_connected
        assert bus.statistics().last_error == "redis_unreachable"


@pytest.mark.parametrize(
    ("commands", "undo", "code"),
    [
        (["REPLICAOF 127.0.0.1 1"], "REPLICAOF NO ONE", "redis_read_only"),
        (["CONFIG SET maxmemory 1"], "CONFIG SET maxmemory 0", "redis_out_of_memory"),
        # These refuse the liveness check as well.
        (["ACL SETUSER default -ping"], "ACL SETUSER default +ping", "redis_not_permitted"),
        (
            ["CONFIG SET replica-serve-stale-data no", "REPLICAOF 127.0.0.1 1"],
            "REPLICAOF NO ONE",
            "redis_no_primary",
        ),
        (
            ["CONFIG SET dir /proc", 'CONFIG SET save "3600 1"', "BGSAVE"],
            'CONFIG SET save ""',
            "redis_not_saving",
        ),
    ],
)
async def test_events_pass_a_redis_that_answers_and_refuses(
    commands: list[str], undo: str, code: str
) -> None:
    with running_redis("--enable-protected-configs", "yes") as server:
        a, b, heard = pair(server, PATIENT)
        async with running(a, b):
            for command in commands:
                assert server.command(*command.split())[:1] == b"+"
            await until(lambda: a.statistics().last_error == code)
            await is_heard(a, heard, b"still")
            assert b"OK" in server.command(*undo.split())
            await until_nodes(a, b)
            # A refusal is an answer: nobody hung up because of it.
            assert [bus.statistics().connects for bus in (a, b)] == [1, 1]


async def test_what_is_refused_is_seen_before_anything_is_said_and_until_it_is_granted(
    server: RedisServer,
) -> None:
    a, b, heard = pair(server, PATIENT)
    for command, undo in (
        ("ACL SETUSER default -publish", "ACL SETUSER default +publish"),
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
    ):
        assert server.command(*command.split())[:1] == b"+"
        async with running(a, b):
            await until(lambda: a.is_refused and a.statistics().is_refused)
            assert a.is_connected
            assert server.command(*undo.split())[:1] == b"+"
            await until(lambda: not a.is_refused and not b.is_refused)
            await is_heard(a, heard, command.encode())
        assert not a.is_refused


async def test_a_refused_liveness_check_alone_is_no_trouble_for_others(
    server: RedisServer,
) -> None:
    a, _, _ = pair(server, PATIENT)
    assert server.command("ACL", "SETUSER", "default", "-ping")[:1] == b"+"
    async with running(a):
        await until(lambda: a.statistics().last_error == "redis_not_permitted")
        await until_nodes(a)
        assert not a.is_refused


async def test_a_set_that_is_made_anew_is_never_seen_half(server: RedisServer) -> None:
    people, fewer = range(1, 3_001), range(2, 2_900)
    seen: list[frozenset[int]] = []
    a, b, _ = pair(server)

    async def ask_and_look(command: bytes, *arguments: bytes | str | int) -> ResponseType:
        answer = await a._ask(command, *arguments)
        seen.append(await b.members_of(a.node_id, "online"))
        return answer

    async with running(a, b):
        await a.add_members("online", people)
        a._keys._ask = ask_and_look
        await a.replace_members("online", fewer)
        assert seen[-1] == frozenset(fewer)
        assert set(seen) == {frozenset(people), frozenset(fewer)}


async def test_a_set_that_can_not_be_made_anew_stays(server: RedisServer) -> None:
    a, b, _ = pair(server)
    async with running(a, b):
        await a.add_members("online", [1, 2])
        assert b"OK" in server.command("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(BusAway):
            await a.replace_members("online", [2, 3])
        assert await b.members_of(a.node_id, "online") == {1, 2}


@pytest.mark.parametrize("url", ["http://h", "redis://h:99999/0", "redis://h:x/0", "redis://h/db"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(ValueError, match="Redis address"):
        make_bus(url)
